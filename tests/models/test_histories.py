from __future__ import annotations

import math

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from models.errors import RankerMisused
from models.histories import ONE, Histories, HistoryRule
from small_ratings import catalogue, events, frames, rows

RULES = st.builds(
    HistoryRule,
    length=st.none() | st.integers(1, 5),
    tau=st.none() | st.sampled_from([0.5, 2.0, 5.0]),
    liked_only=st.booleans(),
)


def plainly(frame: pl.DataFrame, rule: HistoryRule, user: int, second: int) -> list[tuple[int, int]]:
    """Film and weight of each place of a history, said one by one."""
    earlier = [
        row
        for row in frame.sort("rated_at", "source_row_id").iter_rows(named=True)
        if row["user_id"] == user
        and row["rated_at"].timestamp() < 946_684_800 + second
        and (row["rating"] >= 4 or not rule.liked_only)
    ]
    newest = earlier[::-1][: rule.length]
    weights = [round(ONE * math.exp(-k / rule.tau)) if rule.tau else ONE for k in range(len(newest))]
    return [(row["movie_id"], weight) for row, weight in zip(newest, weights, strict=True) if row["movie_id"] != 95]


def films(histories: Histories, i: int) -> list[tuple[int, int]]:
    within = slice(histories.offsets[i], histories.offsets[i + 1])
    ids = catalogue().items[histories.columns[within]]
    return list(zip(ids.tolist(), histories.weights[within].tolist(), strict=True))


@given(frames, RULES, st.lists(st.tuples(st.integers(0, 5), st.integers(-1, 14)), max_size=8))
def test_a_history_is_what_the_user_rated_strictly_before(
    frame: pl.DataFrame, rule: HistoryRule, asked: list[tuple[int, int]]
) -> None:
    users = np.array([user for user, _ in asked], dtype=np.int64)
    times = np.array([(946_684_800 + second) * 10**6 for _, second in asked], dtype=np.int64)
    found = rule.before(events(frame), users, times)
    assert len(found) == len(asked)
    for i, (user, second) in enumerate(asked):
        assert films(found, i) == plainly(frame, rule, user, second)


def test_ratings_of_one_second_come_in_the_order_in_which_they_were_given() -> None:
    given_so = rows((1, 30, 5, 3), (1, 10, 5, 3), (1, 20, 5, 3))
    found = HistoryRule().before(events(given_so), np.array([1]), np.array([2**62]))
    assert [film for film, _ in films(found, 0)] == [20, 10, 30]


def test_an_unknown_film_keeps_its_place_and_is_counted() -> None:
    rated = events(rows((1, 10, 1, 3), (1, 95, 2, 3), (1, 20, 3, 3)))
    found = HistoryRule(length=2, tau=1.0).before(rated, np.array([1]), np.array([2**62]))
    assert films(found, 0) == [(20, ONE)]
    assert found.unknown == 1


@given(frames, RULES.filter(lambda rule: not rule.liked_only and rule.length is not None))
def test_lists_of_the_feature_group_make_the_same_histories_as_events(frame: pl.DataFrame, rule: HistoryRule) -> None:
    newest_first = frame.sort("rated_at", "source_row_id", descending=True)
    lists = newest_first.group_by("user_id").agg("movie_id").sort("user_id")
    users = lists["user_id"].to_numpy()
    from_events = rule.before(events(frame), users, np.full(len(users), 2**62))
    from_lists = rule.of_lists(lists["movie_id"], catalogue())
    assert from_lists.offsets.tolist() == from_events.offsets.tolist()
    assert from_lists.columns.tolist() == from_events.columns.tolist()
    assert from_lists.weights.tolist() == from_events.weights.tolist()
    assert from_lists.unknown == from_events.unknown


def test_a_missing_list_is_an_empty_history() -> None:
    lists = pl.Series([[10], None, []], dtype=pl.List(pl.Int64()))
    assert HistoryRule().of_lists(lists, catalogue()).lengths.tolist() == [1, 0, 0]


def test_rows_of_histories_are_histories() -> None:
    lists = pl.Series([[10, 20], [], [30]], dtype=pl.List(pl.Int64()))
    found = HistoryRule().of_lists(lists, catalogue())[1:3]
    assert (len(found), found.lengths.tolist(), films(found, 1)) == (2, [0, 1], [(30, ONE)])
    assert len(found[2:9]) == 0


@pytest.mark.parametrize(("length", "tau"), [(0, None), (None, 0.0), (None, math.nan), (3, -1.0), (3, math.inf)])
def test_a_rule_that_means_nothing_is_refused(length: int | None, tau: float | None) -> None:
    with pytest.raises(RankerMisused, match="M103"):
        HistoryRule(length, tau)


def test_weights_are_exact_as_float32() -> None:
    weights = HistoryRule(tau=5.0).weights(20)
    assert (weights[0], weights[5]) == (ONE, round(ONE / math.e))
    as_floats = (weights / ONE).astype(np.float32)
    assert (as_floats.astype(np.float64) * ONE).tolist() == weights.tolist()
