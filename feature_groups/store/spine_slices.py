"""A spine gone through slice by slice, where Polars is asked for what would not fit in memory at once."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import cast

import narwhals as nw
import polars as pl

from feature_groups.store.engine import Frame


def in_slices(
    frame: Frame, rows: int, size: int, folder: Path, compute: Callable[[pl.DataFrame, int], pl.LazyFrame]
) -> Frame:
    """What is computed from slices of a frame, one file each, read back lazily in the frame's order.

    Args:
        frame: A lazy Polars frame that gives its rows in the same order each time it is asked.
        rows: How many.
        size: Rows of a slice.
        folder: A new folder for the files.
        compute: Makes the result from a slice in memory and the position of its first row.
    """
    folder.mkdir(parents=True)
    native = cast("pl.LazyFrame", frame.to_native())
    for number, start in enumerate(range(0, rows, size)):
        made = compute(native.slice(start, size).collect(), start)
        made.sink_parquet(folder / f"part-{number:06d}.parquet", compression="lz4")
    return nw.from_native(pl.scan_parquet(f"{folder}/*.parquet"))
