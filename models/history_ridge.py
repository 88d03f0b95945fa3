"""History ridge: what comes next, regressed on the decayed history before it."""

from __future__ import annotations

from typing import ClassVar, Self

import numpy as np

from models.followed_pairs import FOLLOWED, HISTORY, LIKED
from models.histories import HistoryRule
from models.item_statistics import ItemStatistics
from models.linear_ranker import LinearRanker, must_hold_any
from models.positive_definite import solved


class HistoryRidge(LinearRanker):
    """Weights ``B = (H'H + lambda I)^-1 H'T``: least squares of the next film on the history, with an L2 penalty."""

    kind: ClassVar[str] = "history_ridge"

    @classmethod
    def fit(cls, statistics: ItemStatistics, penalty: float, rule: HistoryRule) -> Self:
        """Solve for the weights.

        Args:
            statistics: What `followed_pairs` makes.
            penalty: lambda, above 0.
            rule: The one that the statistics were made with.

        Raises:
            NothingToLearn: No event has a history of known films.
            RankerMisused: The penalty is not above 0, or the statistics are another ranker's.
        """
        diagonal = statistics.entries(HISTORY).diagonal()
        must_hold_any(diagonal, "history ridge")
        # A film that was in no history says nothing; of a film that followed none, nothing is said.
        told, said = np.flatnonzero(diagonal), np.unique(statistics.entries(FOLLOWED).indices)
        weights = np.zeros((len(diagonal), len(diagonal)), dtype=np.float32)
        pairs, followed = statistics.values(HISTORY, told, told), statistics.values(FOLLOWED, told, said)
        weights[np.ix_(told, said)] = solved(pairs, penalty, followed)
        popularity = statistics.values(LIKED)[0].astype(np.float32)
        return cls(statistics.catalogue, rule, float(penalty), weights, popularity)
