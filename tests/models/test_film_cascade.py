"""The example: a router of the view's rows, branches from shared statistics, and a policy that minors' films obey."""

from __future__ import annotations

import logging
import math
from dataclasses import replace
from fractions import Fraction
from functools import cache

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from feature_groups.user_activity import Contract
from feature_groups.views import age_gate
from film_users import CATALOGUE, events, view
from models import film_cascade, router
from models.artefact import pack, unpack
from models.cascade_decision import FittedCascade
from models.cascade_fit import TrainedCascade, fit_cascade
from models.errors import InvalidCascade, ValuesMissing
from models.followed_pairs import followed_pairs
from models.histories import HistoryRule
from models.history_ridge import HistoryRidge
from models.holdout_evaluation import HoldOut
from models.liked_pairs import liked_pairs
from models.popularity import Popularity
from models.ranker_choice import Grid, RankerKind
from models.ranking_branch import RankingBranch
from models.ranking_branch_fit import MATERIAL, MostLiked, SharedRanker, SharedRatings

FEATURES, HISTORY, RATINGS = view()
ROWS = router.router_rows(FEATURES, HISTORY)
GRIDS: dict[RankerKind, Grid] = {"ease": {"penalty": (20.0, 5.0)}}
NOBODY = ROWS[:1].with_columns(pl.lit(None).cast(ROWS.schema[c]).alias(c) for c in ROWS.columns if c != "user_id")


@cache
def shared() -> SharedRatings:
    return SharedRatings.of(events(RATINGS), grids=GRIDS)


@cache
def trained() -> TrainedCascade:
    return fit_cascade(film_cascade.v1, ROWS, {MATERIAL: shared()}, k=3)


def test_the_router_takes_what_the_view_gives_and_never_age_or_occupation() -> None:
    given_by_view = set(age_gate.v1.feature_names)
    taken = set(router.transform.inputs) - set(router._DERIVED) - {router.RATED}

    assert taken <= given_by_view & set(Contract.to_schema().columns)
    assert len(router.transform.inputs) == 1 + 51
    assert not {"age", "age_band", "occupation", "gender"} & set(router.transform.inputs)


def test_rows_get_their_films_newest_first_and_the_logarithms() -> None:
    user = 7
    own = HISTORY.filter(__row=user)
    row = ROWS.row(user, named=True)

    assert ROWS.select(FEATURES.columns).equals(FEATURES)
    assert row["rated_movies"] == own["movie_id"].to_list()[::-1]
    assert row["liked_movies"] == own.filter(pl.col("rating") >= 4)["movie_id"].to_list()[::-1]
    n, seconds = row["count_all"], row["tenure_seconds"]
    expected = {
        "log_count": math.log(n),
        "log_sessions": math.log(row["sessions"]),
        "log_count_per_session": math.log(n / row["sessions"]),
        "log_tenure_days": math.log1p(seconds / 86_400),
        "log_pace": math.log1p(n / (seconds / 60)),
    }
    assert {name: row[name] for name in expected} == pytest.approx(expected)


def test_rows_in_any_order_and_users_without_ratings_keep_their_place() -> None:
    order = np.random.default_rng(0).permutation(FEATURES.height)
    silent = HISTORY.filter(pl.col("__row") != 3)
    made = router.router_rows(FEATURES[order], silent)

    assert made["user_id"].to_list() == FEATURES["user_id"].gather(order).to_list()
    assert made.filter(user_id=4)["rated_movies"].to_list() == [[]]
    others = pl.col("user_id") != 4
    assert made.filter(others).sort("user_id").equals(ROWS.filter(others).sort("user_id"))
    single = router.router_rows(FEATURES[5:6], HISTORY.filter(__row=5))
    assert single.equals(ROWS[5:6])


def test_whoever_gave_all_ratings_in_one_second_has_a_finite_pace() -> None:
    burst = FEATURES[:1].with_columns(tenure_seconds=pl.lit(0, dtype=pl.Int64))
    assert router.router_rows(burst, HISTORY)["log_pace"].item() == math.log1p(FEATURES["count_all"][0])


def test_the_policy_is_everybody_from_one_tenth_on() -> None:
    policy = film_cascade.v1.policy
    assert policy.threshold(film_cascade.v1.routes) == 1 / 8
    probabilities = np.array([0.0999999, 0.1, 0.12, 0.5])
    routes, _ = policy.chosen(np.stack([1 - probabilities, probabilities], axis=1), film_cascade.v1.routes)
    assert routes.tolist() == ["adults", "minors", "minors", "minors"]


def test_who_is_sent_to_the_minors_branch_never_sees_a_restricted_film() -> None:
    decided = trained().cascade.decide(ROWS)
    restricted = CATALOGUE.items[CATALOGUE.restricted].tolist()
    shown = decided.with_columns(bad=pl.col("answer").list.set_intersection(restricted).list.len())

    assert set(decided["route"]) == {"adults", "minors"}
    assert shown.filter(route="minors")["bad"].max() == 0
    assert shown.filter(route="adults")["bad"].max() > 0  # type: ignore[operator]  # a number here
    assert (decided["answer"].list.len() == 10).all()
    rated = pl.DataFrame({"answer": decided["answer"], "rated": ROWS["rated_movies"]})
    assert rated.select(pl.col("answer").list.set_intersection("rated").list.len().max()).item() == 0


def test_a_branch_answers_as_its_ranker_ranks_the_user_s_history() -> None:
    branch = trained().cascade.branches["adults"]
    assert isinstance(branch, RankingBranch)
    rated = events(RATINGS)
    users, end = ROWS["user_id"].to_numpy(), np.full(ROWS.height, np.iinfo(np.int64).max)
    found = branch.ranker.top(
        branch.ranker.rule.before(rated, users, end), 10, None, HistoryRule().before(rated, users, end)
    )

    assert branch.answers(ROWS).to_list() == CATALOGUE.items[found].tolist()


@settings(max_examples=10, deadline=None)
@given(st.lists(st.integers(0, 149), min_size=1, max_size=40))
def test_a_user_s_decision_does_not_depend_on_the_others(chosen: list[int]) -> None:
    assert trained().cascade.decide(ROWS[chosen]).equals(trained().cascade.decide(ROWS)[chosen])


def test_a_user_without_history_plays_safe_and_gets_what_is_popular_and_allowed() -> None:
    with pytest.raises(ValuesMissing):
        trained().cascade.router.probabilities(NOBODY)

    decided = trained().cascade.decide(pl.concat([NOBODY, ROWS[:3]]))

    assert decided[1:].equals(trained().cascade.decide(ROWS[:3]))
    assert decided.row(0)[:3] == ("minors", None, "fallback")
    liked = Popularity.fit(events(RATINGS)).liked.copy()
    liked[CATALOGUE.restricted] = -1
    assert decided["answer"][0].to_list() == CATALOGUE.items[np.argsort(-liked, kind="stable")[:10]].tolist()


def test_unknown_films_are_passed_over() -> None:
    odd = ROWS[:1].with_columns(
        pl.concat_list(pl.lit(10_000, dtype=pl.Int64), name).alias(name) for name in ("rated_movies", "liked_movies")
    )
    assert trained().cascade.decide(odd)["answer"].equals(trained().cascade.decide(ROWS[:1])["answer"])


def test_a_broken_ranker_is_replaced_by_popularity(caplog: pytest.LogCaptureFixture) -> None:
    adults = trained().cascade.branches["adults"]
    assert isinstance(adults, RankingBranch)
    # This one has it.
    damaged = replace(adults, ranker=replace(adults.ranker, weights=np.zeros((1, 1), np.float32)))  # type: ignore[type-var]
    cascade = replace(trained().cascade, branches={**trained().cascade.branches, "adults": damaged})

    with caplog.at_level(logging.WARNING):
        decided = cascade.decide(ROWS)

    fallen = decided.filter(route="popular")
    assert fallen.height == (trained().cascade.decide(ROWS)["route"] == "adults").sum()
    assert set(fallen["reason"]) == {"fallback"}
    assert "branch 'adults' of cascade 'films' v1 failed" in caplog.text


def test_the_cascade_comes_back_from_its_bytes() -> None:
    members = trained().cascade.members()
    packed = {role: pack(member) for role, member in members.items()}
    restored = {role: type(members[role]).of(unpack(a.data, a.sha256)) for role, a in packed.items()}

    assert FittedCascade.of_members(restored).decide(ROWS).equals(trained().cascade.decide(ROWS))
    for ranker in (
        HistoryRidge.fit(followed_pairs(events(RATINGS), HistoryRule(5, 3.0)), 10.0, HistoryRule(5, 3.0)),
        Popularity.fit(events(RATINGS)),
    ):
        branch = RankingBranch(ranker, policed=True, k=4)
        again = RankingBranch.of(branch.parts())
        assert type(again.ranker) is type(ranker)
        assert again.answers(ROWS).equals(branch.answers(ROWS))


def test_a_segment_shares_the_statistics_and_weighs_more_only_where_that_pays() -> None:
    own = ROWS.filter(is_under_18=True)
    everybody = liked_pairs(events(RATINGS))
    heavy = SharedRanker(weights=(Fraction(2),)).fit(own, ROWS, {MATERIAL: shared()})
    even = SharedRanker(weights=(Fraction(1),)).fit(own, ROWS, {MATERIAL: shared()})
    segment = liked_pairs(events(RATINGS).of_users(own["user_id"].to_numpy()))

    # This one has it.
    assert np.array_equal(even.ranker.weights, shared().ranker.fit(everybody).weights)  # type: ignore[attr-defined]
    # This one has it.
    assert np.array_equal(heavy.ranker.weights, shared().ranker.fit(everybody + segment).weights)  # type: ignore[attr-defined]
    chosen = SharedRanker().fit(own, ROWS, {MATERIAL: shared()})
    assert np.array_equal(chosen.ranker.weights, even.ranker.weights)  # type: ignore[attr-defined]  # nothing pays here


def test_ranking_branches_without_ratings_to_train_on_say_so() -> None:
    with pytest.raises(InvalidCascade, match="no SharedRatings under 'ratings'"):
        MostLiked().fit(ROWS, ROWS, {})
    fingerprints = {b.fingerprint for b in (SharedRanker(), SharedRanker(policed=True), SharedRanker(k=5), MostLiked())}
    assert len(fingerprints) == 4


def test_a_segment_of_whom_nothing_is_hidden_weighs_as_everybody() -> None:
    own = ROWS.filter(is_under_18=True)
    grown_up = events(RATINGS).of_users(ROWS.filter(is_under_18=False)["user_id"].to_numpy())
    without = HoldOut.drawn(grown_up)
    chosen = SharedRanker().fit(own, ROWS, {MATERIAL: replace(shared(), validation=without)})

    even = SharedRanker(weights=(Fraction(1),)).fit(own, ROWS, {MATERIAL: shared()})
    assert np.array_equal(chosen.ranker.weights, even.ranker.weights)  # type: ignore[attr-defined]  # this one has it
