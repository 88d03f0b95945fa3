"""How a group is looked up for the rows of a spine: keys, visibility, ties, outputs."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import timedelta

import numpy as np
import numpy.typing as npt
import polars as pl

from feature_groups.store.names import ALIVE

Ints = npt.NDArray[np.int64]

_MICROSECOND = timedelta(microseconds=1)
_LONGEST = 4 * 10**17
"""Microseconds; longer than the calendar, so that no sum of an instant and a delay overflows."""


@dataclass(frozen=True)
class LookUp:
    """How a group is looked up.

    Attributes:
        name: Tells the look-ups of one join apart.
        left: The spine's columns that name the key.
        right: The group's columns with the same meaning and types, in the same order.
        event_time: The group's event time; None for a static group, whose rows hold always.
        outputs: The group's column of each output column.
        order: Columns that order rows of equal key and event time, oldest first, the last one wins; empty where
            key and event time name one row.
        delay: How long after its event time a row is visible.
        strict: Whether a row's event time must lie before the instant; else it may be the instant.
        max_age: The oldest event time that counts, as a distance from the instant, inclusive; None for any.
        identity: Where knowledge counts: the columns that versions of one row share.
        ingested: Where knowledge counts: the column of the instant from which on a version is known.
    """

    name: str
    left: tuple[str, ...]
    right: tuple[str, ...]
    event_time: str | None
    outputs: Mapping[str, str] = field(default_factory=dict)
    order: tuple[str, ...] = ()
    delay: timedelta = timedelta(0)
    strict: bool = False
    max_age: timedelta | None = None
    identity: tuple[str, ...] = ()
    ingested: str | None = None

    @property
    def at(self) -> str:
        """The marker column: the event time that was found (int64, µs; 0 for static groups), NULL for nothing."""
        return f"__at_{self.name}"

    @property
    def needed(self) -> list[str]:
        """The columns of the group that the look-up reads."""
        timed = [c for c in (self.event_time, self.ingested) if c is not None]
        known = [ALIVE, *self.identity] if self.ingested else []
        return list(dict.fromkeys([*self.right, *timed, *self.order, *known, *self.outputs.values()]))

    def schema(self, rows: Mapping[str, pl.DataType]) -> dict[str, pl.DataType]:
        """The columns that the look-up makes, for rows of this schema."""
        return {**{name: rows[column] for name, column in self.outputs.items()}, self.at: pl.Int64()}

    def visible_from(self, rows: pl.DataFrame) -> tuple[Ints, Ints]:
        """Per row its event time and the instant it is visible from, both in µs; zeros for a static group."""
        zeros = np.zeros(rows.height, dtype=np.int64)
        event = rows[self.event_time].dt.timestamp("us").to_numpy() if self.event_time else zeros
        later = microseconds(self.delay) + int(self.strict) if self.event_time else 0
        visible = event + later if later else event
        if self.ingested:
            known = rows[self.ingested].dt.timestamp("us").to_numpy()
            visible = np.maximum(visible, known) if self.event_time else known
        return event, visible


def microseconds(duration: timedelta) -> int:
    """A duration in µs, at most longer than the calendar."""
    return min(duration // _MICROSECOND, _LONGEST)
