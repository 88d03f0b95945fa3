"""A lake of our own for one benchmark, and what a user without us would write instead."""

from __future__ import annotations

import contextlib
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import polars as pl

from feature_groups.store import Settings, stop_session
from feature_groups.store.engines.session import spark_session

if TYPE_CHECKING:
    from pyspark.sql import DataFrame, SparkSession

SPARK_TYPES = (
    "user_id bigint, bought_at timestamp, amount double, quantity int, country string, product string, rating float,"
    " returned boolean, shipped_on date, weights array<double>"
)


@contextlib.contextmanager
def scratch_home() -> Iterator[Settings]:
    """Settings with an empty home in a temporary folder and the project's cache of jars and archives."""
    cache = Settings().cache_path
    with tempfile.TemporaryDirectory(prefix="alluvia-bench-") as folder:
        home = Path(folder) / "home"
        home.mkdir()
        cache.mkdir(parents=True, exist_ok=True)
        (home / "cache").symlink_to(cache)
        try:
            yield Settings(home=home)
        finally:
            stop_session()


def session(settings: Settings) -> SparkSession:
    """The store's own session: both sides of a comparison run in it, with the same settings."""
    return spark_session(settings)


def via_arrow(spark: SparkSession, rows: pl.DataFrame) -> DataFrame:
    """A Polars frame in Spark, handed over as Arrow."""
    return spark.createDataFrame(rows.to_arrow(), schema=SPARK_TYPES)


def via_parquet(spark: SparkSession, rows: pl.DataFrame, folder: Path) -> DataFrame:
    """A Polars frame in Spark, handed over as a Parquet file."""
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    rows.write_parquet(folder / "rows.parquet", compression="lz4", statistics=False)
    return spark.read.schema(SPARK_TYPES).parquet(str(folder))


def bare_append(rows: DataFrame, path: Path) -> None:
    """What a user would write: an append to a Delta table, which makes the table if there is none."""
    rows.write.format("delta").mode("append").save(str(path))


def delta_rows(path: Path | str) -> pl.DataFrame:
    """The rows of a Delta table, read by neither side."""
    return pl.scan_delta(str(path)).collect()


def delta_version(path: Path | str) -> int:
    """The newest version of a Delta table."""
    from deltalake import DeltaTable

    return int(DeltaTable(str(path)).version())
