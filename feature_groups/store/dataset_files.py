"""The files of a training dataset: how rows in memory are stored, and the checksums that tell damage."""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Mapping
from pathlib import Path

import polars as pl

Files = Mapping[str, tuple[int, str]]
"""Per file, by its path below the dataset's folder, its bytes and its SHA-256."""


_ROW_GROUP = 1 << 18


def write_rows(rows: pl.DataFrame, folder: Path, varied: Collection[str]) -> None:
    """Write rows in memory as one Parquet file into a new folder.

    Args:
        rows: Rows of the store's types.
        folder: The folder.
        varied: Columns with about as many values as rows: positions, keys, instants. A dictionary of those would
            cost more than all else and spare little; whole numbers and instants are stored by their differences.
    """
    folder.mkdir(parents=True)
    schema = rows.schema
    by_difference = [c for c in varied if schema[c].is_integer() or schema[c].is_temporal()]
    elements = {
        name: dtype.inner if isinstance(dtype, (pl.List, pl.Array)) else dtype for name, dtype in schema.items()
    }
    by_dictionary = [
        f"{name}.list.element" if schema[name].is_nested() else name
        for name, dtype in elements.items()
        if name not in by_difference and not dtype.is_float()
    ]
    encoding = dict.fromkeys(by_difference, "DELTA_BINARY_PACKED")
    options = {"use_dictionary": by_dictionary, "column_encoding": encoding}
    target = folder / "part-0.parquet"
    rows.write_parquet(target, compression="lz4", row_group_size=_ROW_GROUP, use_pyarrow=True, pyarrow_options=options)


def files_of(folder: Path, name: str) -> dict[str, tuple[int, str]]:
    """The Parquet files of a part."""
    found = sorted((folder / name).glob("*.parquet"))
    return {str(path.relative_to(folder)): (path.stat().st_size, _digest(path)) for path in found}


def problem(folder: Path, file: str, size: int, digest: str | None) -> str | None:
    """What is wrong with a file, or None; its content is read only where a digest is given."""
    path = folder / file
    try:
        there = path.stat().st_size
        if there != size:
            return f"has {there:,} of {size:,} bytes"
        if digest is not None and _digest(path) != digest:
            return "was changed since it was written"
    except OSError as error:
        return "is gone" if isinstance(error, FileNotFoundError) else f"cannot be read: {error.strerror}"
    return None


def _digest(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
