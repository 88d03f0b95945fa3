"""How fresh a feature group is: the newest event behind it, and whether what it is made from has moved since."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any

import polars as pl

from feature_groups.store.errors import NothingWritten
from feature_groups.store.step_changes import contents

if TYPE_CHECKING:
    from feature_groups.store.declarations import Declarations
    from feature_groups.store.feature_store import FeatureStore


@dataclass(frozen=True)
class Freshness:
    """How fresh one feature group is.

    Attributes:
        newest_event: The newest event (UTC) of the group, or, where it is computed, of the groups behind it: rows of
            windows lie in the future. None where nothing behind it has an event time, or nothing is written.
        behind: Ids of the groups it is made from whose content has changed since; empty when it is up to date with
            them, or made of files.
    """

    newest_event: datetime | None
    behind: tuple[str, ...]


def freshness(store: FeatureStore, declarations: Declarations) -> dict[str, Freshness]:
    """The freshness of every feature group of a lake, by id; reads one column of each group with events."""
    stored = {name: found for name in declarations.ids() if (found := declarations.newest(name))}
    newest: dict[str, datetime | None] = {}
    return {
        name: Freshness(_watermark(store, stored, newest, name), _behind(store, stored, name))
        for name in sorted(stored)
    }


def _watermark(
    store: FeatureStore, stored: Mapping[str, Any], newest: dict[str, datetime | None], name: str
) -> datetime | None:
    if name not in newest:
        declared = stored[name]
        known = [p for p in declared["parents"] if p in stored]
        if known:
            found = [_watermark(store, stored, newest, parent) for parent in known]
            newest[name] = max((instant for instant in found if instant is not None), default=None)
        else:
            newest[name] = _newest_event(store, declared)
    return newest[name]


def _newest_event(store: FeatureStore, declared: Mapping[str, Any]) -> datetime | None:
    if declared["event_time"] is None:
        return None
    group = store.get_feature_group(declared["name"], declared["version"])
    try:
        rows: pl.LazyFrame = group.read(engine="polars")
    except NothingWritten:
        return None
    found: datetime | None = rows.select(pl.col(declared["event_time"]).max()).collect().item()
    return found


def _behind(store: FeatureStore, stored: Mapping[str, Any], name: str) -> tuple[str, ...]:
    record = store.metadata.last(f"steps/{name}")
    if record is None:
        return ()
    moved = []
    for other, content in contents(record["inputs"]).items():
        if other not in stored:
            continue
        group = store.get_feature_group(stored[other]["name"], stored[other]["version"])
        state = store.writer.states.at(group.table)
        if f"{state.fingerprint:032x}" != content:
            moved.append(other)
    return tuple(moved)
