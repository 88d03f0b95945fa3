"""What is wrong with a batch is the same on both engines."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import narwhals as nw
import polars as pl

from bounded import SPEC, good_rows, odd_rows
from feature_groups.store import FeatureStore
from feature_groups.store.checks import Report, check


def test_both_engines_find_the_same_wrong_with_odd_rows(light_store: FeatureStore, tmp_path: Path) -> None:
    spark = light_store.shop.spark()

    def on_spark(rows: pl.DataFrame) -> Report:
        folder = str(tmp_path / f"{rows.height}")
        light_store.shop.polars.write_files(nw.from_native(rows.lazy()), folder)
        return check(spark.files(folder), SPEC, "it")

    given: Any = odd_rows()
    expected, found = check(nw.from_native(given.lazy()), SPEC, "it"), on_spark(given)

    assert {f.rule: (f.count, f.hard) for f in found.findings} == {f.rule: (f.count, f.hard) for f in expected.findings}
    assert (found.rows, found.bad_rows) == (expected.rows, expected.bad_rows)
    assert {f.rule for f in found.findings if f.samples} == {f.rule for f in expected.findings if f.samples}
    assert str(on_spark(good_rows(3))) == f"it: all 3 rows meet {len(SPEC.rules)} rules"
