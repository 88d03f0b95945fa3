"""The table of rejected rows: filled under the batch's own key, emptied when rows are re-submitted."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime
from pathlib import Path

import narwhals as nw

from feature_groups.store.batch import Batch
from feature_groups.store.classify import CHANGE_TYPE, DELETE
from feature_groups.store.commit_note import Request, author
from feature_groups.store.engine import Committer, Engine, TableLog
from feature_groups.store.plan import handed_over
from feature_groups.store.table import BATCH_KEY, REASON, REJECTED_AT, REJECTED_ID, Layout, Table


def set_aside(
    log: TableLog,
    committer: Committer,
    table: Table,
    batch: Batch,
    request: Request,
    now: datetime,
    spool: Callable[[], Path],
) -> None:
    """Append the bad rows to the rejected table, under the batch's key and so once."""
    assert batch.rejected is not None
    path = table.rejected_path
    if not log.exists(path):
        what = f"Rows that {table.group.where} refused."
        committer.create(path, what, table.rejected_columns(), Layout(indexed=(BATCH_KEY,)))
    elif log.at(path).has_batch(request.batch_key):
        return
    engine = batch.rows.engine
    numbered = engine.numbered(batch.rejected.select(*table.spec.names, REASON), "__n")
    marked = numbered.with_columns(
        nw.concat_str(nw.lit(f"{request.batch_key}-"), nw.col("__n").cast(nw.String)).alias(REJECTED_ID),
        nw.lit(request.batch_key).alias(BATCH_KEY),
        nw.lit(now).cast(nw.Datetime("us", "UTC")).alias(REJECTED_AT),
    )
    made = handed_over(engine, marked.drop("__n"), spool)
    note = {"operation": "quarantine", "batch_key": request.batch_key, "who": author()}
    committer.append(path, made, request.batch_key, note)


def release(
    log: TableLog, committer: Committer, polars: Engine, table: Table, rejected_ids: Sequence[str], key: str
) -> None:
    """Take rows out of the rejected table, once."""
    path = table.rejected_path
    now = log.at(path) if log.exists(path) else None
    if now is None or now.has_batch(key):
        return
    there = polars.table(path, now.version).filter(nw.col(REJECTED_ID).is_in(list(rejected_ids)))
    gone = polars.collect(there.with_columns(nw.lit(DELETE).alias(CHANGE_TYPE)))
    note = {"operation": "release", "batch_key": key, "who": author()}
    committer.replace(path, gone, [REJECTED_ID], key, note)
