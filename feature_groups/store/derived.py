"""Rows of a derived group: from its parents' rows, whole, or only the keys and instants that changes touch.

An event that changes at e changes a key's rows at e or later only, because transforms never look ahead (a
property test of every declared transform). So the increment is: the keys in the first parent's change feed, each
from its earliest changed event on. Within that scope the rows made anew replace the stored ones.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from feature_groups.store.border import unreadable
from feature_groups.store.engine import Engine, Frame
from feature_groups.store.errors import AlluviaError, NoChangeFeed
from feature_groups.store.feature_group import FeatureGroup
from feature_groups.store.names import SINCE
from feature_groups.store.scope import Scope, touched
from feature_groups.store.transforms import called, is_private, transformed
from feature_groups.store.window_slices import ChangeLogSpec

if TYPE_CHECKING:
    from feature_groups.store.feature_store import FeatureStore

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Derived:
    """Rows to write.

    Attributes:
        rows: The group's rows: all of them, or those in the scope.
        engine: Where they live.
        scope: What is made anew; None for everything.
        why: Whether it is an increment or a rebuild, and why.
    """

    rows: Frame
    engine: Engine
    scope: Scope | None
    why: str


def derive(store: FeatureStore, group: FeatureGroup, previous: Mapping[str, Any]) -> Derived:
    """Make a derived group's rows, only those that changed since the previous record where that is possible.

    Args:
        store: The lake.
        group: A group with parents.
        previous: Its newest step record when nothing but inputs changed since; else empty.
    """
    first = group.parents[0]
    problem, since = _obstacle(store, group, previous)
    frames, engine = parents(store, group)
    if problem is None:
        try:
            scope = _scope(store, group, since, engine)
        except NoChangeFeed as gone:
            problem = f"the change feed of {first.id} is gone ({gone.what.splitlines()[0]})"
        else:
            return Derived(made(engine, group, frames, scope), engine, scope, f"increment since {first.id} v{since}")
    return Derived(made(engine, group, frames), engine, None, f"full: {problem}")


def made(engine: Engine, group: FeatureGroup, frames: Sequence[Frame], scope: Scope | None = None) -> Frame:
    """Transform, aggregate and derive.

    Args:
        engine: Where the frames live.
        group: The group.
        frames: The parents' rows in order, or the source's.
        scope: Makes only the rows inside; everything when not given.
    """
    assert group.spec is not None
    if scope is not None:
        keys = engine.files(scope.folder).select(*group.primary_key)
        frames = [frames[0].join(keys, on=list(group.primary_key), how="semi"), *frames[1:]]
    rows = transformed(group, *frames)
    times = {p.event_time: group.event_time for p in group.parents[:1] if p.event_time and group.event_time}
    if group.transform is None and times:
        rows = rows.rename(times)
    if group.aggregations:
        if scope is not None:
            rows = scope.marked(rows, group, engine)
        rows = _change_log(engine, group, rows)
    elif scope is not None:
        rows = scope.keep(rows, group, engine)
    if group.derive is not None:
        rows = called(group, "derive", group.derive, rows)
    return rows.select(*group.spec.names) if group.aggregations or group.derive else rows


def _change_log(engine: Engine, group: FeatureGroup, rows: Frame) -> Frame:
    try:
        return engine.change_log(rows, change_log_spec(group, rows.collect_schema().names()))
    except AlluviaError:
        raise
    except Exception as error:  # the transform's plan runs here
        private = is_private(group)
        raise unreadable(error, group.where, private=private) from (None if private else error)


def change_log_spec(group: FeatureGroup, columns: Sequence[str]) -> ChangeLogSpec:
    """What the kernel needs to know; events of equal time go by the parents' sequences, then by every other column."""
    assert group.event_time is not None
    used = {*group.primary_key, group.event_time, SINCE}
    sequences = [p.sequence for p in group.parents if p.sequence in columns]
    rest = sorted(c for c in columns if c not in used and c not in sequences)
    return ChangeLogSpec(
        key=tuple(group.primary_key),
        time=group.event_time,
        order=tuple(dict.fromkeys([*filter(None, sequences), *rest])),
        aggregations=tuple(group.aggregations),
        resolution=group.resolution,
        decimals=group.decimals,
        where=group.where,
    )


def _obstacle(store: FeatureStore, group: FeatureGroup, previous: Mapping[str, Any]) -> tuple[str | None, int]:
    """Why an increment is impossible, or None; and the version of the first parent it starts from."""
    first = group.parents[0]
    if "inputs" not in previous:
        return "first run, or code or declaration changed", 0
    if not group.local:
        return "the group declares local=False", 0
    missing = [c for c in group.primary_key if first.spec and c not in first.spec.by_name]
    if missing:
        return f"{first.id} has no column {missing[0]!r} to tell the touched keys by", 0
    was = previous["inputs"]
    for other in group.upstream[1:]:
        now = store.writer.states.at(store.get_or_create_feature_group(other).table)
        if (was.get(other.id) or {}).get("content") != f"{now.fingerprint:032x}":
            return f"{other.id} changed as well", 0
    stored = store.get_or_create_feature_group(first).table
    state = store.writer.states.at(stored)
    if was[first.id]["table_id"] != state.table_id or was[first.id]["version"] > state.version:
        return f"{first.id} is another table than before", 0
    return None, int(was[first.id]["version"])


def parents(store: FeatureStore, group: FeatureGroup) -> tuple[list[Frame], Engine]:
    """The parents' newest rows, all on the engine that the largest of them asks for."""
    tables = [store.get_or_create_feature_group(p).table for p in group.parents]
    chosen = [store.reader.choose(t, store.reader.resolve(t, None), None) for t in tables]
    engine, why = next((c for c in chosen if c[0].name == "spark"), chosen[0])
    log.info("%s: reading its parents with %s", group, why)
    return [store.reader.read(t, None, engine.name, ingested=False)[0] for t in tables], engine  # type: ignore[arg-type]  # an engine's name


def _scope(store: FeatureStore, group: FeatureGroup, since: int, engine: Engine) -> Scope:
    """What the first parent's changes after a version touch."""
    first = group.parents[0]
    table = store.get_or_create_feature_group(first).table
    feed, _ = store.reader.changes(table, since, None, engine.name)  # type: ignore[arg-type]  # an engine's name
    return touched(feed, group, first.event_time, engine, store.shop.spool)
