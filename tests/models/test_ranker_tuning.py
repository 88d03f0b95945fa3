from __future__ import annotations

from collections.abc import Mapping
from fractions import Fraction

import numpy as np
import pytest

from models.bootstrap import Interval
from models.errors import NothingToLearn, RankerMisused
from models.holdout_evaluation import HoldOut
from models.ranker_choice import Grid, RankerChoice, RankerKind, ridge_rule
from models.ranker_tuning import (
    best_setting,
    newest_part,
    tuned_history_ridge,
    tuned_ranker,
    tuned_segment_weight,
)
from small_ratings import at, events, rows

EASE = RankerChoice("ease", {"penalty": 5.0})
GRID = {"tau": (4.0, 1.0, 9.0), "length": (3, 1), "penalty": (2.0, 0.1, 50.0)}


def _figure(mean: float) -> Interval:
    return Interval(mean, mean, mean, 0.0, 1, 1)


def test_each_parameter_is_tried_with_the_others_at_their_best() -> None:
    asked = []

    def judged(setting: Mapping[str, float]) -> Interval:
        asked.append(dict(setting))
        return _figure(-abs(setting["tau"] - 9) - abs(setting["length"] - 1) - abs(setting["penalty"] - 2))

    tuned = best_setting(GRID, judged)
    assert dict(tuned.chosen) == {"tau": 9.0, "length": 1, "penalty": 2.0}
    assert len(asked) == tuned.tried.height == 3 + 1 + 2
    assert tuned.tried.filter("chosen").select("tau", "length", "penalty").row(0) == (9.0, 1.0, 2.0)
    assert tuned.tried["ndcg"].max() == tuned.tried.filter("chosen")["ndcg"].item()


def test_where_nothing_is_better_the_first_values_are_taken() -> None:
    assert dict(best_setting(GRID, lambda _: _figure(0.1)).chosen) == {"tau": 4.0, "length": 3, "penalty": 2.0}


@pytest.mark.parametrize("grid", [{}, {"tau": ()}])
def test_a_grid_without_values_is_refused(grid: dict[str, tuple[float, ...]]) -> None:
    with pytest.raises(RankerMisused, match="was not begun"):
        best_setting(grid, lambda _: _figure(0.0))


def one_step_world(users: int = 150) -> list[tuple[int, int, int, int]]:
    """Films 1 to 4 come in any order; half of the time film n is followed by n + 4, at once or never."""
    rng = np.random.default_rng(0)
    ratings = []
    for user in range(1, users + 1):
        second = 0
        for film in rng.permutation(4) + 1:
            for seen in (film, film + 4) if rng.random() < 0.5 else (film,):
                second += 100
                ratings.append((user, 10 * int(seen), second, 5))
    return ratings


def test_the_history_that_matters_is_found() -> None:
    rated = events(rows(*one_step_world()))
    grid = {"tau": (20.0, 0.3), "length": (8,), "penalty": (1.0, 1e6)}
    tuned = tuned_history_ridge(rated, at(400), grid)
    assert dict(tuned.chosen) == {"tau": 0.3, "length": 8, "penalty": 1.0}
    assert ridge_rule(tuned.chosen).length == 8


def test_the_newest_part_is_a_share_of_the_positive_ratings() -> None:
    rated = events(rows(*((1, 10 * (n % 9 + 1), n, 5) for n in range(40)), (1, 95, 99, 5), (1, 10, 99, 1)))
    since = newest_part(rated, 0.25)
    assert since == at(30)
    with pytest.raises(NothingToLearn):
        newest_part(events(rows((1, 10, 1, 1))))


def test_tuning_fits_on_what_is_before_the_validation_part() -> None:
    with pytest.raises(NothingToLearn):
        tuned_history_ridge(events(rows(*one_step_world())), at(0), GRID)


def segment_world(own: bool) -> tuple[list[tuple[int, int, int, int]], np.ndarray[tuple[int], np.dtype[np.int64]]]:
    """Two hundred users like the first films together, and ten of a segment too, or the others where they are `own`."""
    rng = np.random.default_rng(1)
    ratings = []
    for user in range(1, 211):
        pairs = ((1, 2), (3, 4), (5, 6), (7, 8)) if user <= 200 or not own else ((1, 8), (3, 6), (5, 2), (7, 4))
        for pair in pairs:
            if rng.random() < 0.6:
                ratings += [(user, 10 * film, film, 5) for film in pair]
    return ratings, np.arange(201, 211)


def test_a_segment_weighs_more_only_where_its_taste_is_its_own() -> None:
    for own in (True, False):
        ratings, segment = segment_world(own)
        validation = HoldOut.drawn(events(rows(*ratings)), 0.3, seed=5)
        weights = (Fraction(1), Fraction(15), Fraction(40))
        tuned = tuned_segment_weight(validation, segment, EASE, weights)
        assert (tuned.chosen["weight"] > 1) == own
        assert tuned.tried["weight"].to_list() == [1.0, 15.0, 40.0]
        assert tuned.tried.filter("chosen")["weight"].to_list() == [tuned.chosen["weight"]]


def dislike_world() -> list[tuple[int, int, int, int]]:
    """Each film n of three is liked at random, each of n + 3 disliked, and then n + 6 liked, by every other user later.

    What is liked together says nothing of what comes; what was rated last says all.
    """
    rng = np.random.default_rng(0)
    ratings = []
    for user in range(1, 61):
        start, (liked, disliked) = 300 * (user % 2), rng.integers(1, 4, 2)
        seen = ((liked, 5, 10), (disliked + 3, 1, 20), (disliked + 6, 5, start + 30))
        ratings += [(user, 10 * int(film), second, stars) for film, stars, second in seen]
    return ratings


GRIDS: dict[RankerKind, Grid] = {
    "ease": {"penalty": (1e7, 5.0)},
    "history_ridge": {"tau": (0.3,), "length": (8,), "penalty": (1e6, 1.0)},
}


def test_the_kind_of_ranker_is_the_one_that_is_better_on_the_validation() -> None:
    together, _ = segment_world(own=False)
    hidden = HoldOut.drawn(events(rows(*together)), 0.3)
    asked = HoldOut.since(events(rows(*dislike_world())), at(300))

    for validation, better in ((hidden, "ease"), (asked, "history_ridge")):
        chosen, tried = tuned_ranker(validation, GRIDS)
        assert chosen.kind == better
        assert tried.height == 4
        best = tried.filter("chosen")
        assert (best["ranker"].item(), best["penalty"].item()) == (better, chosen.setting["penalty"])
        assert best["ndcg"].item() == tried["ndcg"].max()
        assert tried.filter(ranker="ease")["tau"].to_list() == [None, None]
        for kind, grid in GRIDS.items():
            own = tried.filter(ranker=kind)
            alone, _ = tuned_ranker(validation, {kind: grid})
            fitted = alone.fit(alone.statistics(validation.kept))
            assert validation.judged(fitted)["ndcg"].mean() == own["ndcg"].max()


def test_of_equal_rankers_the_first_is_taken() -> None:
    together, _ = segment_world(own=False)
    validation = HoldOut.drawn(events(rows(*together)), 0.3)
    one: Grid = {"penalty": (5.0,)}
    assert tuned_ranker(validation, {"ease": one})[0] == RankerChoice("ease", {"penalty": 5.0})
    with pytest.raises(RankerMisused, match="no kind of ranker"):
        tuned_ranker(validation, {})


def test_a_choice_says_itself_and_sums_what_adds() -> None:
    ridge = RankerChoice("history_ridge", {"tau": 2.0, "length": 3, "penalty": 4.0})
    assert (str(EASE), str(ridge)) == ("ease, penalty 5", "history_ridge, tau 2, length 3, penalty 4")
    rated = events(rows(*one_step_world(20)))
    halves = [rated.of_users(rated.distinct_users[half::2]) for half in (0, 1)]
    for choice in (EASE, ridge):
        first, second = (choice.statistics(half) for half in halves)
        whole = choice.fit(choice.statistics(rated))
        assert choice.fit(first + second).weights.tobytes() == whole.weights.tobytes()
        assert choice.fit(second + first).weights.tobytes() == whole.weights.tobytes()
