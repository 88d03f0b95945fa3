"""What a batch is compared with: the visible rows of its table, on an engine that can hold them."""

from __future__ import annotations

from dataclasses import replace

import narwhals as nw

from feature_groups.store.batch import Batch, Rows, Workshop
from feature_groups.store.classify import visible
from feature_groups.store.condition_values import FIRST_YEAR
from feature_groups.store.engine import Frame
from feature_groups.store.names import INGESTED_AT
from feature_groups.store.plan import computed_once
from feature_groups.store.scope import Scope, Span
from feature_groups.store.table import Table


def beside(batch: Batch, stored: int, shop: Workshop) -> Batch:
    """The batch on the engine that can read its table: by ``auto`` Spark where the stored rows exceed the budget."""
    rows = batch.rows
    if shop.choice != "auto" or rows.engine.name == "spark" or stored <= shop.budget:
        return batch
    folder, spark = str(shop.spool()), shop.spark()
    rows.engine.write_files(rows.frame, folder)
    why = f"spark ({stored:,} stored rows exceed the budget of {shop.budget:,})"
    return replace(batch, rows=Rows(spark, spark.files(folder), rows.count, why, rows.casts))


def current(table: Table, version: int, rows: Rows) -> Frame:
    """The visible rows of a version and when they were taken in, on the engine of `rows`."""
    stored = rows.engine.table(table.path, version)
    return visible(stored, table.key, [*table.spec.names, INGESTED_AT])


def within(scope: Scope | Span, seen: Frame, table: Table, rows: Rows, shop: Workshop) -> Frame:
    """The visible rows inside a scope, computed once."""
    inside = scope.keep(seen, table.group, rows.engine)
    return computed_once(rows.engine, inside.select(*table.spec.names, INGESTED_AT), shop.spool)


def near(seen: Frame, table: Table, rows: Rows) -> Frame:
    """The visible rows whose event time lies within that of `rows`: what can have the key of one of them."""
    column = table.group.event_time
    if column is None:
        return seen
    times = nw.col(column)
    bounds = rows.engine.collect(rows.frame.select(times.min().alias("low"), times.max().alias("high")))
    low, high = bounds.row(0)
    return seen if low is None or low.year < FIRST_YEAR else seen.filter(times >= low, times <= high)
