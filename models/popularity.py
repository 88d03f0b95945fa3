"""Popularity: the films that most users liked, for everybody; what every other ranker must beat."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Self

import numpy as np
from numpy.typing import NDArray

from models import ranker
from models.catalogue import Catalogue
from models.histories import Histories, HistoryRule
from models.linear_ranker import must_hold_any
from models.parts import Parts
from models.ranker import Mask, Scores
from models.rated_events import RatedEvents


@dataclass(frozen=True, eq=False)
class Popularity:
    """Scores are how often a film was liked.

    Attributes:
        catalogue: The m films.
        liked: float32 (m,), exact up to 2^24.
    """

    catalogue: Catalogue
    liked: NDArray[np.float32]
    kind: ClassVar[str] = "popularity"

    @classmethod
    def fit(cls, events: RatedEvents) -> Self:
        """Count.

        Raises:
            NothingToLearn: Nobody liked a known film.
        """
        counts = np.bincount(events.positives.columns, minlength=len(events.catalogue))
        must_hold_any(counts, "popularity")
        return cls(events.catalogue, counts.astype(np.float32))

    @property
    def rule(self) -> HistoryRule:
        """Any will do; this one is short."""
        return HistoryRule(length=1)

    def scores(self, histories: Histories) -> Scores:
        """As `Ranker.scores`; the same for all."""
        return np.tile(self.liked, (len(histories), 1))

    def top(
        self, histories: Histories, k: int, allowed: Mask | None = None, seen: Histories | None = None
    ) -> NDArray[np.int32]:
        """As `Ranker.top`."""
        return ranker.top(self, histories, k, allowed, seen)

    def parts(self) -> Parts:
        """The counts."""
        return Parts(arrays={**self.catalogue.parts().arrays, "liked": self.liked})

    @classmethod
    def of(cls, parts: Parts) -> Self:
        """The ranker with these counts."""
        return cls(Catalogue.of(parts), np.asarray(parts.arrays["liked"]))
