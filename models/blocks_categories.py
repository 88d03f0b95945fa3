"""Categories one-hot with `other`, by their share, and lists of categories."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any, ClassVar

import numpy as np
import polars as pl
from numpy.typing import NDArray
from scipy import sparse

from models.steps import LEVELS, require, require_columns

Level = str | int | bool


@dataclass(frozen=True)
class Categories:
    """One-hot of a category: a column per level of the training split, ``<column>:other`` and ``<column>:missing``.

    Attributes:
        column: The column.
        min_rows: Levels of fewer rows of the training split count as other; at least 1.
    """

    column: str
    min_rows: int = 1
    takes: ClassVar = LEVELS

    def __post_init__(self) -> None:
        require_columns(self)
        require(self.min_rows >= 1, self, f"min_rows is {self.min_rows}.", "give at least 1")

    @property
    def reads(self) -> tuple[str, ...]:
        """The one column."""
        return (self.column,)


@dataclass(frozen=True)
class OneHot(Categories):
    """Fitted `Categories`.

    Attributes:
        levels: Those of the training split, sorted.
    """

    levels: tuple[Level, ...] = ()

    @cached_property
    def columns(self) -> tuple[str, ...]:
        """``<column>=<level>`` for each level, then other and missing."""
        return (*named(self.column, self.levels), f"{self.column}:other", f"{self.column}:missing")

    def encode(self, frame: pl.DataFrame) -> NDArray[np.float64]:
        """Shape (n, levels + 2), a single one in each row."""
        made = np.zeros((frame.height, len(self.levels) + 2))
        made[np.arange(frame.height), places(frame[self.column], {**self._places, None: len(self.levels) + 1})] = 1
        return made

    @cached_property
    def _places(self) -> Mapping[Level | None, int]:
        return {level: n for n, level in enumerate(self.levels)}


@dataclass(frozen=True)
class Frequencies:
    """A category as its share of the training split: an encoder that sees no target; unknown and missing are 0."""

    column: str
    takes: ClassVar = LEVELS

    def __post_init__(self) -> None:
        require_columns(self)

    @property
    def reads(self) -> tuple[str, ...]:
        """The one column."""
        return (self.column,)


@dataclass(frozen=True)
class Shares(Frequencies):
    """Fitted `Frequencies`.

    Attributes:
        levels: Those of the training split, sorted.
        shares: The share of each.
    """

    levels: tuple[Level, ...] = ()
    shares: tuple[float, ...] = ()

    @property
    def columns(self) -> tuple[str, ...]:
        """``<column>:share``."""
        return (f"{self.column}:share",)

    def encode(self, frame: pl.DataFrame) -> NDArray[np.float64]:
        """Shape (n, 1)."""
        known = {level: n for n, level in enumerate(self.levels)}
        return np.array([*self.shares, 0.0])[places(frame[self.column], known)][:, None]


@dataclass(frozen=True)
class Lists:
    """Lists of categories or ids: which levels a row's list holds. A missing list is an empty one.

    Attributes:
        column: The column of lists; missing elements are passed over.
        min_rows: Levels in fewer rows of the training split count as other; at least 1.
        other: Whether unknown levels have a column ``<column>:other``; otherwise they are passed over.
        counted: Whether a level counts as often as it occurs; otherwise once.
    """

    column: str
    min_rows: int = 1
    other: bool = True
    counted: bool = False
    takes: ClassVar = tuple(f"list<{level}>" for level in LEVELS)

    def __post_init__(self) -> None:
        require_columns(self)
        require(self.min_rows >= 1, self, f"min_rows is {self.min_rows}.", "give at least 1")

    @property
    def reads(self) -> tuple[str, ...]:
        """The one column."""
        return (self.column,)


@dataclass(frozen=True)
class MultiHot(Lists):
    """Fitted `Lists`.

    Attributes:
        levels: Those of the training split, sorted.
    """

    levels: tuple[Level, ...] = ()

    @cached_property
    def columns(self) -> tuple[str, ...]:
        """``<column>=<level>`` for each level, then other if it is declared."""
        return named(self.column, self.levels) + (f"{self.column}:other",) * self.other

    def encode(self, frame: pl.DataFrame) -> sparse.csr_array:
        """Shape (n, columns), sparse."""
        lists = frame[self.column].to_list()
        ends = np.cumsum([0, *(len(values or ()) for values in lists)])
        found = [value for values in lists if values for value in values]
        place = places(found, self._places, other=len(self.levels) if self.other else -1)
        kept = place >= 0
        before = np.concatenate([[0], np.cumsum(kept)])
        at = (place[kept], before[ends])
        rows = sparse.csr_array((np.ones(len(at[0])), *at), shape=(frame.height, len(self.columns)))
        rows.sum_duplicates()
        if not self.counted:
            rows.data[:] = 1
        return rows

    @cached_property
    def _places(self) -> Mapping[Level | None, int]:
        return {None: -1, **{level: n for n, level in enumerate(self.levels)}}


def named(column: str, levels: tuple[Level, ...]) -> tuple[str, ...]:
    """The names of the columns of levels."""
    return tuple(f"{column}={level}" for level in levels)


def places(found: Iterable[Level | None], known: Mapping[Any, int], *, other: int | None = None) -> NDArray[np.int64]:
    """The place of each value; `other` of an unknown one, by default the first after those of the levels."""
    rest = sum(level is not None for level in known) if other is None else other
    return np.array([known.get(value, rest) for value in found], dtype=np.int64)


def elements(frame: pl.DataFrame, column: str) -> pl.DataFrame:
    """The elements of lists that are not missing, with the row they stand in; columns `row` and `level`."""
    lists = frame.select(pl.int_range(pl.len()).alias("row"), pl.col(column).alias("level"))
    return lists.filter(pl.col("level").list.len() > 0).explode("level").drop_nulls("level")
