"""What counts become: tf-idf, and few dense columns by singular value decomposition."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from models.row_wise import Rows, product
from models.steps import require


@dataclass(frozen=True)
class TfIdf:
    """Counts weighted by how few rows of the training split have them, rows brought to length 1 (L2).

    scikit-learn's, with smoothed idf: ``(1 + log count) (1 + log((1 + n) / (1 + rows with it)))``.

    Attributes:
        sublinear: Whether a count enters by ``1 + log``; else as it is.
    """

    sublinear: bool = True


@dataclass(frozen=True, eq=False)
class InverseFrequencies:
    """Fitted `TfIdf`.

    Attributes:
        idf: float64 of shape (d,).
        sublinear: As declared.
    """

    idf: NDArray[np.float64]
    sublinear: bool

    def columns(self, before: tuple[str, ...]) -> tuple[str, ...]:
        """The same."""
        return before

    def apply(self, rows: Rows) -> sparse.csr_array:
        """Shape (n, d), sparse.

        Raises:
            ValueError: Some count is negative.
        """
        counts = sparse.csr_array(rows, copy=True)
        counts.eliminate_zeros()
        if self.sublinear:
            # Logarithms one by one: vectorised ones may differ in the last bit with the CPU's family.
            distinct, place = np.unique(counts.data, return_inverse=True)
            counts.data = np.array([1 + math.log(count) for count in distinct], dtype=np.float64)[place]
        elif len(counts.data) and counts.data.min() < 0:
            raise ValueError("counts are not negative")
        counts.data *= self.idf[counts.indices]
        row = np.repeat(np.arange(counts.shape[0]), np.diff(counts.indptr))
        lengths = np.sqrt(np.bincount(row, weights=counts.data * counts.data, minlength=counts.shape[0]))
        counts.data /= lengths[row]
        return counts


@dataclass(frozen=True)
class Svd:
    """Truncated singular value decomposition: the strongest directions of the training split, not centred.

    Attributes:
        components: Columns it makes, at most as many as the training split has rows and columns.
        seed: Of the randomised algorithm (Halko et al. 2009), scikit-learn's.
    """

    components: int
    seed: int = 0

    def __post_init__(self) -> None:
        require(self.components >= 1, self, f"components is {self.components}.", "give at least 1")


@dataclass(frozen=True, eq=False)
class Projection:
    """Fitted `Svd`.

    Attributes:
        directions: float64 of shape (d, components).
    """

    directions: NDArray[np.float64]

    def columns(self, before: tuple[str, ...]) -> tuple[str, ...]:  # noqa: ARG002  # as every step
        """``svd0``, ``svd1``, ..., the strongest first."""
        return tuple(f"svd{n}" for n in range(self.directions.shape[1]))

    def apply(self, rows: Rows) -> NDArray[np.float64]:
        """Shape (n, components)."""
        return product(rows, self.directions)
