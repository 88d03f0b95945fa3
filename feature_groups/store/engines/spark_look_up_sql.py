"""A look-up as one Spark window: no worker holds a whole key; and a second opinion on the Polars kernel.

Rows and questions are laid in one frame and sorted by key and instant; a question gets the last row above it. An
instant sorts by the visible-from time of a row, so this means what `as_of.looked_up` means. What was known when
depends on the versions between, which no window can say: such look-ups stay with the kernel.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from functools import reduce
from typing import TYPE_CHECKING

from feature_groups.store.errors import EngineUnavailable
from feature_groups.store.look_up import LookUp, microseconds
from feature_groups.store.names import ROW

if TYPE_CHECKING:
    from pyspark.sql import Column, DataFrame

log = logging.getLogger(__name__)

_SPREAD = 1024
_SPINE, _FOUND, _INSTANT, _SIDE, _LOST = "__spine", "__found", "__instant", "__side", "__lost"


def look_up_in_sql(spine: DataFrame, rows: DataFrame, look: LookUp, time: str) -> DataFrame:
    """The spine with what one look-up finds and its marker; no order.

    Args:
        spine: ``__row``, key columns, `time` and what else is carried.
        rows: The group's rows with the columns that the look-up needs.
        look: How; knowledge does not count.
        time: The spine's column of instants.

    Raises:
        EngineUnavailable: Knowledge counts.
    """
    from pyspark.sql import Window
    from pyspark.sql import functions as F

    if look.ingested is not None:
        raise EngineUnavailable(
            "engine 'spark'",
            what="What was known when cannot be said as a window of SQL.",
            state="was not used; nothing was joined",
            next_step="raise ALLUVIA_SPARK_KEY_ROWS, so that the Polars kernel takes the largest key at once.",
        )
    keys = [f"__key_{i}" for i in range(len(look.left))]
    orders = [f"__order_{i}" for i in range(len(look.order))]
    asked = F.unix_micros(time) if look.event_time else F.lit(0).cast("bigint")
    event = F.unix_micros(look.event_time) if look.event_time else F.lit(0).cast("bigint")
    later = microseconds(look.delay) + int(look.strict) if look.event_time else 0
    missing = reduce(lambda one, other: one | other, [F.col(name).isNull() for name in look.left])
    questions = spine.select(
        F.struct("*").alias(_SPINE),
        *(F.col(name).alias(key) for name, key in zip(look.left, keys, strict=True)),
        # Questions without a key find nothing; one task must not get them all.
        F.when(missing, F.pmod(ROW, F.lit(_SPREAD)) + 1).otherwise(0).cast("int").alias(_LOST),
        asked.alias(_INSTANT),
        F.lit(1).alias(_SIDE),
    )
    outputs = [F.col(column).alias(name) for name, column in look.outputs.items()]
    answers = rows.select(
        F.struct(event.alias(look.at), *outputs).alias(_FOUND),
        *(F.col(name).alias(key) for name, key in zip(look.right, keys, strict=True)),
        *(F.col(name).alias(order) for name, order in zip(look.order, orders, strict=True)),
        F.lit(0).alias(_LOST),
        (event + F.lit(later)).alias(_INSTANT),
        F.lit(0).alias(_SIDE),
    )
    before = Window.partitionBy(*keys, _LOST).orderBy(_INSTANT, _SIDE, *orders)
    above = before.rowsBetween(Window.unboundedPreceding, Window.currentRow)
    found: Column = F.last(_FOUND, ignorenulls=True).over(above)
    told = questions.unionByName(answers, allowMissingColumns=True).withColumn(_FOUND, found).where(F.col(_SIDE) == 1)
    if look.max_age is not None:
        oldest = F.col(_INSTANT) - F.lit(microseconds(look.max_age))
        told = told.withColumn(_FOUND, F.when(F.col(f"{_FOUND}.{look.at}") >= oldest, F.col(_FOUND)))
    made = [F.col(f"{_FOUND}.{name}").alias(name) for name in (*look.outputs, look.at)]
    return told.select(f"{_SPINE}.*", *made)


def with_large_keys(looks: Sequence[tuple[LookUp, DataFrame]], rows: int, most: int) -> frozenset[str]:
    """The names of the look-ups in whose group some key has more rows than a worker takes; those for SQL.

    Args:
        looks: Look-ups and the rows of their groups.
        rows: About how many rows all of them have; keys are counted only where there may be large ones.
        most: Rows of one key that a worker takes.
    """
    from pyspark.sql import functions as F

    if rows <= most:
        return frozenset()
    counts = [
        found.groupBy(*look.right)
        .agg(F.count(F.lit(1)).alias("n"))
        .agg(F.max("n").alias("n"))
        .select(F.lit(number).alias("number"), "n")
        for number, (look, found) in enumerate(looks)
    ]
    counted = reduce(lambda one, other: one.unionAll(other), counts).where(F.col("n") > most)
    large = [(looks[row["number"]][0], row["n"]) for row in counted.collect()]
    for look, n in large:
        how = "the Polars kernel all the same, for knowledge counts" if look.ingested is not None else "SQL"
        log.info("%s: a key of %s rows, more than %s: %s", ", ".join(look.right), f"{n:,}", f"{most:,}", how)
    return frozenset(look.name for look, _ in large if look.ingested is None)
