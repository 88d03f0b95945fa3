"""Embeddings made elsewhere: a column of vectors of one length."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import polars as pl
from numpy.typing import NDArray

from models.steps import require, require_columns


@dataclass(frozen=True)
class Embedding:
    """Vectors as they are, and a mask; a row without a usable vector is 0.

    Missing is a NULL, and a vector that holds a NULL, a NaN or an infinity.

    Attributes:
        column: The column of vectors.
        dimensions: Their length; another one is refused.
    """

    column: str
    dimensions: int
    takes: ClassVar = ("list<float32>", "list<float64>")

    def __post_init__(self) -> None:
        require_columns(self)
        require(self.dimensions >= 1, self, f"dimensions is {self.dimensions}.", "give at least 1")

    @property
    def reads(self) -> tuple[str, ...]:
        """The one column."""
        return (self.column,)

    @property
    def columns(self) -> tuple[str, ...]:
        """``<column>0``, ``<column>1``, ..., ``<column>:missing``."""
        return (*(f"{self.column}{n}" for n in range(self.dimensions)), f"{self.column}:missing")

    def encode(self, frame: pl.DataFrame) -> NDArray[np.float64]:
        """Shape (n, dimensions + 1).

        Raises:
            ValueError: A vector has another length.
        """
        found = frame[self.column]
        there = found.is_not_null().to_numpy()
        wrong = np.flatnonzero(there & (found.list.len().fill_null(0).to_numpy() != self.dimensions))
        if len(wrong):
            raise ValueError(f"{len(wrong):,} vectors of {self.column!r} are not {self.dimensions} long")
        made = np.zeros((frame.height, self.dimensions + 1))
        values = found.drop_nulls().explode().cast(pl.Float64).to_numpy()
        made[there, :-1] = values[: there.sum() * self.dimensions].reshape(-1, self.dimensions)
        broken = ~there | ~np.isfinite(made).all(axis=1)
        made[broken] = 0
        made[broken, -1] = 1
        return made
