"""The change log of half a million events, nine aggregates over four windows, beside the best plans without it."""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import narwhals as nw
import polars as pl

from benchmarks.lake import scratch_home, session
from benchmarks.measure import REPEATS, Row, Work, alternate, median, spend, versus
from benchmarks.report import main
from benchmarks.window_plans import FINITE, LAST, polars_plan, range_frames
from feature_groups.sources.generator import generate
from feature_groups.sources.movielens_files import read_ratings
from feature_groups.store import Aggregation, Settings
from feature_groups.store.change_log import change_log
from feature_groups.store.column_types import spark_type, type_name
from feature_groups.store.engines.spark import SparkEngine
from feature_groups.store.engines.spark_arrow import arrow_table
from feature_groups.store.window_slices import ChangeLogSpec

if TYPE_CHECKING:
    import pyarrow as pa
    from pyspark.sql import DataFrame

EVENTS = 500_000
WARM_UP = 20_000
_FEW = 5
BEST_LIMIT, FRAMES_LIMIT = 1.1, 0.25
_STD = 1e-12
_ALIKE = f"equal bit for bit, std within {_STD:g}"

_WINDOWS = (*FINITE, None)
_PLAIN = ("sum", "mean", "min", "max", "std", "last", "n_unique")
_NINE = (
    Aggregation("count", windows=_WINDOWS),
    *(Aggregation(function, "x", _WINDOWS) for function in _PLAIN),  # type: ignore[arg-type]  # one of the literals
    Aggregation("last_n", "x", _WINDOWS, n=LAST),
)
SPEC = ChangeLogSpec(("k",), "t", ("s",), _NINE, None, {}, "the benchmark's events")


def rows() -> list[Row]:
    """On Polars, then on Spark, the same events."""
    events = rating_events(EVENTS)
    with scratch_home() as settings:
        return [_on_polars(events), *_on_spark(settings, events)]


def rating_events(count: int) -> pl.DataFrame:
    """Generated ratings in no order: ``k`` user, ``t`` instant, ``s`` position, ``x`` stars; shape (count, 4)."""
    with tempfile.TemporaryDirectory(prefix="alluvia-bench-") as folder:
        generate(Path(folder), events=count, seed=7)
        ratings = read_ratings(Path(folder) / "ratings.dat")
    instant = pl.from_epoch("timestamp", time_unit="s").cast(pl.Datetime("us", "UTC"))
    events = ratings.select(k="user_id", t=instant, s="source_row_id", x="rating")
    return events.sample(fraction=1, shuffle=True, seed=7)


def _on_polars(events: pl.DataFrame) -> Row:
    ours, theirs = (lambda some: change_log(some, SPEC)), polars_plan
    for _ in range(3):
        for way in (ours, theirs):
            way(events.head(WARM_UP))
    found: dict[str, pl.DataFrame] = {}

    def work(name: str, way: Callable[[pl.DataFrame], pl.DataFrame]) -> Work:
        return lambda: found.update({name: way(events)})

    spent = alternate({"ours": lambda _: work("ours", ours), "theirs": lambda _: work("theirs", theirs)}, repeats=5)
    return versus(
        f"change log of {EVENTS / 1000:.0f} k events, 9 aggregates x 4 windows, Polars",
        spent["ours"],
        "rolling, signed deltas and lists in Polars",
        spent["theirs"],
        limit=BEST_LIMIT,
        same=same_log(found["ours"], found["theirs"]),
        note=f"{events['k'].n_unique():,} keys, {found['ours'].height:,} rows; median of 5; " + _ALIKE,
    )


def _on_spark(settings: Settings, events: pl.DataFrame) -> list[Row]:
    settings = settings.model_copy(update={"engine": "spark"})  # as for events that Polars cannot hold
    spark, home = session(settings), settings.home
    few = events.filter(pl.col("k") % _FEW == 0)
    for name, some in (("little", events.head(WARM_UP)), ("few", few), ("all", events)):
        some.write_parquet(home / f"{name}.parquet", row_group_size=some.height // 2)
    ways: dict[str, Callable[[DataFrame], DataFrame]] = {
        "ours": lambda some: SparkEngine(settings).change_log(nw.from_native(some), SPEC).to_native(),
        "kernel": lambda some: _in_buckets(some, settings.spark_buckets),
        "frames": range_frames,
    }

    def made(name: str, some: str) -> DataFrame:
        return ways[name](spark.read.parquet(f"{home}/{some}.parquet"))

    def nowhere(name: str, some: str) -> Work:
        return lambda: made(name, some).write.format("noop").mode("append").save()

    def kept(name: str, some: str) -> Work:
        return lambda: made(name, some).write.mode("overwrite").parquet(f"{home}/{name}-{some}")

    def logged(name: str, some: str) -> pl.DataFrame:
        return pl.read_parquet(f"{home}/{name}-{some}/*.parquet").sort("k", "t")

    for name in ("ours", "kernel", "frames", "ours", "kernel"):
        nowhere(name, "little")()
    both = ("ours", "kernel")
    spent = alternate({name: lambda _, name=name: nowhere(name, "all") for name in both}, repeats=REPEATS)
    for name in both:
        kept(name, "all")()
    ours = median([spend(kept("ours", "few"))[0] for _ in range(REPEATS)])
    frames, _ = spend(kept("frames", "few"))
    return [
        versus(
            f"the same on Spark, {settings.spark_buckets} buckets of keys",
            spent["ours"],
            "the best Polars plan in applyInArrow, the same buckets",
            spent["kernel"],
            limit=BEST_LIMIT,
            same=same_log(logged("ours", "all"), logged("kernel", "all")),
            note=f"median of {REPEATS} in a warm session, from Parquet to nowhere; " + _ALIKE,
        ),
        versus(
            f"the same on Spark, {few.height / 1000:.0f} k events of every fifth key",
            ours,
            "Spark's range frames",
            frames,
            limit=FRAMES_LIMIT,
            same=same_log(logged("ours", "few"), logged("frames", "few")),
            note="to Parquet, the frames once, for a fifth of the keys since all take minutes; " + _ALIKE,
        ),
    ]


def _in_buckets(events: DataFrame, buckets: int) -> DataFrame:
    """The best Polars plan on buckets of whole keys, as our kernel runs on Spark."""
    from pyspark.sql import functions as F

    schema = {"k": pl.Int64(), "t": pl.Datetime("us", "UTC"), "s": pl.Int64(), "x": pl.Int64()}
    made = SPEC.schema(schema)
    ddl = ", ".join(f"{name} {spark_type(type_name(dtype))}" for name, dtype in made.items())

    def bucket(table: pa.Table) -> pa.Table:
        # Polars takes a dict of types.
        some = pl.DataFrame(table).select(*schema).cast(schema)  # type: ignore[arg-type]
        return arrow_table(polars_plan(some).select(made.names()))

    bucketed = events.withColumn("bucket", F.pmod(F.hash("k"), F.lit(buckets)))
    return bucketed.groupBy("bucket").applyInArrow(bucket, ddl)


def same_log(one: pl.DataFrame, other: pl.DataFrame) -> bool:
    """Whether two change logs, sorted alike, are equal: bit for bit but for standard deviations."""
    deviations = [c for c in one.columns if "_std_" in c]
    rest = [c for c in one.columns if c not in deviations]
    if not one.select(rest).equals(other.select(rest), null_equal=True):
        return False
    return all(
        one[c].is_null().equals(other[c].is_null()) and ((one[c] - other[c]).abs().max() or 0.0) <= _STD
        for c in deviations
    )


if __name__ == "__main__":
    main(rows)
