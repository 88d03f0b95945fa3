"""Bringing one feature group up to date: from its source or parents, through its transform, into its table."""

from __future__ import annotations

import logging
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import narwhals as nw
import polars as pl

from feature_groups.store.batch import Rows, conformed
from feature_groups.store.border import to_polars
from feature_groups.store.checks import check
from feature_groups.store.connect import session_started
from feature_groups.store.engine import Frame
from feature_groups.store.errors import AlluviaError, ContractViolated, EmptyBatch, InvalidDeclaration, SourceDamaged
from feature_groups.store.feature_group import FeatureGroup
from feature_groups.store.receipts import Receipt
from feature_groups.store.settings import EngineChoice
from feature_groups.store.source import Source
from feature_groups.store.spool import spools_cleared

if TYPE_CHECKING:
    from feature_groups.store.feature_store import FeatureStore

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Materialized:
    """What materializing did.

    Attributes:
        receipt: Of the write.
        source_rows: Rows of the raw delivery, None where there is no source.
    """

    receipt: Receipt
    source_rows: int | None


def materialize(
    store: FeatureStore,
    group: FeatureGroup,
    *,
    data: Path | None,
    batch_key: str,
    reason: str = "",
    previous_rows: int | None = None,
    anew: bool = False,
) -> Materialized:
    """Make a feature group's rows anew and write what changed.

    Rows made from parents replace the whole table. Rows made from a source are added to it; only `anew` removes
    rows that are no longer made, and only where every delivery is whole (``max_shrink=0``).

    Args:
        store: The lake.
        group: A group with a source or parents.
        data: Folder of the raw files.
        batch_key: Key under which the write happens once.
        reason: Why, for the history.
        previous_rows: Rows of the delivery before, to notice one that was cut.
        anew: Also remove, in the same commit, rows that are no longer made: for changed code.

    Raises:
        SourceMissing, SourceDamaged, EmptyBatch: The delivery cannot be used.
        ContractViolated, SchemaMismatch: Raw or transformed rows break their contract.
        NothingWritten: A parent has no rows.
    """
    where, private = group.where, _is_private(group)
    with spools_cleared():
        delivered: int | None = None
        if group.source is not None:
            raw = read_source(store, group.source, data, previous_rows)
            frames, delivered = [raw.frame], raw.count
            # What a source that may shrink lacks was not unmade by the code.
            anew = anew and group.source.max_shrink == 0
        elif group.parents and not group.aggregations:
            frames, anew = _parents(store, group), True
        else:
            raise InvalidDeclaration(
                where,
                what="Window aggregations are not computed yet." if group.aggregations else "It is not computed.",
                state="was not changed",
                next_step="insert rows with fg.insert(...).",
            )
        rows: Any = transformed(group, *frames).to_native()
        if isinstance(rows, pl.LazyFrame):
            rows = to_polars(rows, where, private=private)
        size = f"{rows.height:,} rows" if isinstance(rows, pl.DataFrame) else "rows on Spark"
        log.info("%s: checking and writing %s%s", group, size, "" if session_started() else "; Spark starts if need be")
        stored = store.get_or_create_feature_group(group)
        receipt = stored.insert(rows, overwrite=anew, batch_key=batch_key, reason=reason)
        return Materialized(receipt, delivered)


def read_source(store: FeatureStore, source: Source, data: Path | None, previous_rows: int | None) -> Rows:
    """A delivery's rows, whole and as their raw contract says."""
    path = source.locate(data)
    where = f"source {source.name!r} ({path})"
    started = time.monotonic()
    size = path.stat().st_size
    log.info("%s: reading %s, %s", source.name, path, f"{size / 1e6:.1f} MB" if size > 1e6 else f"{size:,} bytes")
    rows = conformed(_read(source, path, where), source.spec, where, store.shop)
    if not rows.count:
        raise EmptyBatch(
            where, what="The file has no rows.", state="was not used", next_step="ask for the delivery again."
        )
    if previous_rows is not None and rows.count < previous_rows * (1 - source.max_shrink):
        raise SourceDamaged(
            where,
            what=f"It has {rows.count:,} rows; the delivery before had {previous_rows:,}. It was cut on the way.",
            state="was not used; the feature groups are as they were",
            next_step=f"fetch it again; if it may shrink, declare max_shrink on the source {source.name!r}.",
        )
    report = check(rows.frame, source.spec, where)
    if not report.ok:
        raise ContractViolated(
            where,
            what=f"{report.bad_rows:,} of {report.rows:,} raw rows are bad:\n"
            + "\n".join(f"- {line}" for line in report.lines()),
            state="was not used; the feature groups are as they were",
            next_step="correct the delivery and run the same again.",
        )
    log.info("%s: %s good rows in %.1f s", source.name, f"{rows.count:,}", time.monotonic() - started)
    return rows


def _read(source: Source, path: Path, where: str) -> pl.DataFrame | pl.LazyFrame:
    try:
        return source.reader(path)
    except AlluviaError:
        raise
    except Exception as error:
        private = bool(source.spec.pii)
        raise SourceDamaged(
            where,
            what=f"Its reader failed: {quoted(error, private=private)}",
            state="was not used; the feature groups are as they were",
            next_step="fetch the file again; if it is as it should be, correct the reader.",
        ) from (None if private else error)


def _is_private(group: FeatureGroup) -> bool:
    specs = [g.spec for g in (group, *group.parents)] + ([group.source.spec] if group.source else [])
    return any(spec.pii for spec in specs if spec is not None)


def _parents(store: FeatureStore, group: FeatureGroup) -> list[Frame]:
    """The parents' newest rows, all on one engine."""
    tables = [store.get_or_create_feature_group(parent).table for parent in group.parents]
    chosen = [store.reader.choose(table, store.reader.resolve(table, None), None)[0].name for table in tables]
    engine: EngineChoice = "spark" if "spark" in chosen else "polars"
    return [store.reader.read(table, None, engine, ingested=False)[0] for table in tables]


def transformed(group: FeatureGroup, *frames: Frame) -> Frame:
    """The group's transform of frames, Spark's own one where it is declared and the frames are Spark's."""
    on_spark = frames[0].implementation.is_spark_like()
    function = group.spark_transform if on_spark and group.spark_transform else group.transform
    try:
        made = frames[0] if function is None else function(*frames)
        if isinstance(made, nw.LazyFrame):
            return made.with_columns(**group.derive) if group.derive else made
    except Exception as error:
        private = _is_private(group)
        raise InvalidDeclaration(
            group.where,
            what=f"Its transform failed: {quoted(error, private=private)}",
            state="was not changed",
            next_step=f"correct {_place(function)}.",
        ) from (None if private else error)
    raise InvalidDeclaration(
        group.where,
        what=f"Its transform returns a {type(made).__name__}, not a lazy narwhals frame.",
        state="was not changed",
        next_step=f"return a LazyFrame from {_place(function)}.",
    )


def _place(function: Any) -> str:
    if function is None:
        return "derive"
    return f"{function.__module__}.{getattr(function, '__qualname__', type(function).__qualname__)}"


def quoted(error: BaseException, *, private: bool) -> str:
    """An error in a line; only its kind where the data is personal, since it may quote values."""
    text = "not quoted, for the data is personal" if private else (str(error).strip().splitlines() or [""])[0][:300]
    return f"{type(error).__name__}: {text}"
