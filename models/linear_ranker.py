"""Linear ranker: a film's score is the sum of what each film of the history says for it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Self, cast

import numpy as np
from numpy.typing import NDArray

from models import ranker
from models.catalogue import Catalogue
from models.errors import NothingToLearn
from models.histories import Histories, HistoryRule
from models.parts import Parts
from models.ranker import Mask, Scores


@dataclass(frozen=True, eq=False)
class LinearRanker:
    """Scores are ``history @ weights``.

    Attributes:
        catalogue: The m films.
        rule: How histories are made.
        penalty: lambda, with which it was fitted.
        weights: float32 (m, m); row j is what film j in the history says for each film.
        popularity: float32 (m,), how often each was liked: the scores of a history without a known film.
    """

    catalogue: Catalogue
    rule: HistoryRule
    penalty: float
    weights: NDArray[np.float32]
    popularity: NDArray[np.float32]
    kind: ClassVar[str] = "linear_ranker"

    def scores(self, histories: Histories) -> Scores:
        """As `Ranker.scores`."""
        # A sum over the history's films in their order, row by row: no bit depends on the other rows.
        scores = np.asarray(histories.matrix(len(self.catalogue)) @ self.weights, dtype=np.float32)
        scores[histories.lengths == 0] = self.popularity
        return scores

    def top(
        self, histories: Histories, k: int, allowed: Mask | None = None, seen: Histories | None = None
    ) -> NDArray[np.int32]:
        """As `Ranker.top`."""
        return ranker.top(self, histories, k, allowed, seen)

    def contributions(self, history: Histories, column: int) -> NDArray[np.float32]:
        """What each film of one history says for a film: "because you rated ..."; float32, in the history's order."""
        weights = history.matrix(len(self.catalogue)).data
        return cast("NDArray[np.float32]", weights * self.weights[history.columns, column])

    def parts(self) -> Parts:
        """The weights, and what is needed to ask for them."""
        arrays = {**self.catalogue.parts().arrays, "weights": self.weights, "popularity": self.popularity}
        return Parts({"rule": self.rule.state(), "penalty": self.penalty}, arrays)

    @classmethod
    def of(cls, parts: Parts) -> Self:
        """The ranker with these weights."""
        return cls(
            Catalogue.of(parts),
            HistoryRule(**cast("dict[str, int]", parts.state["rule"])),  # type: ignore[arg-type]  # by name, each of its type
            cast("float", parts.state["penalty"]),
            np.asarray(parts.arrays["weights"]),
            np.asarray(parts.arrays["popularity"]),
        )


def must_hold_any(counts: NDArray[np.generic], what: str) -> None:
    """Refuse to fit on sums of nothing.

    Raises:
        NothingToLearn: All are zero.
    """
    if not np.any(counts):
        raise NothingToLearn(
            what,
            what="no rating of a known film is in its statistics.",
            state="was not fitted",
            next_step="check the training split and the catalogue.",
        )
