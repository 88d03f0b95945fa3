"""The content fingerprint: a number that two tables share exactly when they hold the same rows.

A row's hash is 128 bits, two halves of 64; a table's fingerprint is the sum of its rows' hashes modulo 2^128, so it
does not depend on order and is kept up to date by adding the rows added and subtracting the rows removed. It depends
on values only, never on the engine, the run or a library's version:

1. A value becomes a 64-bit word: integers two's complement; booleans 0 and 1; floats the bits of the float64
   (-0.0 as 0.0); dates the days and timestamps the microseconds since 1970 in UTC; text, bytes and decimals (in
   plain notation with their declared digits) the XXH64 of their UTF-8 bytes.
2. A list's word is ``mix`` of the sum of ``mix`` of its length and, over its non-NULL elements, of
   ``mix(word XOR mix(place))``, places counted from 1.
3. Every non-NULL column is mixed once, ``m = mix(word XOR salt)``. The low half of the row's hash is ``mix`` of the
   sum of all m, the high half ``mix`` of the sum of all ``m * factor``. The column's salt is the XXH64 of its name
   with seed 2, its factor that with seed 3 and the last bit set. ``mix`` is a bijection and factors are odd, so a
   row in which one value differs always differs in both halves.
4. ``mix`` is the finalizer of SplitMix64 (Steele, Lea, Flood: Fast splittable pseudorandom number generators,
   OOPSLA 2014), all arithmetic modulo 2^64.

NULL adds nothing, so a column added later leaves the hashes of older rows as they are.

Format 1, used until November 2026, hashed lists by way of text; a table's log says which format its fingerprint has.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import cache

import numpy as np
import numpy.typing as npt
import polars as pl

Words = npt.NDArray[np.uint64]

FORMAT = 2
"""Raise it with any change to the arithmetic; fingerprints of another format are computed anew."""

MODULUS = 1 << 128
_CHUNK = 1_000_000
_BLOCK = 1 << 15


def fingerprint(frame: pl.DataFrame, schema: Mapping[str, pl.DataType]) -> int:
    """The sum modulo 2^128 of the hashes of the frame's rows.

    Args:
        frame: Rows; every column of `schema` in its type, others are ignored. Shape (n, columns).
        schema: The columns that count, with their declared types.
    """
    total = 0
    for offset in range(0, frame.height, _CHUNK):
        low, high = row_hashes(frame.slice(offset, _CHUNK), schema)
        total += _sum(low) + (_sum(high) << 64)
    return total % MODULUS


def row_hashes(frame: pl.DataFrame, schema: Mapping[str, pl.DataType]) -> tuple[Words, Words]:
    """The low and high 64 bits of every row's hash, each of shape (n,)."""
    low, high = (np.zeros(frame.height, dtype=np.uint64) for _ in range(2))
    for name, salt, factor in _constants(tuple(schema)):
        column = frame.get_column(name)
        valid = column.is_not_null().to_numpy() if column.null_count() else None
        words = _words(column)
        for part in _blocks(frame.height):
            mixed = mix(words[part] ^ salt)
            if valid is not None:
                mixed *= valid[part]
            low[part] += mixed
            mixed *= factor
            high[part] += mixed
    return mix(low), mix(high)


def _blocks(rows: int) -> Iterator[slice]:
    """The rows in pieces that stay in the processor's cache, which saves a fifth of the time."""
    return (slice(start, start + _BLOCK) for start in range(0, rows, _BLOCK))


def _words(column: pl.Series) -> Words:
    dtype = column.dtype
    if isinstance(dtype, pl.List):
        return _list_words(column)
    if isinstance(dtype, pl.Decimal):
        return _xxh64(column.cast(pl.String))
    if isinstance(dtype, (pl.String, pl.Binary)):
        return _xxh64(column)
    if dtype.is_float():
        # Adding positive zero turns -0.0 into 0.0 and leaves every other value as it is.
        return (column.cast(pl.Float64).fill_null(0.0).to_numpy() + 0.0).view(np.uint64)
    if isinstance(dtype, pl.Datetime):
        column = column.dt.timestamp("us")
    elif isinstance(dtype, (pl.Date, pl.Boolean)):
        column = column.cast(pl.Int32)
    return column.cast(pl.Int64).fill_null(0).to_numpy().view(np.uint64)


def _list_words(column: pl.Series) -> Words:
    lengths = column.list.len().fill_null(0).cast(pl.Int64).to_numpy()
    places = mix(np.arange(1, lengths.max(initial=0) + 1, dtype=np.uint64))
    words = mix(lengths.view(np.uint64))
    for part in _blocks(len(lengths)):
        words[part] += _element_sums(column[part], lengths[part], places)
    return mix(words)


def _element_sums(column: pl.Series, lengths: npt.NDArray[np.int64], places: Words) -> Words:
    """Per list the sum of its elements' mixed words, modulo 2^64."""
    elements = column.explode(empty_as_null=False, keep_nulls=False)
    ends = np.cumsum(lengths)
    place = np.arange(len(elements)) - np.repeat(ends - lengths, lengths)
    mixed = mix(_words(elements) ^ places[place])
    if elements.null_count():
        mixed *= elements.is_not_null().to_numpy()
    so_far = np.concatenate([np.zeros(1, dtype=np.uint64), np.cumsum(mixed, dtype=np.uint64)])
    sums: Words = so_far[ends] - so_far[ends - lengths]
    return sums


def _xxh64(column: pl.Series, seed: int = 0) -> Words:
    import polars_hash

    hashed = column.to_frame("c").select(polars_hash.col("c").nchash.xxhash64(seed=seed))
    words: Words = hashed.to_series().fill_null(0).to_numpy().astype(np.uint64)
    return words


@cache
def _constants(names: tuple[str, ...]) -> list[tuple[str, np.uint64, np.uint64]]:
    """Each column's name, salt and factor."""
    salts, factors = (_xxh64(pl.Series(names, dtype=pl.String), seed) for seed in (2, 3))
    return list(zip(names, salts, factors | np.uint64(1), strict=True))


def mix(words: Words) -> Words:
    """The finalizer of SplitMix64 of every word; shape (n,) to shape (n,)."""
    with np.errstate(over="ignore"):
        x = words + np.uint64(0x9E3779B97F4A7C15)
        shifted = x >> np.uint64(30)
        x ^= shifted
        x *= np.uint64(0xBF58476D1CE4E5B9)
        x ^= np.right_shift(x, np.uint64(27), out=shifted)
        x *= np.uint64(0x94D049BB133111EB)
        x ^= np.right_shift(x, np.uint64(31), out=shifted)
        return x


def _sum(words: Words) -> int:
    half = np.uint64(32)
    return int((words >> half).sum()) * (1 << 32) + int((words & np.uint64(0xFFFFFFFF)).sum())
