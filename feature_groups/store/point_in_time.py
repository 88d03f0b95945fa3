"""The point-in-time join: a spine with what every group said at each of its instants, at pinned versions."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import narwhals as nw
import polars as pl

from feature_groups.store.engine import Engine, Frame
from feature_groups.store.errors import KnowledgeTimeUnavailable
from feature_groups.store.feature_group import FeatureGroup
from feature_groups.store.look_up import LookUp
from feature_groups.store.lookup_plan import Node, Rules, nodes_of, with_joins
from feature_groups.store.names import ALIVE, INGESTED_AT, IS_DELETED
from feature_groups.store.query import Join
from feature_groups.store.reader import AsOf
from feature_groups.store.spine_slices import in_slices
from feature_groups.store.table import Table

if TYPE_CHECKING:
    from feature_groups.store.feature_store import FeatureStore


@dataclass(frozen=True)
class Pin:
    """The version of a group that is read.

    Attributes:
        group: ``<name>_v<version>``.
        table_id: Delta's id of the table.
        version: Delta version.
        fingerprint: Content fingerprint of its visible rows, 32 hexadecimal digits.
        rows: Its visible rows.
    """

    group: str
    table_id: str
    version: int
    fingerprint: str
    rows: int


@dataclass(frozen=True)
class Joined:
    """A spine with what was looked up.

    Attributes:
        frame: The spine's columns (``__row`` among them), the outputs, and a marker column per look-up.
        nodes: The look-ups.
        counts: Per look-up whether something was found, as an expression of the frame.
    """

    frame: Frame
    nodes: Sequence[Node]
    counts: Mapping[str, nw.Expr]


def pinned(store: FeatureStore, groups: Sequence[FeatureGroup], as_of: AsOf | Mapping[str, int]) -> dict[str, Pin]:
    """Per group id the version that is read.

    Args:
        store: The lake.
        groups: What is read.
        as_of: An instant, None for the newest version of each, or versions by group id.

    Raises:
        NothingWritten, NoSuchVersion: A group has no rows, or not that version.
    """
    found = {}
    for group in groups:
        table = store.get_or_create_feature_group(group).table
        wanted = as_of.get(group.id) if isinstance(as_of, Mapping) else as_of
        version = store.reader.resolve(table, wanted)
        state = store.writer.states.at(table, version)
        found[group.id] = Pin(group.id, state.table_id, version, f"{state.fingerprint:032x}", state.rows)
    return found


def chosen_engine(
    store: FeatureStore, pins: Mapping[str, Pin], spine_rows: int, engine: str | None
) -> tuple[Engine, str]:
    """The engine asked for, or by ``auto`` Polars when the spine and every group fit its budget; with the reason."""
    wanted, budget = engine or store.shop.choice, store.shop.budget
    if wanted != "auto":
        return (store.shop.spark() if wanted == "spark" else store.shop.polars), f"{wanted} (as asked)"
    largest, name = max([(spine_rows, "the spine"), *((pin.rows, pin.group) for pin in pins.values())])
    if largest <= budget:
        return store.shop.polars, f"polars ({name}'s {largest:,} rows fit the budget of {budget:,})"
    return store.shop.spark(), f"spark ({name}'s {largest:,} rows exceed the budget of {budget:,})"


def joined(
    store: FeatureStore,
    engine: Engine,
    spine: Frame,
    time: str,
    joins: Sequence[Join],
    rules: Rules,
    pins: Mapping[str, Pin],
    rows: int,
) -> Joined:
    """Look up every group for every row of a spine.

    Args:
        store: The lake.
        engine: Where the spine's frame lives, and computes.
        spine: ``__row``, the key columns, `time` (µs, UTC), and what else is carried.
        time: The column of instants.
        joins: What is looked up.
        rules: What a view says about time.
        pins: The versions that are read.
        rows: Rows of the spine.
    """
    nodes = nodes_of(joins, rules)
    looks = [(node.look, rows_for(store, engine, node.look, node.group, node.where, pins)) for node in nodes]
    about, budget = rows + sum(pins[node.group.id].rows for node in nodes), store.shop.budget
    if not looks:
        frame = spine
    elif engine.name == "polars" and rows > budget:
        held = [(look, nw.from_native(engine.collect(found).lazy())) for look, found in looks]

        def looked_up(part: pl.DataFrame, _: int) -> pl.LazyFrame:
            made: pl.LazyFrame = engine.look_up(nw.from_native(part.lazy()), held, time, about).to_native()
            return made

        frame = in_slices(spine, rows, budget, store.shop.spool(), looked_up)
    else:
        frame = engine.look_up(spine, looks, time, about)
    frame, counts = with_joins(frame, nodes)
    return Joined(frame, nodes, counts)


def rows_for(
    store: FeatureStore, engine: Engine, look: LookUp, group: FeatureGroup, where: Any, pins: Mapping[str, Pin]
) -> Frame:
    """The rows of a group that a look-up may find: visible and filtered, or every version where knowledge counts."""
    table = store.get_or_create_feature_group(group).table
    version = pins[group.id].version
    condition = where.expr() if where is not None else None
    if look.ingested is None:
        needs_ingestion = INGESTED_AT in look.needed
        frame, _, _ = store.reader.read(table, version, engine.name, ingested=needs_ingestion)  # type: ignore[arg-type]  # an engine's name
        if condition is not None:
            frame = frame.filter(condition)
        return frame.select(*look.needed)
    refuse_unkept(table, "known='as_of_event'")
    frame = store.reader.versions(table, version, engine)
    alive = ~nw.col(IS_DELETED)
    if condition is not None:
        alive = alive & nw.when(condition).then(nw.lit(True)).otherwise(nw.lit(False))
    return frame.with_columns(alive.alias(ALIVE)).select(*look.needed)


def refuse_unkept(table: Table, asked: str) -> None:
    """Refuse to say what was known when of a group that replaces what it corrects.

    Raises:
        KnowledgeTimeUnavailable: Its declaration says ``corrections="replace"``.
    """
    if not table.keeps:
        raise KnowledgeTimeUnavailable(
            table.group.where,
            what=f"{asked} needs every version of its rows, but a correction there replaces the row before.",
            state="was not joined",
            next_step="use known='pinned', or declare a new version of the group with corrections='keep'.",
        )
