"""Keys and instants as integers on one line: first by key, within a key by instant."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import polars as pl

Ints = npt.NDArray[np.int64]

_END = 2**62
_CODE = "__code"


@dataclass(frozen=True)
class Line:
    """Codes of rows and of questions about them.

    Attributes:
        codes: One per row; larger for a later instant of the same key, and for every instant of a later key.
        asked: One per question: not smaller than the codes of its key at or before its instant, and smaller than
            all later ones.
        base: Per question the number below all codes of its key, and not below those of any key before.
        instants: What the instants became.

    For a question whose key no row has, both numbers are -1.
    """

    codes: Ints
    asked: Ints
    base: Ints
    instants: Instants


@dataclass(frozen=True)
class Instants:
    """Instants as small numbers from 1.

    Attributes:
        low: The smallest instant of a row, µs.
        span: One more than the largest number.
        distinct: The instants of the rows, sorted, where their places stand for them; None where distances do.
    """

    low: int
    span: int
    distinct: Ints | None = None

    def of_rows(self, instants: Ints) -> Ints:
        """The numbers of instants that rows have, 1 and up."""
        if self.distinct is None:
            return instants - (self.low - 1)
        return np.searchsorted(self.distinct, instants).astype(np.int64) + 1

    def at_or_before(self, instants: Ints) -> Ints:
        """Per instant the largest number of a row's instant not after it; 0 where there is none."""
        if self.distinct is None:
            return np.clip(instants, self.low - 1, self.low + self.span - 2) - (self.low - 1)
        return np.searchsorted(self.distinct, instants, side="right").astype(np.int64)


def keys_and_instants(keys: pl.DataFrame, instants: Ints, asked_keys: pl.DataFrame, asked: Ints) -> Line:
    """Lay rows and questions on one line.

    Args:
        keys: Key columns of the rows, not NULL. Shape (n, k).
        instants: Of the rows, µs. Shape (n,).
        asked_keys: Key columns of the questions, of the same types, in the same order; may be NULL. Shape (m, k).
        asked: Instants of the questions, µs. Shape (m,).
    """
    if not keys.height or not asked_keys.height:
        nothing = np.full(asked_keys.height, -1, dtype=np.int64)
        return Line(np.zeros(keys.height, dtype=np.int64), nothing, nothing, Instants(0, 1))
    low, high = int(instants.min()), int(instants.max())
    times = Instants(low, high - low + 2)
    small = _small(keys, asked_keys, times.span)
    mine, theirs, known, count = small or _numbered(keys, asked_keys)
    if count * times.span >= _END:
        distinct = np.unique(instants)
        times = Instants(low, len(distinct) + 1, distinct)
        if count * times.span >= _END:
            mine, theirs, known, count = _numbered(keys, asked_keys)
    base = np.where(known, theirs, 0) * times.span
    codes = mine * times.span
    codes += times.of_rows(instants)
    questions = base + times.at_or_before(asked)
    outside = ~known
    if outside.any():
        base[outside] = questions[outside] = -1
    return Line(codes, questions, base, times)


_Numbers = tuple[Ints, Ints, npt.NDArray[np.bool_], int]
"""(numbers of the rows' keys from 0, of the questions' keys, which of those rows have, how many numbers there are)."""


def _small(keys: pl.DataFrame, asked: pl.DataFrame, span: int) -> _Numbers | None:
    """The keys themselves, less the smallest, where they are one column of integers close enough together."""
    if keys.width > 1 or not keys.dtypes[0].is_integer():
        return None
    mine = keys.to_series().cast(pl.Int64)
    low, high = int(mine.min()), int(mine.max())  # type: ignore[arg-type]  # a number here
    count = high - low + 1
    if count * span >= _END:
        return None
    theirs = asked.to_series().cast(pl.Int64)
    known = theirs.is_between(low, high).fill_null(value=False).to_numpy()
    numbers = theirs.fill_null(low).to_numpy()
    return mine.to_numpy() - low, np.where(known, numbers, low) - low, known, count


def _numbered(keys: pl.DataFrame, asked: pl.DataFrame) -> _Numbers:
    """The places of the keys among the sorted distinct ones."""
    names = [f"k{i}" for i in range(keys.width)]
    mine, theirs = keys.rename(dict(zip(keys.columns, names, strict=True))), asked.clone()
    theirs.columns = names
    distinct = mine.unique().sort(names).with_row_index(_CODE)
    numbers = mine.join(distinct, on=names, how="left", maintain_order="left")[_CODE].cast(pl.Int64)
    found = theirs.join(distinct, on=names, how="left", maintain_order="left")[_CODE].cast(pl.Int64)
    known = found.is_not_null().to_numpy()
    return numbers.to_numpy(), found.fill_null(0).to_numpy(), known, distinct.height
