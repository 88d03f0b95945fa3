"""Cold items: what nobody has rated yet, scored by content mapped to the factors of what has been rated."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Self

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from models.matrix import Matrix
from models.parts import Parts
from models.row_wise import product
from models.value_parts import parts_of, value_of


@dataclass(frozen=True, eq=False)
class ColdItems:
    """A linear map from an item's content to its collaborative factors; a member of a release.

    Attributes:
        warm_factors: Factors of the items that were rated, float64 of shape (m, k), in the catalogue's order.
        coefficients: float64 of shape (d, k), for the d columns of the content's matrix.
        intercept: float64 of shape (k,).
    """

    kind: ClassVar[str] = "cold_items"

    warm_factors: NDArray[np.float64]
    coefficients: NDArray[np.float64]
    intercept: NDArray[np.float64]

    def factors(self, content: Matrix) -> NDArray[np.float64]:
        """Factors that items of this content are expected to have, of shape (items, k)."""
        return product(content.values.astype(np.float64), self.coefficients) + self.intercept

    def scores(self, liked: sparse.csr_array, content: Matrix) -> NDArray[np.float32]:
        """How well items suit users, row by row.

        Args:
            liked: Ones where a user liked a rated item, of shape (users, m).
            content: Of the items to be scored.

        Returns:
            Of shape (users, items); more is better.
        """
        return self.scores_of(users_of(liked, self.warm_factors), content)

    def scores_of(self, users: NDArray[np.float64], content: Matrix) -> NDArray[np.float32]:
        """`scores` of users whose factors, of shape (users, k), are known."""
        return product(users, self.factors(content).T).astype(np.float32)

    def parts(self) -> Parts:
        """What it is restored from."""
        return parts_of(self)

    @classmethod
    def of(cls, parts: Parts) -> Self:
        """The one that these parts were taken from."""
        return value_of(cls, parts)


def users_of(liked: sparse.csr_array, warm_factors: NDArray[np.float64]) -> NDArray[np.float64]:
    """Factors of users, of shape (users, k), by the rated items that they liked.

    Args:
        liked: Ones, of shape (users, m).
        warm_factors: Of those items, of shape (m, k).
    """
    return product(liked.astype(np.float64), warm_factors)
