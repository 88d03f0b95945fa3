"""Fit branches that recommend: all from the same sums over everybody, in which a segment may weigh more.

A ranker fitted on a small segment alone is worse for that very segment. So segments share additive statistics; what
differs between branches is how much their own users' ratings weigh, chosen on validation, and the catalogue.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from fractions import Fraction
from typing import Any, Self

import numpy as np
import polars as pl

from feature_groups.store.digest import digest
from models.errors import InvalidCascade
from models.holdout_evaluation import HoldOut
from models.item_statistics import ItemStatistics
from models.popularity import Popularity
from models.ranker_choice import Grid, RankerChoice, RankerKind
from models.ranker_tuning import EASE_GRID, WEIGHTS, tuned_ranker, tuned_segment_weight
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
        validation: A hold-out within them, to choose on.
        ranker: Which one, with which setting: chosen on the validation.
        statistics: What it is solved from, of all the ratings.
    """

    events: RatedEvents
    validation: HoldOut
    ranker: RankerChoice
    statistics: ItemStatistics

    @classmethod
    def of(cls, events: RatedEvents, seed: int = 1_000, grids: Mapping[RankerKind, Grid] | None = None) -> Self:
        """Sum, and choose the ranker.

        Args:
            events: Nothing that is judged later.
            seed: Of the validation hold-out; another one than of what is judged later.
            grids: What is tried of each kind; EASE by default.
        """
        validation = HoldOut.drawn(events, seed=seed)
        ranker, _ = tuned_ranker(validation, grids or {"ease": EASE_GRID})
        return cls(events, validation, ranker, ranker.statistics(events))


@dataclass(frozen=True)
class SharedRanker:
    """The ranker that validation chose for all branches, this one's own users weighing as much as pays.

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
        return digest(["shared_ranker", self.policed, [str(w) for w in self.weights], self.k])

    def fit(self, own: pl.DataFrame, everybody: pl.DataFrame, material: Mapping[str, Any]) -> RankingBranch:
        """As `BranchModel.fit`; the rows need ``user_id``, the material `SharedRatings`."""
        shared = shared_ratings(material)
        users = own["user_id"].unique().sort().to_numpy()
        weight = self.weights[0]
        # Of whom nothing is hidden, nobody can tell what pays.
        judged = np.isin(shared.validation.users, users).any()
        if len(self.weights) > 1 and own.height < everybody.height and judged:
            tuned = tuned_segment_weight(shared.validation, users, shared.ranker, self.weights)
            weight = next(w for w in self.weights if float(w) == tuned.chosen["weight"])
        statistics = shared.statistics
        if weight != 1:
            statistics = statistics + shared.ranker.statistics(shared.events.of_users(users)).times(weight - 1)
        return RankingBranch(shared.ranker.fit(statistics), self.policed, self.k)


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
