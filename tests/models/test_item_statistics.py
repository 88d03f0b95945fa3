from __future__ import annotations

import math
from fractions import Fraction
from itertools import pairwise

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from scipy import sparse

from models.catalogue import UNKNOWN, Catalogue
from models.errors import CataloguesDiffer, RankerMisused, StatisticsOverflow
from models.followed_pairs import FOLLOWED, HISTORY, LIKED, followed_pairs
from models.histories import ONE, HistoryRule
from models.item_statistics import MOST, ItemStatistics
from models.liked_pairs import PAIRS, liked_pairs, liked_pairs_added
from models.rated_events import RatedEvents
from small_ratings import FILMS, catalogue, events, frames, rows

RULE = HistoryRule(length=4, tau=2.0)


def bits(statistics: ItemStatistics) -> dict[str, bytes]:
    """Every byte of the sums, and their types."""
    return {
        f"{name} {part}": bytes(str(array.dtype), "ascii") + array.tobytes()
        for name, matrix in statistics.sums.items()
        for part, array in (("data", matrix.data), ("indices", matrix.indices), ("indptr", matrix.indptr))
    }


def dense(statistics: ItemStatistics, name: str) -> list[list[int]]:
    found: list[list[int]] = statistics.sums[name].toarray().tolist()
    return found


def plain_liked_pairs(rated: RatedEvents) -> list[list[int]]:
    liked: dict[int, set[int]] = {}
    for user, column, good in zip(rated.users.tolist(), rated.columns.tolist(), rated.liked.tolist(), strict=True):
        if good and column != UNKNOWN:
            liked.setdefault(user, set()).add(column)
    return [[sum(i in films and j in films for films in liked.values()) for j in range(FILMS)] for i in range(FILMS)]


def plain_followed_pairs(rated: RatedEvents, *, leak: bool = False) -> tuple[list[list[int]], list[list[int]]]:
    pairs, followed = ([[0] * FILMS for _ in range(FILMS)] for _ in range(2))
    lists = list(zip(rated.users.tolist(), rated.times.tolist(), rated.columns.tolist(), strict=True))
    for place, (user, time, target) in enumerate(lists):
        before = [c for p, (u, t, c) in enumerate(lists) if u == user and (p < place if leak else t < time)]
        history = [(c, round(ONE * math.exp(-k / 2))) for k, c in enumerate(before[::-1][:4]) if c != UNKNOWN]
        for i, one in history:
            if target != UNKNOWN:
                followed[i][target] += one
            for j, other in history:
                pairs[i][j] += one * other
    return pairs, followed


@given(frames)
def test_liked_pairs_count_the_users_who_liked_both(frame: pl.DataFrame) -> None:
    rated = events(frame)
    assert dense(liked_pairs(rated), PAIRS) == plain_liked_pairs(rated)


@given(frames)
def test_followed_pairs_are_sums_over_strict_histories(frame: pl.DataFrame) -> None:
    rated = events(frame)
    pairs, followed = plain_followed_pairs(rated)
    found = followed_pairs(rated, RULE)
    assert dense(found, HISTORY) == pairs
    assert dense(found, FOLLOWED) == followed
    assert dense(found, LIKED)[0] == np.diagonal(plain_liked_pairs(rated)).tolist()


@given(frames)
def test_the_leak_is_the_rows_before_whatever_their_instant(frame: pl.DataFrame) -> None:
    rated = events(frame)
    found = followed_pairs(rated, RULE, leak_same_instant=True)
    assert (dense(found, HISTORY), dense(found, FOLLOWED)) == plain_followed_pairs(rated, leak=True)


def test_what_is_rated_at_one_instant_does_not_explain_itself() -> None:
    burst = events(rows((1, 10, 5, 5), (1, 20, 5, 5)))
    assert followed_pairs(burst, RULE).sums[FOLLOWED].nnz == 0
    assert followed_pairs(burst, RULE, leak_same_instant=True).sums[FOLLOWED].nnz == 1


@given(frames, st.permutations(range(1, 5)), st.integers(1, 3))
def test_users_can_be_summed_in_any_order_and_grouping(frame: pl.DataFrame, order: list[int], cut: int) -> None:
    rated = events(frame)
    for build in (liked_pairs, lambda r: followed_pairs(r, RULE)):
        shares = [build(rated.of_users(np.array([user]))) for user in order]
        one_by_one = shares[0] + shares[1] + shares[2] + shares[3]
        in_two = build(rated.of_users(np.array(order[:cut]))) + build(rated.of_users(np.array(order[cut:])))
        assert bits(one_by_one) == bits(in_two) == bits(build(rated))


@given(frames, frames)
def test_replacing_what_changed_users_contributed_equals_a_rebuild(old: pl.DataFrame, new: pl.DataFrame) -> None:
    before, after = events(old), events(pl.concat([old.filter(pl.col("user_id") > 2), new.filter(user_id=1)]))
    changed = np.array([1, 2])
    for build in (liked_pairs, lambda r: followed_pairs(r, RULE)):
        updated = build(before) - build(before.of_users(changed)) + build(after.of_users(changed))
        assert bits(updated) == bits(build(after))


@given(frames, st.lists(st.integers(0, 13), min_size=1, max_size=4), st.randoms(use_true_random=False))
def test_periods_can_be_summed_in_any_order(frame: pl.DataFrame, cuts: list[int], random: object) -> None:
    rated = events(frame)
    borders = [(946_684_800 + second) * 10**6 for second in [-1, *sorted(cuts), 14]]
    followed, liked = [], []
    for first, last in pairwise(borders):
        inside = (rated.times >= first) & (rated.times < last)
        followed.append(followed_pairs(rated, RULE, following=inside))
        liked.append(liked_pairs_added(rated.where(rated.times < first), rated.where(inside)))
    for shares, full in ((followed, followed_pairs(rated, RULE)), (liked, liked_pairs(rated))):
        random.shuffle(shares)  # type: ignore[attr-defined]  # this one has it
        total = shares[0]
        for share in shares[1:]:
            total = total + share
        assert bits(total) == bits(full)


def test_liking_a_film_again_adds_nothing() -> None:
    once, again = rows((1, 10, 1, 5), (1, 20, 2, 5)), rows((1, 10, 9, 4))
    assert liked_pairs_added(events(once), events(again)).sums[PAIRS].nnz == 0


@given(frames, st.fractions(min_value=0, max_value=5, max_denominator=8))
def test_a_segment_can_weigh_any_fraction_exactly(frame: pl.DataFrame, weight: Fraction) -> None:
    rated = events(frame)
    one, others = rated.of_users(np.array([1])), rated.of_users(np.array([2, 3, 4]))
    shared = liked_pairs(rated) + liked_pairs(one).times(weight - 1)
    exact = [
        [float(other + weight * own) for other, own in zip(*pair, strict=True)]
        for pair in zip(plain_liked_pairs(others), plain_liked_pairs(one), strict=True)
    ]
    assert shared.values(PAIRS).tolist() == exact


def test_eight_million_events_fit_wherever_they_fall() -> None:
    """The bound that the module states: one event adds at most 2^40 to an entry."""
    one = followed_pairs(events(rows((1, 10, 1, 3), (1, 20, 2, 3))), RULE)
    assert int(one.sums[HISTORY].data.max()) == 2**40
    most = one.times(2**23 - 1)
    assert int(most.sums[HISTORY].data.max()) == (2**23 - 1) * 2**40
    with pytest.raises(StatisticsOverflow, match=r"M101 .*were left as they are"):
        _ = most + one


@pytest.mark.parametrize("sign", [1, -1])
def test_what_might_overflow_is_refused_before_it_is_added(sign: int) -> None:
    films = Catalogue(np.array([1]), np.array([False]))
    edge = ItemStatistics(films, {"n": sparse.csr_array(np.array([[sign * MOST]]))}, {"n": 1})
    one = ItemStatistics(films, {"n": sparse.csr_array(np.array([[sign]]))}, {"n": 1})
    with pytest.raises(StatisticsOverflow):
        _ = edge + one
    with pytest.raises(StatisticsOverflow):
        edge.times(2)
    assert (edge - one).sums["n"].toarray().tolist() == [[sign * (MOST - 1)]]


@settings(max_examples=30)
@given(frames)
def test_statistics_are_the_same_after_a_round_trip(frame: pl.DataFrame) -> None:
    made = followed_pairs(events(frame), RULE).times(Fraction(3, 2))
    again = ItemStatistics.of(made.parts())
    assert bits(again) == bits(made)
    assert again.units == made.units
    assert again.values(HISTORY).tobytes() == made.values(HISTORY).tobytes()


@settings(max_examples=30)
@given(frames, st.sets(st.integers(1, 12)))
def test_statistics_move_to_a_catalogue_with_other_films(frame: pl.DataFrame, numbers: list[int]) -> None:
    items = np.array(sorted(numbers), dtype=np.int64) * 10
    other = Catalogue(items, np.zeros(len(items), dtype=np.bool_))
    for build in (liked_pairs, lambda r: followed_pairs(r, RULE)):
        moved = build(RatedEvents.of(frame, catalogue())).over(other)
        assert bits(moved) == bits(build(RatedEvents.of(frame, other)))


def test_statistics_over_other_films_or_of_another_ranker_are_not_added() -> None:
    rated = rows((1, 10, 1, 5), (1, 20, 2, 5))
    ours = liked_pairs(events(rated))
    fewer = Catalogue(np.array([10, 20]), np.array([False, False]))
    with pytest.raises(CataloguesDiffer):
        _ = ours + liked_pairs(RatedEvents.of(rated, fewer))
    with pytest.raises(RankerMisused, match="for one ranker"):
        _ = ours + followed_pairs(events(rated), RULE)


def test_a_rule_of_liked_films_has_no_followed_pairs() -> None:
    with pytest.raises(RankerMisused, match="every rating follows another"):
        followed_pairs(events(rows((1, 10, 1, 5))), HistoryRule(liked_only=True))


def test_a_film_that_fills_its_histories_cannot_overflow_silently() -> None:
    """Unique films never come near: this is one film rated again and again."""
    count = 2_000
    users: NDArray[np.int64] = np.ones(count, dtype=np.int64)
    again = RatedEvents(catalogue(), users, np.arange(count), np.zeros(count, dtype=np.int32), np.ones(count, np.bool_))
    with pytest.raises(RankerMisused, match="shorter length"):
        followed_pairs(again, HistoryRule())
