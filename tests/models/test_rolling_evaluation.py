from __future__ import annotations

from typing import Any

import numpy as np
import polars as pl
import pytest
from hypothesis import assume, given

from models.catalogue import UNKNOWN, Catalogue
from models.ease import Ease
from models.errors import CataloguesDiffer, NothingToLearn
from models.histories import HistoryRule
from models.liked_pairs import liked_pairs
from models.popularity import Popularity
from models.ranker import Mask, Ranker
from models.rolling_evaluation import rolling
from small_ratings import FILMS, at, catalogue, events, frames, rows

RULE = HistoryRule(length=3, tau=2.0)
TAUGHT = events(rows(*((u, f * 10, f, 4 + (u * f) % 2) for u in range(50, 70) for f in range(1, 10) if (u * f) % 3)))
RANKER = Ease.fit(liked_pairs(TAUGHT), 2.0, RULE)


def plainly(ranker: Ranker, frame: pl.DataFrame, since: int, allowed: Mask | None = None) -> list[dict[str, Any]]:
    """One event after the other, each with what was known before it."""
    expected = []
    ordered = frame.sort("user_id", "rated_at", "source_row_id")
    for row in ordered.filter(pl.col("rated_at") >= at(since), pl.col("rating") >= 4).iter_rows(named=True):
        earlier = ordered.filter(pl.col("user_id") == row["user_id"], pl.col("rated_at") < row["rated_at"])
        if earlier.is_empty():
            continue
        newest_first = pl.Series([earlier["movie_id"].reverse().to_list()], dtype=pl.List(pl.Int64()))
        scores = ranker.scores(ranker.rule.of_lists(newest_first, catalogue()))[0].tolist()
        hidden = {int(c) for c in catalogue().columns(earlier["movie_id"].to_numpy())}
        hidden |= set() if allowed is None else set(np.flatnonzero(~allowed).tolist())
        order = sorted(set(range(FILMS)) - hidden, key=lambda c: (-scores[c], c))
        column = int(catalogue().columns(row["movie_id"]))
        known = row["movie_id"] if column != UNKNOWN else UNKNOWN
        rank = order.index(column) if column in order else -1
        expected.append({"user_id": row["user_id"], "rated_at": row["rated_at"], "movie_id": known, "rank": rank})
    return expected


@given(frames)
def test_every_positive_is_judged_with_what_was_known_strictly_before(frame: pl.DataFrame) -> None:
    expected = plainly(RANKER, frame, 5)
    assume(expected)
    assert rolling(RANKER, events(frame), at(5)).to_dicts() == expected


@given(frames)
def test_films_that_are_not_allowed_do_not_compete_and_are_not_found(frame: pl.DataFrame) -> None:
    allowed = ~catalogue().restricted
    expected = plainly(RANKER, frame, 3, allowed)
    assume(expected)
    assert rolling(RANKER, events(frame), at(3), allowed=allowed).to_dicts() == expected


@given(frames)
def test_what_is_rated_later_changes_no_rank(frame: pl.DataFrame) -> None:
    known_then = frame.filter(pl.col("rated_at") < at(8))
    assume(plainly(RANKER, known_then, 4))
    found = rolling(RANKER, events(frame), at(4), until=at(8))
    assert found.equals(rolling(RANKER, events(known_then), at(4)))


def test_more_events_than_a_block_are_judged_the_same() -> None:
    rng = np.random.default_rng(0)
    many = rows(*((u, int(f + 1) * 10, int(rng.integers(0, 9)), 5) for u in range(200) for f in rng.permutation(FILMS)))
    assert rolling(RANKER, events(many), at(1)).to_dicts() == plainly(RANKER, many, 1)


def test_a_sample_is_drawn_from_all_and_the_same_again() -> None:
    everything = rolling(RANKER, TAUGHT, at(2))
    some = rolling(RANKER, TAUGHT, at(2), sample=20, seed=3)
    assert some.height == 20
    assert some.join(everything, on=everything.columns, how="semi").height == 20
    assert some.equals(rolling(RANKER, TAUGHT, at(2), sample=20, seed=3))
    assert rolling(RANKER, TAUGHT, at(2), sample=10**6).equals(everything)


def test_what_cannot_be_judged_is_refused() -> None:
    with pytest.raises(NothingToLearn, match="since 2000-01-01"):
        rolling(RANKER, events(rows((1, 10, 5, 5))), at(0))
    others = Popularity(Catalogue(catalogue().items + 1, catalogue().restricted), np.ones(FILMS, dtype=np.float32))
    with pytest.raises(CataloguesDiffer):
        rolling(others, TAUGHT, at(0))
