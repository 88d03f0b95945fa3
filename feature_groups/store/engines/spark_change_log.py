"""The change log on Spark: the Polars kernel in buckets of keys, and SQL for keys that no worker can hold."""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import cast

import polars as pl
import pyarrow as pa
from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from feature_groups.store.engines.spark_arrow import arrow_table, polars_frame
from feature_groups.store.engines.spark_look_up import ddl, polars_schema
from feature_groups.store.engines.spark_windows import change_log_in_sql
from feature_groups.store.engines.worker_errors import received, sent
from feature_groups.store.window_slices import ChangeLogSpec

log = logging.getLogger(__name__)

_BUCKET = "__bucket"


def change_log_on_spark(
    events: DataFrame, spec: ChangeLogSpec, most: int, buckets_for: Callable[[int], int]
) -> DataFrame:
    """The change log of events; their keys are counted at once, the rest is computed when it is read.

    Args:
        events: Key, time, order and aggregated columns; keys and times not NULL; perhaps `SINCE`, see `change_log`.
        spec: What to aggregate.
        most: Rows of a key's change log that a worker takes at once; an event may have one for every window.
        buckets_for: How many buckets so many rows need.
    """
    each = 1 + len(spec.finite)
    count, large = _counted(events, spec, most // each)
    buckets = buckets_for(count * each)
    if not large.height:
        log.info("%s: windows of %s events on Spark, in %s buckets of keys", spec.where, f"{count:,}", buckets)
        return change_log_in_buckets(events, spec, buckets)
    log.info(
        "%s: windows of %s events on Spark, in %s buckets of keys, and in SQL for %s keys of more than %s events",
        *(spec.where, f"{count:,}", buckets, large.height, f"{most // each:,}"),
    )
    keys = F.broadcast(events.sparkSession.createDataFrame(arrow_table(large)))
    few, many = (events.join(keys, list(spec.key), how) for how in ("left_anti", "left_semi"))
    in_buckets = change_log_in_buckets(few, spec, buckets)
    return in_buckets.unionByName(change_log_in_sql(many, spec, polars_schema(many)))


def change_log_in_buckets(events: DataFrame, spec: ChangeLogSpec, buckets: int) -> DataFrame:
    """The change log by the Polars kernel; a bucket of whole keys passes through a Python worker at once."""
    schema = polars_schema(events)

    def bucket(table: pa.Table) -> pa.Table:
        from feature_groups.store.change_log import change_log

        with sent():
            return arrow_table(change_log(polars_frame(table, schema), spec))

    bucketed = events.withColumn(_BUCKET, F.pmod(F.hash(*spec.key), F.lit(buckets)))
    return bucketed.groupBy(_BUCKET).applyInArrow(bucket, ddl(spec.schema(schema)))


def _counted(events: DataFrame, spec: ChangeLogSpec, most: int) -> tuple[int, pl.DataFrame]:
    """How many events there are, and the keys that have more than a worker holds: few, for each has so many."""
    keys = F.struct(*spec.key)
    counts = events.groupBy(*spec.key).agg(F.count(F.lit(1)).alias("__rows"))
    large = F.collect_list(F.when(F.col("__rows") > most, keys))
    with received():
        found = cast("pl.DataFrame", pl.from_arrow(counts.agg(F.sum("__rows"), large.alias("keys")).toArrow()))
    rows = int(found.item(0, 0) or 0)
    return rows, found.select(pl.col("keys").explode(empty_as_null=False)).unnest("keys")
