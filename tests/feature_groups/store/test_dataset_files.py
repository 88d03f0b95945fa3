"""The files of a training dataset: what is written comes back, and in which form it lies there."""

from __future__ import annotations

from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path

import polars as pl
import pyarrow.parquet as pq
from polars.testing import assert_frame_equal

from feature_groups.store.dataset_files import write_rows

START, END = datetime(1, 1, 1, tzinfo=UTC), datetime(9999, 12, 31, 23, 59, 59, 999_999, tzinfo=UTC)
ROWS = pl.DataFrame(
    [
        pl.Series("__row", [0, 1, 2], dtype=pl.Int64()),
        pl.Series("tiny", [-128, None, 127], dtype=pl.Int8()),
        pl.Series("small", [-(2**15), None, 1], dtype=pl.Int16()),
        pl.Series("medium", [2**31 - 1, None, 1], dtype=pl.Int32()),
        pl.Series("large", [-(2**63), None, 2**63 - 1], dtype=pl.Int64()),
        pl.Series("day", [START.date(), None, date(9999, 12, 31)], dtype=pl.Date()),
        pl.Series("at", [START, None, END], dtype=pl.Datetime("us", "UTC")),
        pl.Series("half", [0.5, None, -0.0], dtype=pl.Float32()),
        pl.Series("ratio", [5e-324, None, -0.0], dtype=pl.Float64()),
        pl.Series("price", [Decimal(10**37), None, Decimal("-0.1")], dtype=pl.Decimal(38, 1)),
        pl.Series("flag", [True, None, False], dtype=pl.Boolean()),
        pl.Series("name", ["", None, "\x00e\u0301"], dtype=pl.String()),
        pl.Series("raw", [b"", None, b"\x00"], dtype=pl.Binary()),
        pl.Series("tags", [["a", None], None, []], dtype=pl.List(pl.String())),
        pl.Series("vector", [[0.5, None], None, []], dtype=pl.List(pl.Float32())),
        pl.Series("instants", [[START, None, END], None, []], dtype=pl.List(pl.Datetime("us", "UTC"))),
    ]
)
VARIED = ["__row", "tiny", "medium", "large", "day", "at", "name", "price"]


def test_rows_of_every_type_come_back_as_they_were(tmp_path: Path) -> None:
    write_rows(ROWS, tmp_path / "new" / "rows", VARIED)
    assert_frame_equal(pl.read_parquet(tmp_path / "new" / "rows"), ROWS, check_exact=True)


def test_positions_keys_and_instants_are_stored_by_their_differences(tmp_path: Path) -> None:
    write_rows(ROWS, tmp_path / "rows", VARIED)
    chunks = pq.read_metadata(tmp_path / "rows" / "part-0.parquet").row_group(0)
    found = {c.path_in_schema.partition(".")[0]: c.encodings for c in map(chunks.column, range(chunks.num_columns))}
    by_difference = {name for name, encodings in found.items() if "DELTA_BINARY_PACKED" in encodings}
    assert by_difference == set(VARIED) - {"name", "price"}
    by_dictionary = {name for name, encodings in found.items() if "RLE_DICTIONARY" in encodings}
    assert by_dictionary == {"small", "price", "name", "raw", "tags", "instants"}
