from __future__ import annotations

import numpy as np
import polars as pl
import pytest
from hypothesis import assume, given

from models.catalogue import UNKNOWN
from models.ease import Ease
from models.errors import NothingToLearn, RankerMisused
from models.histories import HistoryRule
from models.holdout_evaluation import HoldOut
from models.liked_pairs import liked_pairs
from models.policy_curve import policy_curve
from models.rated_events import RatedEvents
from small_ratings import FILMS, at, catalogue, events, frames, rows

TAUGHT = events(rows(*((u, f * 10, f, 3 + (u + f) % 3) for u in range(50, 90) for f in range(1, 10) if (u * f) % 5)))


def triples(rated: RatedEvents) -> set[tuple[int, int, int]]:
    return set(zip(rated.users.tolist(), rated.columns.tolist(), rated.times.tolist(), strict=True))


@given(frames)
def test_what_is_hidden_and_what_is_kept_are_all_there_is(frame: pl.DataFrame) -> None:
    rated = events(frame)
    assume(len(rated.positives))
    try:
        drawn = HoldOut.drawn(rated, 0.5)
    except NothingToLearn:
        return
    owners = np.repeat(drawn.users, drawn.hidden.lengths).tolist()
    hidden = set(zip(owners, drawn.hidden.columns.tolist(), strict=True))
    liked = set(zip(rated.positives.users.tolist(), rated.positives.columns.tolist(), strict=True))
    kept = {(user, column) for user, column, _ in triples(drawn.kept)}
    assert hidden <= liked
    assert not hidden & kept
    assert {(u, c) for u, c, _ in triples(rated)} - hidden - {(u, UNKNOWN) for u in range(5)} <= kept
    assert (drawn.hidden.lengths > 0).all()


def test_row_i_is_hidden_if_number_i_is_below_the_share() -> None:
    drawn = HoldOut.drawn(TAUGHT, 0.2, seed=3)
    positives = TAUGHT.where(TAUGHT.liked)
    chosen = np.random.default_rng(3).random(len(positives)) < 0.2
    assert triples(drawn.kept) == triples(TAUGHT) - triples(positives.where(chosen))


def test_nothing_that_is_kept_and_liked_is_recommended_again() -> None:
    drawn = HoldOut.drawn(TAUGHT)
    ranker = Ease.fit(liked_pairs(drawn.kept), 5.0)
    lists = drawn.judged(ranker, ~catalogue().restricted)
    kept = {(user, column) for user, column, _ in triples(drawn.kept.positives)}
    assert lists["user_id"].to_list() == drawn.users.tolist()
    for user, films in lists.select("user_id", "movies").iter_rows():
        columns = catalogue().columns(films).tolist()
        assert not {(user, column) for column in columns} & kept
        assert not catalogue().restricted[columns].any()
    assert lists["restricted"].drop_nans().to_list() == [0.0] * lists.height
    assert lists["ndcg"].is_between(0, 1).all()


def test_a_ranker_that_knows_what_is_hidden_finds_all_of_it() -> None:
    drawn = HoldOut.drawn(TAUGHT)

    class Oracle(Ease):
        def scores(self, histories):  # type: ignore[no-untyped-def]  # a stub of a ranker
            return drawn.hidden.matrix(FILMS).toarray()

    oracle = Oracle.of(Ease.fit(liked_pairs(drawn.kept), 5.0).parts())
    assert drawn.judged(oracle)["ndcg"].to_list() == pytest.approx([1.0] * len(drawn.users))


def test_users_are_asked_at_an_instant_and_what_they_liked_from_then_on_is_hidden() -> None:
    ratings = rows(
        (1, 10, 1, 5), (1, 20, 2, 1), (1, 30, 5, 5), (1, 40, 5, 2), (2, 10, 7, 5), (3, 50, 1, 5), (3, 95, 9, 5)
    )
    held = HoldOut.since(events(ratings), at(5))

    assert triples(held.kept) == triples(events(ratings.filter(pl.col("rated_at") < at(5))))
    assert held.users.tolist() == [1]  # 2 had rated nothing by then, 3 came back for a film that nobody knows
    assert catalogue().items[held.hidden.columns].tolist() == [30]
    shown = held.judged(Ease.fit(liked_pairs(held.kept), 1.0))["movies"].item().to_list()
    assert 30 in shown
    assert not {10, 20} & set(shown), "what was rated is not recommended again, liked or not"
    with pytest.raises(NothingToLearn):
        HoldOut.since(events(ratings), at(6))


def test_hiding_nothing_is_refused() -> None:
    with pytest.raises(NothingToLearn, match="none of 0 positive ratings"):
        HoldOut.drawn(events(rows((1, 10, 1, 2))))


def test_the_policy_curve_shows_each_user_the_list_of_their_route() -> None:
    users = {"user_id": [1, 2, 3, 4]}
    every = pl.DataFrame({**users, "ndcg": [0.8, 0.6, 0.4, 0.2], "restricted": [0.5, 0.4, 0.3, 0.2]})
    policed = pl.DataFrame({**users, "ndcg": [0.7, 0.5, 0.3, 0.1], "restricted": [0.0] * 4})
    scores, minors = np.array([0.9, 0.2, 0.2, 0.1]), np.array([True, True, False, False])
    curve = policy_curve(every, policed, scores, minors, [0.0, 0.2, 0.5, 1.0])
    assert curve["adults_policed"].to_list() == [1.0, 0.5, 0.0, 0.0]
    assert curve["exposure"].to_list() == pytest.approx([0.0, 0.0, 0.2, 0.45])
    assert curve["ndcg"].to_list() == pytest.approx([0.4, 0.425, 0.475, 0.5])
    assert curve["ndcg_minors"].to_list() == pytest.approx([0.6, 0.6, 0.65, 0.7])
    with pytest.raises(RankerMisused, match="4 and 3 users"):
        policy_curve(every, policed.head(3), scores, minors, [0.1])


def test_a_user_s_history_is_what_is_kept() -> None:
    drawn = HoldOut.drawn(TAUGHT)
    rule = HistoryRule(liked_only=True)
    histories = rule.before(drawn.kept, drawn.users, np.full(len(drawn.users), 2**62))
    for i in range(len(drawn.users)):
        assert not set(histories[i : i + 1].columns.tolist()) & set(drawn.hidden[i : i + 1].columns.tolist())
