"""The best plans that can be written without our kernel: nine aggregates of a column over four windows.

Points are the instants at which an event enters or leaves a window: t + 1 µs, and t + w + 1 µs per finite window.
The events have a key `k`, a time `t` (µs, UTC), a value `x` (Int64) and `s`, which orders a key's events of equal time;
no NULLs. Every plan gives ``k``, the instants ``t`` and one column per aggregate and window.
"""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

import polars as pl

from feature_groups.store.aggregations import window_label

if TYPE_CHECKING:
    from pyspark.sql import Column, DataFrame

LAST = 5
"""How many values last_n keeps."""

FINITE = tuple(timedelta(days=n) for n in (1, 7, 30))
_TICK = timedelta(microseconds=1)
_LABELS = [window_label(w) for w in (*FINITE, None)]
_BIG = 2**62


def polars_plan(events: pl.DataFrame) -> pl.DataFrame:
    """Rolling windows for what is plain; signed deltas for n_unique; a list of the newest values for last and last_n.

    Cheaper than signed deltas throughout, and several times cheaper than rolling throughout.
    """
    events = events.sort("k", "t", "s")
    points = _points(events)
    # A point lies before an event of its very instant, which is in the window of later points only.
    nothing = points.select("k", "t", x=pl.lit(None, pl.Int64), e=pl.lit(0))
    line = pl.concat([nothing, events.select("k", "t", "x", e=pl.lit(1))]).sort("k", "t", "e")
    is_point = line["e"] == 0
    rolled = [_rolled(line, window).filter(is_point).drop("k", "t") for window in FINITE]
    ever = _ever(line).filter(is_point)
    # Where the list of a key's early events runs into the key before, the count cuts it off.
    newest = events.select(pl.concat_arr(pl.col("x").shift(i) for i in range(LAST)).arr.to_list()).to_series()
    made = pl.concat([points, *rolled, ever.with_columns(newest=newest.gather(ever["index"]))], how="horizontal")
    counts = {label: pl.col(f"count_{label}") for label in _LABELS}
    return made.select(
        pl.exclude("index", "newest"),
        *(pl.when(n > 0).then(pl.col("newest").list.first()).alias(f"x_last_{label}") for label, n in counts.items()),
        *(
            pl.col("newest").list.head(pl.min_horizontal(pl.lit(LAST), n)).alias(f"x_last_n_{label}")
            for label, n in counts.items()
        ),
    )


def _points(events: pl.DataFrame) -> pl.DataFrame:
    """Key, instant and different values per window, from +1 and -1 where a value enters or leaves for good."""
    by_value = events.select("k", "t", "x").sort("k", "x", "t")
    same = (pl.col("k") == pl.col("k").shift(1)) & (pl.col("x") == pl.col("x").shift(1))
    by_value = by_value.with_columns(before=pl.when(same).then(pl.col("t").shift(1)))
    by_value = by_value.with_columns(after=pl.when(same.shift(-1)).then(pl.col("t").shift(-1)))
    time, before, after = pl.col("t"), pl.col("before"), pl.col("after")
    enters = {f"x_n_unique_{window_label(w)}": before.is_null() | (time > before + w) for w in FINITE}
    enters["x_n_unique_all"] = before.is_null()
    names = list(enters)
    parts = [by_value.select("k", time + _TICK, **{n: e.cast(pl.Int64) for n, e in enters.items()})]
    for window in FINITE:
        leaves = -(after.is_null() | (after > time + window)).cast(pl.Int64)
        parts.append(by_value.select("k", time + window + _TICK, leaves.alias(f"x_n_unique_{window_label(window)}")))
    deltas = pl.concat(parts, how="diagonal").sort("k", "t")  # half of what a group-by costs
    running = deltas.with_columns(pl.col(names).fill_null(0).cum_sum().over("k"))
    last = (pl.struct("k", "t") != pl.struct("k", "t").shift(-1)).fill_null(value=True)
    return running.filter(last)


def _rolled(line: pl.DataFrame, window: timedelta) -> pl.DataFrame:
    """The plain aggregates over a finite window, at every row."""
    x, label = pl.col("x"), window_label(window)
    plain = {"sum": x.sum(), "mean": x.mean(), "min": x.min(), "max": x.max(), "std": x.std()}
    return line.rolling("t", period=window, closed="left", group_by="k").agg(
        x.count().cast(pl.Int64).alias(f"count_{label}"),
        *(made.alias(f"x_{name}_{label}") for name, made in plain.items()),
    )


def _ever(line: pl.DataFrame) -> pl.DataFrame:
    """The plain aggregates over all events before, and the index of the newest, at every row."""
    x = pl.col("x")
    running = line.select(
        pl.col("e").cum_sum().over("k").cast(pl.Int64).alias("count_all"),
        x.fill_null(0).cum_sum().over("k").alias("x_sum_all"),
        (x.fill_null(0) ** 2).cum_sum().over("k").alias("squares"),
        x.fill_null(_BIG).cum_min().over("k").alias("x_min_all"),
        x.fill_null(-_BIG).cum_max().over("k").alias("x_max_all"),
        (pl.col("e").cum_sum().cast(pl.Int64) - 1).alias("index"),
    )
    n, total, squares = pl.col("count_all"), pl.col("x_sum_all"), pl.col("squares")
    std = ((n * squares - total * total) / (n * (n - 1))).sqrt()
    return running.with_columns(x_mean_all=total / n, x_std_all=pl.when(n > 1).then(std)).drop("squares")


def range_frames(events: DataFrame) -> DataFrame:
    """What a Spark user writes: events and points in one line, a range frame per window."""
    from pyspark.sql import Window
    from pyspark.sql import functions as F

    lags = [1, *(w // _TICK + 1 for w in FINITE)]
    micros = F.unix_micros("t").alias("m")
    points = events.select("k", F.explode(F.array(*(micros + lag for lag in lags))).alias("m")).distinct()
    marked = events.select("k", micros, "s", "x", F.lit(1).alias("e"))
    line = marked.unionByName(points.withColumn("e", F.lit(0)), allowMissingColumns=True)
    ordered = Window.partitionBy("k").orderBy("m")
    columns: list[Column] = []
    for label, window in zip(_LABELS, (*FINITE, None), strict=True):
        start = Window.unboundedPreceding if window is None else -(window // _TICK)
        frame = ordered.rangeBetween(start, -1)
        event = F.when(F.col("e") == 1, F.struct("m", "s", "x"))
        newest = F.slice(F.reverse(F.array_sort(F.collect_list(event).over(frame))), 1, LAST)
        columns += [
            F.count("x").over(frame).alias(f"count_{label}"),
            F.coalesce(F.sum("x").over(frame), F.lit(0)).alias(f"x_sum_{label}"),
            F.avg("x").over(frame).alias(f"x_mean_{label}"),
            F.min("x").over(frame).alias(f"x_min_{label}"),
            F.max("x").over(frame).alias(f"x_max_{label}"),
            F.stddev_samp("x").over(frame).alias(f"x_std_{label}"),
            F.max(event).over(frame)["x"].alias(f"x_last_{label}"),
            F.size(F.collect_set("x").over(frame)).cast("bigint").alias(f"x_n_unique_{label}"),
            F.transform(newest, lambda taken: taken["x"]).alias(f"x_last_n_{label}"),
        ]
    made = line.select("k", F.timestamp_micros("m").alias("t"), "e", *columns)
    return made.where("e = 0").drop("e")
