"""A branch that recommends films: a ranker, a catalogue mask where a policy asks for one, and how many."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar, Self, cast

import numpy as np
import polars as pl

from models.catalogue import UNKNOWN
from models.ease import Ease
from models.histories import Histories, HistoryRule
from models.history_ridge import HistoryRidge
from models.linear_ranker import LinearRanker
from models.parts import Parts
from models.popularity import Popularity
from models.ranker import Mask, Ranker
from models.ranking_metrics import TOP
from models.router import LIKED, RATED

RANKERS: Mapping[str, type[Any]] = {kind.kind: kind for kind in (Ease, HistoryRidge, LinearRanker, Popularity)}
_SEEN = HistoryRule()


@dataclass(frozen=True, eq=False)
class RankingBranch:
    """Answers with the best films that a user has not rated.

    Attributes:
        ranker: Fitted.
        policed: Whether restricted films are never recommended.
        k: How many films at most.
        trained_on: Content hash of the router whose out-of-fold routes chose its segment, by role.
    """

    kind: ClassVar[str] = "ranking_branch"

    ranker: Ranker
    policed: bool
    k: int = TOP
    trained_on: Mapping[str, str] = field(default_factory=dict)

    @property
    def allowed(self) -> Mask | None:
        """Bool (m,), the films that may be recommended; None for all."""
        return ~self.ranker.catalogue.restricted if self.policed else None

    def history(self, rows: pl.DataFrame) -> Histories:
        """What the ranker is asked about, of rows as `answers` takes them."""
        rule = self.ranker.rule
        return rule.of_lists(rows[LIKED if rule.liked_only else RATED], self.ranker.catalogue)

    def answers(self, rows: pl.DataFrame) -> pl.Series:
        """Ids of films, List of Int64, best first; fewer than `k` where no more may be recommended.

        Args:
            rows: With ``rated_movies`` and ``liked_movies``, lists of ids, newest first; NULL is an empty list.
        """
        catalogue = self.ranker.catalogue
        seen = _SEEN.of_lists(rows[RATED], catalogue)
        found = self.ranker.top(self.history(rows), self.k, self.allowed, seen)
        shown = found != UNKNOWN
        ids = catalogue.items[found[shown]]
        ends = np.cumsum(shown.sum(axis=1))
        lists = [part.tolist() for part in np.split(ids, ends[:-1])]
        return pl.Series("answer", lists, dtype=pl.List(pl.Int64()))

    def parts(self) -> Parts:
        """The ranker's, and what is around it."""
        inner = self.ranker.parts()
        own: Any = {"policed": self.policed, "k": self.k, "trained_on": dict(self.trained_on)}
        return Parts({"ranker": dict(inner.state), "kind": self.ranker.kind, **own}, inner.arrays, inner.estimators)

    @classmethod
    def of(cls, parts: Parts) -> Self:
        """The branch of these parts."""
        state = cast("dict[str, Any]", parts.state)
        ranker = RANKERS[state["kind"]].of(Parts(state["ranker"], parts.arrays, parts.estimators))
        return cls(ranker, state["policed"], state["k"], state["trained_on"])
