"""What is made anew: by an increment keys, each from an instant on; by a backfill every key in a span of time."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

import narwhals as nw

from feature_groups.store.condition_values import FIRST_YEAR
from feature_groups.store.engine import Engine, Frame
from feature_groups.store.feature_group import FeatureGroup
from feature_groups.store.names import SINCE


@dataclass(frozen=True)
class Scope:
    """Keys of a group and the instants from which their rows are made anew.

    Attributes:
        folder: Parquet files with the primary key and, unless the group is static, `SINCE` (µs, UTC): one row per
            key. Files, because what computes the rows and what compares them with the table may be different engines.
        earliest: The earliest of these instants; None for static groups, and without keys.
    """

    folder: str
    earliest: datetime | None

    def keep(self, rows: Frame, group: FeatureGroup, engine: Engine) -> Frame:
        """The rows of a group that lie inside."""
        inside = self.marked(rows, group, engine)
        if group.event_time is None:
            return inside
        # What follows from the join's condition, in a form by which files and parts of them are skipped.
        if self.earliest is not None and self.earliest.year >= FIRST_YEAR:
            inside = inside.filter(nw.col(group.event_time) >= self.earliest)
        return inside.filter(nw.col(group.event_time) >= nw.col(SINCE)).drop(SINCE)

    def marked(self, rows: Frame, group: FeatureGroup, engine: Engine) -> Frame:
        """The rows of the keys, at any instant, with `SINCE`."""
        return rows.join(engine.files(self.folder), on=list(group.primary_key), how="inner")


@dataclass(frozen=True)
class Span:
    """All rows of a group from one instant to another.

    Attributes:
        start: First instant, aware; inclusive.
        end: Exclusive.
    """

    start: datetime
    end: datetime

    def keep(self, rows: Frame, group: FeatureGroup, _: Engine) -> Frame:
        """The rows of a group, which has an event time, that lie inside."""
        assert group.event_time is not None
        time = nw.col(group.event_time)
        return rows.filter(time >= self.start, time < self.end)


def touched(changes: Frame, group: FeatureGroup, time: str | None, engine: Engine, spool: Callable[[], Path]) -> Scope:
    """The scope of changes: every key in them, from the earliest of its changes on.

    Args:
        changes: Rows that came, went or changed, with the group's primary key; computed once.
        group: The derived group.
        time: Their event time; None where either side has none.
        engine: Where they live.
        spool: Makes an unused folder.
    """
    key, folder = list(group.primary_key), str(spool())
    if time is None or group.event_time is None:
        engine.write_files(changes.select(*key).unique(), folder)
        return Scope(folder, None)
    engine.write_files(changes.group_by(*key).agg(nw.col(time).min().alias(SINCE)), folder)
    return Scope(folder, engine.collect(engine.files(folder).select(nw.col(SINCE).min())).item())
