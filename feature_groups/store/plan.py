"""What a batch changes in a table: the rows to commit, counted and fingerprinted."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

import narwhals as nw
import polars as pl

from feature_groups.store.classify import BEFORE, CHANGE_TYPE, DELETE, INSERT, UPDATE, classified, missing, old_values
from feature_groups.store.engine import Engine, Frame
from feature_groups.store.names import INGESTED_AT, IS_DELETED
from feature_groups.store.row_hash import MODULUS
from feature_groups.store.table import Table


@dataclass(frozen=True)
class Plan:
    """The effect of a batch.

    Attributes:
        rows: New rows and changed ones as they will be: the contract's columns and the kind of change.
        gone: Changed rows as they are and rows to remove, likewise, and when they were taken in; None without any.
        inserted: Rows with a new key.
        updated: Rows whose values change.
        deleted: Rows to remove.
        unchanged: Rows that are there already.
        fingerprint: What the commit adds to the table's content fingerprint, modulo 2^128.
    """

    rows: Frame
    gone: Frame | None
    inserted: int
    updated: int
    deleted: int
    unchanged: int
    fingerprint: int

    @property
    def empty(self) -> bool:
        """Whether nothing changes."""
        return not (self.inserted or self.updated or self.deleted)


def plan_upsert(
    engine: Engine,
    batch: Frame,
    current: Frame | None,
    table: Table,
    *,
    batch_fingerprint: int,
    count: int,
    overwrite: bool,
    spool: Callable[[], Path],
) -> Plan:
    """Tell new, changed and unchanged rows apart, and with `overwrite` also the ones to remove.

    Args:
        engine: Where the frames live.
        batch: Good rows, unique by key.
        current: The table's visible rows and when they were taken in, or None when it has none.
        table: The feature group.
        batch_fingerprint: Content fingerprint of the batch.
        count: Rows of the batch.
        overwrite: Whether rows that are not in the batch are removed.
        spool: Makes a folder for intermediate rows, used on Spark.
    """
    names = table.spec.names
    if current is None:
        return Plan(_marked(batch, INSERT), None, count, 0, 0, 0, batch_fingerprint)
    schema = table.spec.polars_schema
    told = computed_once(engine, classified(batch, current, table.key, table.content), spool)
    counts = _counts(engine, told)
    inserted, updated = counts.get(INSERT, 0), counts.get(UPDATE, 0)
    moved = told.filter(~nw.col(CHANGE_TYPE).is_null()).select(*names, CHANGE_TYPE)
    gone = []
    added = removed = 0
    if inserted or updated:
        added = batch_fingerprint if inserted == count else engine.fingerprint(moved, schema)
    if updated:
        before = old_values(told, table.key, table.content)
        removed = engine.fingerprint(before, schema)
        gone.append(_marked(before, BEFORE).select(*names, INGESTED_AT, CHANGE_TYPE))
    deleted = 0
    if overwrite:
        absent = computed_once(engine, missing(batch, current, table.key).select(*names, INGESTED_AT), spool)
        deleted = _height(engine, absent)
        if deleted:
            removed += engine.fingerprint(absent, schema)
            gone.append(_marked(absent, DELETE))
    unchanged, moves = count - inserted - updated, (added - removed) % MODULUS
    return Plan(moved, nw.concat(gone) if gone else None, inserted, updated, deleted, unchanged, moves)


def plan_repeat(batch: Frame, count: int) -> Plan:
    """Nothing to do: the table's newest change upserted the same rows."""
    return Plan(batch, None, 0, 0, 0, count, 0)


def plan_delete(
    engine: Engine, keys: Frame, on: list[str], current: Frame, table: Table, *, spool: Callable[[], Path]
) -> Plan:
    """The visible rows whose key columns are among the given ones, to be removed; other keys are unchanged."""
    names = table.spec.names
    wanted = keys.select(*on).unique()
    gone = computed_once(engine, current.join(wanted, on=on, how="semi").select(*names, INGESTED_AT), spool)
    deleted = _height(engine, gone)
    absent = _height(engine, wanted.join(gone.select(*on), on=on, how="anti"))
    removed = engine.fingerprint(gone, table.spec.polars_schema) if deleted else 0
    none = _marked(gone.select(*names), INSERT).head(0)
    return Plan(none, _marked(gone, DELETE), 0, 0, deleted, absent, -removed % MODULUS)


def rows_to_commit(plan: Plan, table: Table, instant: datetime) -> Frame:
    """The rows to commit: those to append, or all changes as the change feed tells them."""
    stamp = nw.lit(instant).cast(nw.Datetime("us", "UTC"))
    if table.group.ingested_from:
        stamp = nw.col(table.group.ingested_from)
    names = [*table.spec.names, INGESTED_AT, CHANGE_TYPE]
    rows = plan.rows.with_columns(stamp.alias(INGESTED_AT)).select(*names)
    if table.keeps:
        parts = [rows.with_columns(nw.lit(False).alias(IS_DELETED))]
        if plan.gone is not None:
            dead = plan.gone.filter(nw.col(CHANGE_TYPE) == DELETE).with_columns(stamp.alias(INGESTED_AT))
            parts.append(dead.with_columns(nw.lit(True).alias(IS_DELETED)))
        return nw.concat(parts).drop(CHANGE_TYPE)
    return rows.drop(CHANGE_TYPE) if plan.gone is None else nw.concat([rows, plan.gone.select(*names)])


def _marked(rows: Frame, kind: str) -> Frame:
    return rows.with_columns(nw.lit(kind).alias(CHANGE_TYPE))


def computed_once(engine: Engine, frame: Frame, spool: Callable[[], Path], *, large: bool = False) -> Frame:
    """Compute an intermediate result once: in memory on Polars, as files on Spark or where it is large."""
    if engine.name == "polars" and not large:
        return nw.from_native(engine.collect(frame).lazy())
    folder = str(spool())
    engine.write_files(frame, folder)
    return engine.files(folder)


def handed_over(engine: Engine, rows: Frame, spool: Callable[[], Path], by: Sequence[str] = ()) -> pl.DataFrame | str:
    """Rows as a committer takes them: a frame in memory from Polars, a folder of files from Spark.

    In memory they are sorted by the columns ``by``: sorted rows are looked up without another sort.
    """
    if engine.name == "polars":
        return engine.collect(rows.sort(*by) if by else rows)
    folder = str(spool())
    engine.write_files(rows, folder)
    return folder


def _counts(engine: Engine, told: Frame) -> Mapping[str, int]:
    counted = engine.collect(told.group_by(CHANGE_TYPE).agg(nw.len().alias("n")))
    return {str(kind): int(n) for kind, n in counted.select(CHANGE_TYPE, "n").rows() if kind is not None}


def _height(engine: Engine, frame: Frame) -> int:
    return int(engine.collect(frame.select(nw.len().alias("n").cast(nw.Int64))).item())
