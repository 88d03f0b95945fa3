"""The point-in-time join on Spark, evenly spread keys and one hot key, against the best plans written by hand."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import polars as pl

from benchmarks.as_of_ways import NAMES
from benchmarks.feature_lake import HOT, feature_store, spine_rows, table, view
from benchmarks.lake import session
from benchmarks.measure import Row, Work, alternate, cheapest, versus
from benchmarks.report import main
from feature_groups.store import FeatureStore, Settings

if TYPE_CHECKING:
    import pyarrow as pa
    from pyspark.sql import DataFrame, SparkSession

ROWS, SPINE = 2_000_000, 200_000
LIMIT, COLLAPSED = 1.15, 2.0
BUCKETS = 8
REPEATS = 5
SCHEMA = "n bigint, entity_id bigint, event_time timestamp, " + ", ".join(f"{name} double" for name in NAMES)


def rows() -> list[Row]:
    """Even and hot: ours beside both plans; then hot beside even."""
    with feature_store() as store:
        even, first = _measured(store, "small", 0.0)
        hot, last = _measured(store, "hot", HOT)
    note = "ours on the hot key beside ours without"
    return [*even, *hot, versus("the hot key", last, "none", first, limit=COLLAPSED, same=True, note=note)]


def _measured(store: FeatureStore, name: str, hot: float) -> tuple[list[Row], Any]:
    declared = table(store, name, ROWS, hot=hot)
    spark = session(Settings(home=store.lake.parent))
    file = store.lake / f"spine_{name}.parquet"
    spine_rows(SPINE, ROWS // 100, hot=hot).with_row_index("n").cast({"n": pl.Int64}).write_parquet(file)
    folder = store.lake / "feature_groups" / declared.id
    fv = store.get_or_create_feature_view(view(declared))

    def ours() -> DataFrame:
        made: DataFrame = fv.get_batch_data(file, engine="spark")
        return made.select("n", "entity_id", "event_time", *(f"{name}_{column}" for column in NAMES))

    ways = {
        "ours": ours,
        "cogroup around join_asof": lambda: by_cogroup(spark, file, folder),
        "union and window": lambda: by_window(spark, file, folder),
    }
    found = [sorted_values(way()) for way in ways.values()]
    same = all(values.equals(found[0]) for values in found)
    spent = alternate({name: lambda _, way=way: _to_nowhere(way) for name, way in ways.items()}, repeats=REPEATS)
    mine = spent.pop("ours")
    best = cheapest(spent)
    what = "PIT join on Spark, 200 k spine x 2 M rows, 5 features" + (f", {hot:.0%} on one key" if hot else "")
    note = f"median of {REPEATS} to a noop sink, warm; theirs read the spine and the table as ours; equal values"
    lines = [
        versus(what, mine, other, spent[other], limit=LIMIT if other == best else None, same=same, note=note)
        for other in sorted(spent, key=lambda other: other != best)
    ]
    return lines, mine


def by_cogroup(spark: SparkSession, spine: Path, folder: Path) -> DataFrame:
    """Keys in buckets on both sides, and Polars' `join_asof` on each bucket."""
    from pyspark.sql import functions as F

    def bucketed(frame: DataFrame) -> Any:
        return frame.withColumn("bucket", F.pmod(F.hash("entity_id"), F.lit(BUCKETS))).groupBy("bucket")

    def joined(left: pa.Table, right: pa.Table) -> pa.Table:
        import polars as pl

        asked = cast("pl.DataFrame", pl.from_arrow(left)).drop("bucket").sort("event_time")
        found = cast("pl.DataFrame", pl.from_arrow(right)).drop("bucket").sort("event_time")
        made = asked.join_asof(found, on="event_time", by="entity_id", check_sortedness=False)
        return made.to_arrow(compat_level=pl.CompatLevel.oldest())

    asked, found = _read(spark, spine, folder)
    return bucketed(asked).cogroup(bucketed(found)).applyInArrow(joined, SCHEMA)


def by_window(spark: SparkSession, spine: Path, folder: Path) -> DataFrame:
    """Both sides in one frame, and the last row above each question."""
    from pyspark.sql import Window
    from pyspark.sql import functions as F

    asked, found = _read(spark, spine, folder)
    features = F.struct(*NAMES).alias("features")
    both = asked.withColumn("side", F.lit(1)).unionByName(
        found.select("entity_id", "event_time", F.lit(0).alias("side"), features), allowMissingColumns=True
    )
    above = Window.partitionBy("entity_id").orderBy("event_time", "side").rowsBetween(Window.unboundedPreceding, 0)
    told = both.withColumn("features", F.last("features", ignorenulls=True).over(above)).where("side = 1")
    return told.select("n", "entity_id", "event_time", "features.*")


def _read(spark: SparkSession, spine: Path, folder: Path) -> Iterator[DataFrame]:
    rows = spark.read.format("delta").load(str(folder)).select("entity_id", "event_time", *NAMES)
    return iter([spark.read.parquet(str(spine)), rows])


def sorted_values(frame: DataFrame) -> pl.DataFrame:
    """All values in the spine's order, under the first way's names."""
    made = cast("pl.DataFrame", pl.from_arrow(frame.toArrow())).sort("n")
    return made.rename(dict(zip(made.columns, ["n", "entity_id", "event_time", *NAMES], strict=True)))


def _to_nowhere(way: Any) -> Work:
    return lambda: way().write.format("noop").mode("overwrite").save()


if __name__ == "__main__":
    main(rows)
