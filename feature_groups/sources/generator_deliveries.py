"""Later deliveries of a ratings file: what senders send after the first one, right and wrong."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Final

import numpy as np
import polars as pl

from feature_groups.sources.movielens_files import read_ratings, write_ratings
from feature_groups.store.errors import InvalidDeclaration, did_you_mean

_DAY: Final = 86_400


def deliver(folder: Path, target: Path, kind: str, *, rows: int = 100, seed: int = 0) -> Path:
    """Write a later delivery of the ratings of `folder`.

    Args:
        folder: Holds ``ratings.dat``.
        target: The ratings file to write.
        kind: One of `KINDS`, or ``cut_in_half``: the first half of the bytes, ending amid a line.
        rows: Rows added or changed; ``milliseconds``, ``out_of_range`` and ``cut_in_half`` concern all.
        seed: Chooses these rows; same arguments, same bytes.

    Returns:
        `target`.

    Raises:
        InvalidDeclaration: There is no such kind.
        SourceMissing: The folder lacks the file.
        SourceDamaged: The file is damaged.
    """
    source = folder / "ratings.dat"
    base = read_ratings(source)
    if kind == "cut_in_half":
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(source.read_bytes()[: source.stat().st_size // 2].removesuffix(b"\n"))
    elif kind in KINDS:
        write_ratings(KINDS[kind](base, rows, np.random.default_rng(seed)), target)
    else:
        hint = did_you_mean(kind, [*KINDS, "cut_in_half"])
        raise InvalidDeclaration(f"delivery {kind!r}", what="No such kind.", state="was not made", next_step=hint)
    return target


def extended(base: pl.DataFrame, rows: int, rng: np.random.Generator) -> pl.DataFrame:
    """One more day is appended: users rate films new to them, on the day after the last event; up to `rows` events."""
    columns = ("user_id", "movie_id", "rating")
    pairs = pl.DataFrame({name: base[name].gather(rng.integers(base.height, size=4 * rows)) for name in columns})
    fresh = pairs.unique(["user_id", "movie_id"], keep="first", maintain_order=True)
    fresh = fresh.join(base, on=["user_id", "movie_id"], how="anti", maintain_order="left").head(rows)
    midnight = (int(base["timestamp"].to_numpy().max()) // _DAY + 1) * _DAY
    times = pl.Series("timestamp", midnight + np.sort(rng.integers(_DAY, size=fresh.height)))
    return pl.concat([_raw(base), fresh.with_columns(times)])


def corrected(base: pl.DataFrame, rows: int, rng: np.random.Generator) -> pl.DataFrame:
    """Some ratings have other stars than before, 1..5; everything else is as it was."""
    moved = np.zeros(base.height, np.int64)
    chosen = rng.choice(base.height, size=min(rows, base.height), replace=False)
    moved[chosen] = rng.integers(1, 5, size=len(chosen))
    return _raw(base).with_columns(rating=(pl.col("rating") - 1 + pl.Series(moved)) % 5 + 1)


def redelivered(base: pl.DataFrame, rows: int, rng: np.random.Generator) -> pl.DataFrame:
    """Earlier rows come once more at the end, in no order, the same in every field."""
    again = rng.choice(base.height, size=min(rows, base.height), replace=False)
    return pl.concat([_raw(base), _raw(base)[again]])


def milliseconds(base: pl.DataFrame, rows: int, rng: np.random.Generator) -> pl.DataFrame:  # noqa: ARG001  # the signature of every kind
    """All times are in milliseconds."""
    return _raw(base).with_columns(pl.col("timestamp") * 1_000)


def out_of_range(base: pl.DataFrame, rows: int, rng: np.random.Generator) -> pl.DataFrame:  # noqa: ARG001  # the signature of every kind
    """All stars are doubled: a scale of ten in place of five."""
    return _raw(base).with_columns(pl.col("rating") * 2)


def unknown_films(base: pl.DataFrame, rows: int, rng: np.random.Generator) -> pl.DataFrame:
    """Some rows name films far beyond every catalogue, a different one each."""
    chosen = rng.choice(base.height, size=min(rows, base.height), replace=False)
    ids = base["movie_id"].to_numpy().copy()
    ids[chosen] = 1_000_001 + np.arange(len(chosen))
    return _raw(base).with_columns(movie_id=pl.Series(ids))


KINDS: Final[dict[str, Callable[[pl.DataFrame, int, np.random.Generator], pl.DataFrame]]] = {
    "extended": extended,
    "corrected": corrected,
    "redelivered": redelivered,
    "milliseconds": milliseconds,
    "out_of_range": out_of_range,
    "unknown_films": unknown_films,
}


def _raw(base: pl.DataFrame) -> pl.DataFrame:
    return base.select("user_id", "movie_id", "rating", "timestamp")
