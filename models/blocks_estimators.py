"""Any scikit-learn transformer as a step of a block."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.base import BaseEstimator

from models.row_wise import Rows, dense, in_padded_blocks
from models.steps import require


@dataclass(frozen=True)
class Estimator:
    """A scikit-learn transformer, fitted without a target on a clone.

    It must make each row from its own row only, as scikit-learn's do, and gets float64 of shape (n, d). Its type
    must be among those our code trusts, or the fitted transform cannot be stored.

    Attributes:
        estimator: Unfitted, for example ``PCA(16, random_state=0)``.
    """

    estimator: BaseEstimator

    def __post_init__(self) -> None:
        able = isinstance(self.estimator, BaseEstimator) and hasattr(self.estimator, "transform")
        require(able, self, f"{self.estimator!r:.80} does not transform.", "give a scikit-learn transformer")


@dataclass(frozen=True, eq=False)
class FittedEstimator:
    """A fitted `Estimator`.

    Attributes:
        estimator: Fitted.
        width: Columns it makes.
    """

    estimator: Any
    width: int

    def columns(self, before: tuple[str, ...]) -> tuple[str, ...]:
        """As it names them; by number where it names none."""
        try:
            return tuple(map(str, self.estimator.get_feature_names_out(np.array(before, dtype=object))))
        except (AttributeError, ValueError):
            kind = type(self.estimator).__name__.lower()
            return tuple(f"{kind}{n}" for n in range(self.width))

    def apply(self, rows: Rows) -> NDArray[np.float64]:
        """Shape (n, width)."""
        return in_padded_blocks(self._transform, dense(rows))

    def _transform(self, rows: NDArray[np.float64]) -> NDArray[np.float64]:
        made = self.estimator.transform(rows)
        return np.asarray(made.toarray() if hasattr(made, "toarray") else made, dtype=np.float64)
