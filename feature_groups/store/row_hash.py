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
from typing import cast

import numpy as np
import numpy.typing as npt
import polars as pl

Words = npt.NDArray[np.uint64]
_Numbers = npt.NDArray[np.uint64] | npt.NDArray[np.float64]
_Truths = npt.NDArray[np.bool_]

FORMAT = 2
"""Raise it with any change to the arithmetic; fingerprints of another format are computed anew."""

MODULUS = 1 << 128
_GAMMA = np.uint64(0x9E3779B97F4A7C15)
_ROUNDS = (
    (np.uint64(30), np.uint64(0xBF58476D1CE4E5B9)),
    (np.uint64(27), np.uint64(0x94D049BB133111EB)),
)
_LAST = np.uint64(31)
_CHUNK = 1 << 18
_BLOCK = 1 << 15
"""Rows whose words are made at once, and rows that are mixed at once: those stay in the processor's cache."""


def fingerprint(frame: pl.DataFrame, schema: Mapping[str, pl.DataType]) -> int:
    """The sum modulo 2^128 of the hashes of the frame's rows.

    Args:
        frame: Rows; every column of `schema` in its type, others are ignored. Shape (n, columns).
        schema: The columns that count, with their declared types.
    """
    return sum(_sum(low) + (_sum(high) << 64) for low, high in _hashed(frame, schema)) % MODULUS


def row_hashes(frame: pl.DataFrame, schema: Mapping[str, pl.DataType]) -> tuple[Words, Words]:
    """The low and high 64 bits of every row's hash, each of shape (n,)."""
    low, high = (np.empty(frame.height, dtype=np.uint64) for _ in range(2))
    done = 0
    for some_low, some_high in _hashed(frame, schema):
        part = slice(done, done + len(some_low))
        low[part], high[part] = some_low, some_high
        done = part.stop
    return low, high


def _hashed(frame: pl.DataFrame, schema: Mapping[str, pl.DataType]) -> Iterator[tuple[Words, Words]]:
    """The low and high halves of the rows' hashes, block by block; the next block overwrites them."""
    low, high, mixed, scratch = (np.empty(min(frame.height, _BLOCK), dtype=np.uint64) for _ in range(4))
    for start in range(0, frame.height, _CHUNK):
        chunk = frame.slice(start, _CHUNK)
        columns = [_column(chunk.get_column(name), *mixing) for name, *mixing in _constants(tuple(schema))]
        for part in _blocks(chunk.height):
            size = slice(0, min(part.stop, chunk.height) - part.start)
            lows, highs, some, spare = low[size], high[size], mixed[size], scratch[size]
            lows[:] = highs[:] = 0
            for words, valid, salt, factor in columns:
                _mix(np.bitwise_xor(_bits(words[part], some), salt, out=some), spare)
                if valid is not None:
                    np.multiply(some, valid[part], out=some)
                np.add(lows, some, out=lows)
                np.multiply(some, factor, out=some)
                np.add(highs, some, out=highs)
            yield _mix(lows, spare), _mix(highs, spare)


def _column(
    column: pl.Series, salt: np.uint64, factor: np.uint64
) -> tuple[_Numbers, _Truths | None, np.uint64, np.uint64]:
    """A column's words, as `_words` has them; which of them are not NULL, None where all are; its salt and factor."""
    return _words(column), column.is_not_null().to_numpy() if column.null_count() else None, salt, factor


def _blocks(rows: int) -> Iterator[slice]:
    return (slice(start, start + _BLOCK) for start in range(0, rows, _BLOCK))


def _bits(words: _Numbers, out: Words) -> Words:
    """The words of `_words`, those of floats written to `out`."""
    if words.dtype == np.uint64:
        return cast("Words", words)
    # Adding positive zero turns -0.0 into 0.0 and leaves every other value as it is.
    np.add(words, 0.0, out=out.view(np.float64))
    return out


def _words(column: pl.Series) -> _Numbers:
    """The values as words, any for NULL; floats still as float64, which `_bits` makes words of."""
    dtype = column.dtype
    if isinstance(dtype, pl.List):
        return _list_words(column)
    if isinstance(dtype, pl.Decimal):
        return _xxh64(column.cast(pl.String))
    if isinstance(dtype, (pl.String, pl.Binary)):
        return _xxh64(column)
    if dtype.is_float():
        return (column if dtype == pl.Float64 else column.cast(pl.Float64)).to_numpy()
    if isinstance(dtype, pl.Datetime):
        column = column.to_physical() if dtype.time_unit == "us" else column.dt.timestamp("us")
    elif isinstance(dtype, (pl.Date, pl.Boolean)):
        column = column.cast(pl.Int32)
    whole = column if column.dtype == pl.Int64 else column.cast(pl.Int64)
    return (whole.fill_null(0) if whole.null_count() else whole).to_numpy().view(np.uint64)


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
    mixed = mix(_bits(_words(elements), np.empty(len(elements), dtype=np.uint64)) ^ places[place])
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
    return _mix(words.copy(), np.empty_like(words))


def _mix(x: Words, scratch: Words) -> Words:
    """`mix` in the place of its words, without new memory."""
    np.add(x, _GAMMA, out=x)
    for shift, factor in _ROUNDS:
        np.bitwise_xor(x, np.right_shift(x, shift, out=scratch), out=x)
        np.multiply(x, factor, out=x)
    return np.bitwise_xor(x, np.right_shift(x, _LAST, out=scratch), out=x)


def _sum(words: Words) -> int:
    half = np.uint64(32)
    return int((words >> half).sum()) * (1 << 32) + int((words & np.uint64(0xFFFFFFFF)).sum())
