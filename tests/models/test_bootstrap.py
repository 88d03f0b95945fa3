from __future__ import annotations

import numpy as np
import pytest

from models.bootstrap import interval, paired_difference
from models.errors import NothingToLearn, RankerMisused


def test_the_interval_of_independent_events_is_the_normal_one() -> None:
    values = np.random.default_rng(1).normal(5.0, 2.0, 400)
    found = interval(values, np.arange(400))
    assert found.mean == pytest.approx(values.mean())
    assert found.error == pytest.approx(values.std() / 20, rel=0.1)
    assert (found.low, found.high) == pytest.approx(
        (found.mean - 1.96 * found.error, found.mean + 1.96 * found.error), rel=0.01
    )
    assert (found.users, found.events) == (400, 400)


def test_events_of_one_user_are_worth_little_more_than_one() -> None:
    """Fifty users whose twenty events are all alike know as much as fifty events."""
    by_user = np.random.default_rng(2).normal(size=50)
    alike = interval(np.repeat(by_user, 20), np.repeat(np.arange(50), 20))
    assert alike.error == pytest.approx(interval(by_user, np.arange(50)).error)


def test_users_count_by_their_events() -> None:
    assert interval([1.0, 0.0, 0.0, 0.0], ["a", "b", "b", "b"]).mean == 0.25


def test_what_is_paired_is_seen_where_users_differ_more_than_models() -> None:
    rng = np.random.default_rng(3)
    users = np.repeat(np.arange(100), 5)
    hard = rng.normal(0.0, 10.0, 100)[users]
    ours, theirs = hard + 0.5 + rng.normal(0.0, 0.1, 500), hard
    found = paired_difference(ours, theirs, users)
    assert 0.4 < found.low < found.mean < found.high < 0.6
    assert interval(ours, users).low < interval(theirs, users).high
    same = paired_difference(theirs, theirs, users)
    assert (same.mean, same.low, same.high) == (0.0, 0.0, 0.0)


def test_the_true_mean_is_inside_nineteen_times_of_twenty() -> None:
    rng = np.random.default_rng(4)
    inside = 0
    for seed in range(200):
        sizes = rng.integers(1, 10, 60)
        values = np.repeat(rng.normal(size=60), sizes) + rng.normal(size=sizes.sum())
        found = interval(values, np.repeat(np.arange(60), sizes), draws=300, seed=seed)
        inside += found.low <= 0.0 <= found.high
    assert 180 <= inside <= 198


def test_the_same_seed_draws_the_same_users() -> None:
    values = np.random.default_rng(5).normal(size=30)
    assert interval(values, np.arange(30)) == interval(values, np.arange(30))
    assert interval(values, np.arange(30)) != interval(values, np.arange(30), seed=1)


def test_users_in_another_order_give_the_same_interval() -> None:
    values = np.random.default_rng(6).integers(0, 9, 30)
    users = np.arange(30) % 7
    order = np.random.default_rng(7).permutation(30)
    assert interval(values[order], users[order]) == interval(values, users)


def test_nothing_and_what_is_no_number_are_refused() -> None:
    with pytest.raises(NothingToLearn, match="M102"):
        interval([], [])
    with pytest.raises(RankerMisused, match="1 of 2 values are not finite"):
        interval([1.0, float("nan")], [1, 2])
    with pytest.raises(RankerMisused, match="2 events here, 1 there"):
        paired_difference([1.0, 2.0], [1.0], [1, 2])
