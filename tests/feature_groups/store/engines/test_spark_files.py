from __future__ import annotations

from pathlib import Path

import narwhals as nw
import polars as pl
from polars.testing import assert_frame_equal

from feature_groups.store import FeatureStore


def test_polars_reads_what_spark_writes_also_where_pages_are_large(store: FeatureStore, tmp_path: Path) -> None:
    """Hadoop's own framing of LZ4, which Spark calls lz4, is read by Polars in small files only."""
    polars, spark = store.shop.polars, store.shop.spark()
    n = pl.int_range(300_000, dtype=pl.Int64, eager=True).alias("n")
    # Compressible, but without a dictionary: pages of many blocks.
    rows = n.to_frame().with_columns((pl.col("n") // 2 * 0x9E3779B97F4A7C1 % (1 << 61)).alias("twice"))
    polars.write_files(nw.from_native(rows.lazy()), str(tmp_path / "there"))

    assert spark.write_files(spark.files(str(tmp_path / "there")), str(tmp_path / "back")) == rows.height
    assert_frame_equal(polars.collect(polars.files(str(tmp_path / "back")).sort("n")), rows, check_exact=True)
