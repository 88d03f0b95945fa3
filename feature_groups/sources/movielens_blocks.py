"""``ratings.dat`` larger than memory: read block by block."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import polars as pl
from polars.io.plugins import register_io_source

from feature_groups.sources.movielens_files import parse_ratings, read_ratings


def scan_ratings(path: Path, *, block: int = 64_000_000) -> pl.DataFrame | pl.LazyFrame:
    """What `read_ratings` gives; of a file larger than a block lazily, for it may be larger than memory.

    Args:
        path: As in `read_ratings`.
        block: Bytes that are read at a time.
    """
    if not path.is_file() or path.stat().st_size <= block:
        return read_ratings(path)

    def parts(
        columns: list[str] | None,
        predicate: pl.Expr | None,
        n_rows: int | None,
        batch_size: int | None,  # noqa: ARG001  # a hint
    ) -> Iterator[pl.DataFrame]:
        first = 0
        for raw in _blocks(path, block):
            ratings = parse_ratings(raw)
            if ratings is None:
                read_ratings(path)  # says which lines are wrong
            assert ratings is not None
            row_ids = pl.int_range(first, first + ratings.height, dtype=pl.Int64)
            wanted = ratings.with_columns(source_row_id=row_ids)
            if n_rows is not None:
                wanted = wanted.head(n_rows - first)
            first += ratings.height
            wanted = wanted if predicate is None else wanted.filter(predicate)
            yield wanted if columns is None else wanted.select(columns)
            if n_rows is not None and first >= n_rows:
                return

    columns = ("user_id", "movie_id", "rating", "timestamp", "source_row_id")
    return register_io_source(parts, schema=dict.fromkeys(columns, pl.Int64()), is_pure=True)


def _blocks(path: Path, size: int) -> Iterator[bytes]:
    r"""Whole lines of about so many bytes, with ``\n`` endings; blank lines at the end of the file are left out."""
    begun = blank = b""
    with path.open("rb") as file:
        while more := file.read(size):
            lines, newline, begun = (begun + more).rpartition(b"\n")
            lines = blank + (lines + newline).replace(b"\r\n", b"\n")
            kept = lines.rstrip(b"\n")
            if kept:
                yield kept + b"\n"
            blank = lines[len(kept) + 1 :] if kept else lines
    if begun:
        read_ratings(path)  # says where it was cut
