"""Hold-out evaluation: a share of what every user liked is hidden, to be found from the rest."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime
from typing import Self

import numpy as np
import polars as pl
from numpy.typing import NDArray

from feature_groups.views.ranking import POSITIVE
from models.catalogue import UNKNOWN
from models.errors import NothingToLearn
from models.histories import Histories, HistoryRule
from models.ranker import Mask, Ranker
from models.ranking_metrics import TOP, ndcg_of_lists, padded, restricted_exposure
from models.rated_events import Ints, RatedEvents, microseconds

_LIKED, _RATED = HistoryRule(liked_only=True), HistoryRule()


@dataclass(frozen=True, eq=False)
class HoldOut:
    """What is hidden, and what is left.

    Attributes:
        kept: The ratings to fit on and to recommend from.
        users: int64 (n,), ascending: the users of whom something is hidden.
        hidden: What is hidden of each; n lists of known films.
        seen: Which of the kept films are not recommended again: those that were liked, or all that were rated.
    """

    kept: RatedEvents
    users: Ints
    hidden: Histories
    seen: HistoryRule = _LIKED

    @classmethod
    def drawn(cls, events: RatedEvents, share: float = 0.2, seed: int = 0) -> Self:
        """Hide positive ratings, each with the same probability, whoever gave it and whenever.

        Args:
            events: All ratings.
            share: The probability, between 0 and 1.
            seed: Of the draw; row i of the positive ratings is hidden if number i is below the share.

        Raises:
            NothingToLearn: Nothing is hidden.
        """
        positives = np.flatnonzero(events.liked)
        chosen = np.zeros(len(events), dtype=np.bool_)
        chosen[positives[np.random.default_rng(seed).random(len(positives)) < share]] = True
        hidden = events.where(chosen).positives
        if not len(hidden):
            raise NothingToLearn(
                "hold-out evaluation",
                what=f"none of {len(positives)} positive ratings is hidden.",
                state="was not made",
                next_step="hide a larger share, or give more ratings.",
            )
        users = hidden.distinct_users
        return cls(events.where(~chosen), users, _LIKED.before(hidden, users, _at_the_end(users)))

    @classmethod
    def later(cls, events: RatedEvents, liked: pl.DataFrame) -> Self:
        """What users liked after all of some ratings is hidden from them.

        Args:
            events: What they had rated.
            liked: With ``user_id`` and ``movie_id``, what each liked later.

        Raises:
            NothingToLearn: Nobody liked a known film.
        """
        films = liked.select("user_id", "movie_id").unique().sort("user_id", "movie_id")
        hidden = RatedEvents.in_order(films.with_columns(rating=pl.lit(POSITIVE)), events.catalogue).positives
        if not len(hidden):
            raise NothingToLearn(
                "hold-out evaluation",
                what=f"none of {liked.height:,} later ratings is of a known film.",
                state="was not made",
                next_step="choose an earlier border, or give more ratings.",
            )
        users = hidden.distinct_users
        return cls(events, users, _LIKED.before(hidden, users, _at_the_end(users)))

    @classmethod
    def since(cls, events: RatedEvents, since: datetime) -> Self:
        """Users are asked at an instant, and what they liked from then on is hidden: as a cascade is asked.

        Args:
            events: All ratings.
            since: The instant, aware; users who had not rated before are not asked.

        Raises:
            NothingToLearn: Nobody came back and liked a known film.
        """
        before = events.times < microseconds(since)
        kept = events.where(before)
        later = events.where(~before & events.liked & (events.columns != UNKNOWN)).of_users(kept.distinct_users)
        films = {"user_id": later.users, "movie_id": events.catalogue.items[later.columns]}
        return replace(cls.later(kept, pl.DataFrame(films)), seen=_RATED)

    def lists(self, answers: pl.Series) -> pl.DataFrame:
        """How good answers are, whoever gave them, as `judged` says it of a ranker.

        Args:
            answers: List of Int64, ids best first: one for each of `users`.
        """
        return self._told(self.kept.catalogue.columns(padded(answers)))

    def recommended(
        self, ranker: Ranker, k: int = TOP, allowed: Mask | None = None, users: Ints | None = None
    ) -> NDArray[np.int32]:
        """The k best films for each user, but for those that are `seen`.

        Args:
            ranker: Fitted on the kept ratings.
            k: How many.
            allowed: bool (m,), the films that may be recommended; None for all.
            users: int64, ids; those of whom something is hidden by default.

        Returns:
            int32 (n, k), columns of the catalogue.

        Raises:
            CataloguesDiffer: The ranker is of other films.
        """
        ranker.catalogue.must_be(self.kept.catalogue, "hold-out evaluation")
        asked = self.users if users is None else users
        histories, seen = (rule.before(self.kept, asked, _at_the_end(asked)) for rule in (ranker.rule, self.seen))
        return ranker.top(histories, k, allowed, seen)

    def judged(self, ranker: Ranker, allowed: Mask | None = None) -> pl.DataFrame:
        """How good the ten best films are, for each user of whom something is hidden.

        Args:
            ranker: Fitted on the kept ratings.
            allowed: bool (m,), the films that may be recommended; None for all.

        Returns:
            One row per user, ascending: ``user_id``, ``ndcg``, ``restricted`` (share of the films shown that are
            restricted) and ``movies`` (List of Int64, ids, best first).

        Raises:
            CataloguesDiffer: The ranker is of other films.
        """
        return self._told(self.recommended(ranker, allowed=allowed))

    def _told(self, found: NDArray[np.int32]) -> pl.DataFrame:
        catalogue = self.kept.catalogue
        ids = pl.Series(np.where(found == UNKNOWN, UNKNOWN, catalogue.items[np.maximum(found, 0)]))
        return pl.DataFrame(
            {
                "user_id": self.users,
                "ndcg": ndcg_of_lists(found, self.hidden),
                "restricted": restricted_exposure(found, catalogue),
                "movies": ids.arr.to_list().list.filter(pl.element() != UNKNOWN),
            }
        )


def _at_the_end(users: Ints) -> Ints:
    """An instant after every rating, for each user."""
    return np.full(len(users), np.iinfo(np.int64).max)
