"""EASE: each film explained by the others that a user liked (Steck, "Embarrassingly Shallow Autoencoders", 2019)."""

from __future__ import annotations

from typing import ClassVar, Self

import numpy as np

from models.histories import HistoryRule
from models.item_statistics import ItemStatistics
from models.liked_pairs import PAIRS
from models.linear_ranker import LinearRanker, must_hold_any
from models.positive_definite import inverse

EVERYTHING_LIKED = HistoryRule(liked_only=True)
"""What EASE was made for: all that a user liked."""


class Ease(LinearRanker):
    """Weights ``B[i, j] = -P[i, j] / P[j, j]`` with a zero diagonal and ``P = (X'X + lambda I)^-1`` (equation 8)."""

    kind: ClassVar[str] = "ease"

    @classmethod
    def fit(cls, statistics: ItemStatistics, penalty: float, rule: HistoryRule = EVERYTHING_LIKED) -> Self:
        """Solve for the weights.

        Args:
            statistics: What `liked_pairs` makes.
            penalty: lambda, above 0.
            rule: How the histories that it will be asked about are made; the weights do not depend on it.

        Raises:
            NothingToLearn: Nobody liked a known film.
            RankerMisused: The penalty is not above 0, or the statistics are another ranker's.
        """
        popularity = statistics.entries(PAIRS).diagonal()
        must_hold_any(popularity, "EASE")
        # A film that nobody liked is explained by none and explains none.
        known = np.flatnonzero(popularity)
        precision = inverse(statistics.values(PAIRS, known, known), penalty)
        precision /= -np.diagonal(precision).copy()
        np.fill_diagonal(precision, 0)
        weights = np.zeros((len(popularity), len(popularity)), dtype=np.float32)
        weights[np.ix_(known, known)] = precision
        popularity = popularity / statistics.units[PAIRS]
        return cls(statistics.catalogue, rule, float(penalty), weights, popularity.astype(np.float32))
