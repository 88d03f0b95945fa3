"""Bringing one feature group up to date: from its source or parents, through its transform, into its table."""

from __future__ import annotations

import logging
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import polars as pl

from feature_groups.store.batch import Rows, conformed
from feature_groups.store.border import to_polars
from feature_groups.store.checks import check
from feature_groups.store.connect import session_started
from feature_groups.store.derived import derive, made
from feature_groups.store.engine import Frame
from feature_groups.store.errors import AlluviaError, ContractViolated, EmptyBatch, InvalidDeclaration, SourceDamaged
from feature_groups.store.feature_group import FeatureGroup
from feature_groups.store.receipts import Receipt
from feature_groups.store.source import Source
from feature_groups.store.spool import spools_cleared
from feature_groups.store.transforms import is_private, quoted

if TYPE_CHECKING:
    from feature_groups.store.feature_store import FeatureStore
    from feature_groups.store.stored_group import StoredFeatureGroup

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
    starting_point: Mapping[str, Any] | None = None,
) -> Materialized:
    """Make a feature group's rows anew and write what changed.

    Rows made from parents replace the whole table, or from a `starting_point` on only what the changes since then
    touch. Rows made from a source are added to it; only `anew` removes rows that are no longer made, and only where
    every delivery is whole (``max_shrink=0``).

    Args:
        store: The lake.
        group: A group with a source or parents.
        data: Folder of the raw files.
        batch_key: Key under which the write happens once.
        reason: Why, for the history.
        previous_rows: Rows of the delivery before, to notice one that was cut.
        anew: Also remove, in the same commit, rows that are no longer made: for changed code.
        starting_point: The step record from which an increment may go on; without it everything is made.

    Raises:
        SourceMissing, SourceDamaged, EmptyBatch: The delivery cannot be used.
        ContractViolated, SchemaMismatch: Raw or transformed rows break their contract.
        NothingWritten: A parent has no rows.
    """
    with spools_cleared():
        if group.source is not None:
            raw = read_source(store, group.source, data, previous_rows)
            if raw.count > (previous_rows or 0):
                store.writer.prepare()
            rows = in_memory(group, made(raw.engine, group, [raw.frame]))
            # What a source that may shrink lacks was not unmade by the code.
            anew = anew and group.source.max_shrink == 0
            stored = _announced(store, group, rows)
            return Materialized(stored.insert(rows, overwrite=anew, batch_key=batch_key, reason=reason), raw.count)
        if not group.parents:
            raise InvalidDeclaration(
                group.where,
                what="It is not computed.",
                state="was not changed",
                next_step="insert rows with fg.insert(...).",
            )
        found = derive(store, group, starting_point or {})
        log.info("%s: %s", group, found.why)
        rows = in_memory(group, found.rows)
        stored, reason = _announced(store, group, rows), f"{reason} ({found.why})" if reason else found.why
        if found.scope is not None:
            return Materialized(stored.replace_within(rows, found.scope, batch_key=batch_key, reason=reason), None)
        return Materialized(stored.insert(rows, overwrite=True, batch_key=batch_key, reason=reason), None)


def in_memory(group: FeatureGroup, frame: Frame) -> Any:
    """Polars rows computed, Spark rows as they are."""
    rows: Any = frame.to_native()
    return to_polars(rows, group.where, private=is_private(group)) if isinstance(rows, pl.LazyFrame) else rows


def _announced(store: FeatureStore, group: FeatureGroup, rows: Any) -> StoredFeatureGroup:
    size = f"{rows.height:,} rows" if isinstance(rows, pl.DataFrame) else "rows on Spark"
    log.info("%s: checking and writing %s%s", group, size, "" if session_started() else "; Spark starts if need be")
    return store.get_or_create_feature_group(group)


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
