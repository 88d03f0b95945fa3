"""Fit branches that recommend: all from the same sums over everybody, in which a segment may weigh more.

A ranker fitted on a small segment alone is worse for that very segment. So segments share additive statistics; what
differs between branches is how much their own users' ratings weigh, chosen on validation, and the catalogue.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import Any, Self

import polars as pl

from feature_groups.store.digest import digest
from models.ease import Ease
from models.errors import InvalidCascade
from models.holdout_evaluation import HoldOut
from models.item_statistics import ItemStatistics
from models.liked_pairs import liked_pairs
from models.popularity import Popularity
from models.ranker_tuning import EASE_GRID, WEIGHTS, Tuned, tuned_ease, tuned_segment_weight
from models.ranking_branch import RankingBranch
from models.ranking_metrics import TOP
from models.rated_events import RatedEvents

MATERIAL = "ratings"
"""Under which name a cascade is given `SharedRatings` to train on."""


@dataclass(frozen=True, eq=False)
class SharedRatings:
    """What all ranking branches train on.

    Attributes:
        events: The training split's ratings.
        statistics: Of all of them.
        validation: A hold-out within them, to choose on.
        penalty: Of EASE, chosen on the validation.
        tuned: How it was chosen.
    """

    events: RatedEvents
    statistics: ItemStatistics
    validation: HoldOut
    penalty: float
    tuned: Tuned

    @classmethod
    def of(cls, events: RatedEvents, seed: int = 1_000, grid: Mapping[str, Sequence[float]] = EASE_GRID) -> Self:
        """Sum, and choose the penalty.

        Args:
            events: Nothing that is judged later.
            seed: Of the validation hold-out; another one than of what is judged later.
            grid: Values of ``penalty``.
        """
        validation = HoldOut.drawn(events, seed=seed)
        tuned = tuned_ease(validation, grid)
        return cls(events, liked_pairs(events), validation, tuned.chosen["penalty"], tuned)


@dataclass(frozen=True)
class SharedEase:
    """EASE from everybody's ratings, the branch's own users' weighing as much as pays on validation.

    Attributes:
        policed: Whether restricted films are never recommended.
        weights: What is tried; the first is kept unless another is better beyond doubt.
        k: How many films.
    """

    policed: bool = False
    weights: tuple[Fraction, ...] = WEIGHTS
    k: int = TOP

    @property
    def fingerprint(self) -> str:
        """sha256 of all that is declared."""
        return digest(["shared_ease", self.policed, [str(w) for w in self.weights], self.k])

    def fit(self, own: pl.DataFrame, everybody: pl.DataFrame, material: Mapping[str, Any]) -> RankingBranch:
        """As `BranchModel.fit`; the rows need ``user_id``, the material `SharedRatings`."""
        shared = shared_ratings(material)
        users = own["user_id"].unique().sort().to_numpy()
        weight = self.weights[0]
        if len(self.weights) > 1 and own.height < everybody.height:
            tuned = tuned_segment_weight(shared.validation, users, shared.penalty, self.weights)
            weight = next(w for w in self.weights if float(w) == tuned.chosen["weight"])
        statistics = shared.statistics
        if weight != 1:
            statistics = statistics + liked_pairs(shared.events.of_users(users)).times(weight - 1)
        return RankingBranch(Ease.fit(statistics, shared.penalty), self.policed, self.k)


@dataclass(frozen=True)
class MostLiked:
    """Popularity, to take over where a ranker fails.

    Attributes:
        policed: Whether restricted films are never recommended.
        k: How many films.
    """

    policed: bool = False
    k: int = TOP

    @property
    def fingerprint(self) -> str:
        """sha256 of all that is declared."""
        return digest(["most_liked", self.policed, self.k])

    def fit(self, own: pl.DataFrame, everybody: pl.DataFrame, material: Mapping[str, Any]) -> RankingBranch:  # noqa: ARG002  # as every branch
        """As `BranchModel.fit`; counts everybody's ratings in the material."""
        return RankingBranch(Popularity.fit(shared_ratings(material).events), self.policed, self.k)


def shared_ratings(material: Mapping[str, Any]) -> SharedRatings:
    """What ranking branches train on.

    Raises:
        InvalidCascade: The material has none.
    """
    found = material.get(MATERIAL)
    if not isinstance(found, SharedRatings):
        raise InvalidCascade(
            "ranking branch",
            what=f"The material {sorted(material)} has no SharedRatings under {MATERIAL!r}.",
            state="was not fitted",
            next_step=f"give material={{{MATERIAL!r}: SharedRatings.of(events)}}.",
        )
    return found
