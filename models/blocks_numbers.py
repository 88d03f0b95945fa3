"""Numbers: as they are, in buckets, scaled, and imputed with a mask."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import ClassVar, Literal, get_args

import numpy as np
import polars as pl
from numpy.typing import NDArray

from models.row_wise import Rows, dense
from models.steps import NUMBERS, require, require_columns


@dataclass(frozen=True)
class Numbers:
    """Numbers and truth values as float64: ``((x - centre) / scale) ** power`` for every column and power.

    NULL, NaN and infinities are missing: an `Impute` must follow where there are any.

    Attributes:
        reads: The columns.
        centre: Subtracted from every value.
        scale: Every value is divided by it; not 0.
        powers: Positive whole exponents.
    """

    reads: tuple[str, ...]
    centre: float = 0.0
    scale: float = 1.0
    powers: tuple[int, ...] = (1,)
    takes: ClassVar = NUMBERS

    def __post_init__(self) -> None:
        require_columns(self)
        finite = math.isfinite(self.centre) and math.isfinite(self.scale) and self.scale != 0
        require(finite, self, f"centre is {self.centre}, scale {self.scale}.", "give finite numbers, scale not 0")
        whole = bool(self.powers) and all(isinstance(p, int) and p > 0 for p in self.powers)
        require(whole, self, f"powers are {self.powers!r}.", "give positive whole numbers")

    @property
    def columns(self) -> tuple[str, ...]:
        """``year``, ``year^2``, ...; column by column."""
        return tuple(name if p == 1 else f"{name}^{p}" for name in self.reads for p in self.powers)

    def encode(self, frame: pl.DataFrame) -> NDArray[np.float64]:
        """Shape (n, columns x powers); NaN where missing."""
        found = np.empty((frame.height, len(self.reads)))
        # Column by column: for one row, a query or a frame would cost more than all the rest.
        for place, name in enumerate(self.reads):
            column = frame.get_column(name)
            found[:, place] = (column if column.dtype == pl.Float64 else column.cast(pl.Float64)).to_numpy()
        known = (np.where(np.isfinite(found), found, np.nan) - self.centre) / self.scale
        made = np.empty((*known.shape, len(self.powers)))
        power = np.ones_like(known)
        for exponent in range(1, max(self.powers) + 1):
            # By products: what a power function gives may depend on how many values it gets at once.
            power = power * known
            made[:, :, [p == exponent for p in self.powers]] = power[:, :, None]
        return made.reshape(frame.height, -1)


@dataclass(frozen=True)
class Buckets:
    """One-hot of the interval a number lies in; a missing number lies in none.

    Attributes:
        column: The column of numbers.
        edges: Ascending; intervals are half-open, ``[edge, next edge)``, the outer ones unbounded.
    """

    column: str
    edges: tuple[float, ...]
    takes: ClassVar = NUMBERS

    def __post_init__(self) -> None:
        require_columns(self)
        ascending = bool(self.edges) and all(a < b for a, b in zip(self.edges, self.edges[1:], strict=False))
        require(ascending and all(map(math.isfinite, self.edges)), self, f"edges are {self.edges!r:.120}.", "sort them")

    @property
    def reads(self) -> tuple[str, ...]:
        """The one column."""
        return (self.column,)

    @property
    def columns(self) -> tuple[str, ...]:
        """``year<1920``, ``year[1920,1930)``, ..., ``year>=2000``."""
        inner = (f"{self.column}[{a},{b})" for a, b in zip(self.edges, self.edges[1:], strict=False))
        return (f"{self.column}<{self.edges[0]}", *inner, f"{self.column}>={self.edges[-1]}")

    def encode(self, frame: pl.DataFrame) -> NDArray[np.float64]:
        """Shape (n, edges + 1), zeros and ones."""
        found = frame[self.column].cast(pl.Float64).to_numpy()
        known = np.flatnonzero(np.isfinite(found))
        made = np.zeros((frame.height, len(self.edges) + 1))
        made[known, np.searchsorted(self.edges, found[known], side="right")] = 1
        return made


@dataclass(frozen=True)
class Impute:
    """Fill what is missing with a statistic of the training split, and say where, in a mask beside it.

    A column that was missing throughout the training split is filled with 0.

    Attributes:
        strategy: ``median``, ``mean`` or ``zero``.
        mask: Whether a column ``<name>:missing`` is made for every column.
    """

    strategy: Literal["median", "mean", "zero"] = "median"
    mask: bool = True

    def __post_init__(self) -> None:
        known = self.strategy in ("median", "mean", "zero")
        require(known, self, f"strategy is {self.strategy!r}.", "use median, mean or zero")


@dataclass(frozen=True, eq=False)
class Filled:
    """A fitted `Impute`.

    Attributes:
        values: What each column is filled with, float64 of shape (d,).
        mask: As declared.
    """

    values: NDArray[np.float64]
    mask: bool

    def columns(self, before: tuple[str, ...]) -> tuple[str, ...]:
        """The same, and the mask's."""
        return before + tuple(f"{name}:missing" for name in before) * self.mask

    def apply(self, rows: Rows) -> NDArray[np.float64]:
        """Shape (n, d), or (n, 2 d) with the mask."""
        found = dense(rows)
        missing = ~np.isfinite(found)
        filled = np.where(missing, self.values, found)
        return np.concatenate([filled, missing.astype(np.float64)], axis=1) if self.mask else filled


Scaling = Literal["standard", "robust", "quantile", "power"]


@dataclass(frozen=True)
class Scale:
    """Bring columns to one scale, as scikit-learn's scaler of that name does.

    ``standard``: mean 0, standard deviation 1. ``robust``: median 0, interquartile range 1. ``quantile``: to a
    normal distribution, by rank. ``power``: Yeo-Johnson, standardised. Only the last two change a distribution's
    shape. A constant column becomes 0 (with ``quantile`` another constant).
    """

    how: Scaling = "standard"

    def __post_init__(self) -> None:
        require(self.how in get_args(Scaling), self, f"how is {self.how!r}.", f"use one of {get_args(Scaling)}")


@dataclass(frozen=True, eq=False)
class Affine:
    """A fitted `Scale`, or a block's normalisation: ``(x - centre) / scale``, exactly rounded, hence row-wise.

    Attributes:
        centre: float64 of shape (d,).
        scale: float64 of shape (d,), never 0.
    """

    centre: NDArray[np.float64]
    scale: NDArray[np.float64]

    def columns(self, before: tuple[str, ...]) -> tuple[str, ...]:
        """The same."""
        return before

    def apply(self, rows: Rows) -> NDArray[np.float64]:
        """Shape (n, d)."""
        return (dense(rows) - self.centre) / self.scale
