from __future__ import annotations

from collections.abc import Callable

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from models.artefact import pack, unpack
from models.catalogue import UNKNOWN
from models.ease import Ease
from models.errors import NothingToLearn, RankerMisused
from models.followed_pairs import FOLLOWED, HISTORY, followed_pairs
from models.histories import Histories, HistoryRule
from models.history_ridge import HistoryRidge
from models.item_statistics import ItemStatistics
from models.liked_pairs import PAIRS, liked_pairs
from models.popularity import Popularity
from models.ranker import Ranker, Scores, best, ranks
from small_ratings import FILMS, catalogue, events, rows

RULE = HistoryRule(length=5, tau=3.0)


def some_ratings(seed: int = 0, users: int = 30) -> pl.DataFrame:
    rng = np.random.default_rng(seed)
    chosen = [(user, film) for user in range(1, users + 1) for film in rng.permutation(FILMS)[: rng.integers(1, 7)]]
    return rows(*((u, int(f + 1) * 10, int(rng.integers(0, 50)), int(rng.integers(1, 6))) for u, f in chosen))


RATED = events(some_ratings())
FITS: dict[str, Callable[[], Ranker]] = {
    "popularity": lambda: Popularity.fit(RATED),
    "ease": lambda: Ease.fit(liked_pairs(RATED), 2.0),
    "history ridge": lambda: HistoryRidge.fit(followed_pairs(RATED, RULE), 2.0, RULE),
}


@pytest.fixture(params=FITS)
def ranker(request: pytest.FixtureRequest) -> Ranker:
    return FITS[request.param]()


def asked(ranker: Ranker) -> Histories:
    """Every user's history, and a stranger's."""
    users = np.append(RATED.distinct_users, 999)
    return ranker.rule.before(RATED, users, np.full(len(users), 2**62))


def test_ease_is_steck_s_closed_form() -> None:
    pairs = liked_pairs(RATED).values(PAIRS)
    inverse = np.linalg.inv(pairs + 2.0 * np.eye(FILMS))
    expected = -inverse / np.diagonal(inverse)
    np.fill_diagonal(expected, 0)
    assert np.allclose(Ease.fit(liked_pairs(RATED), 2.0).weights, expected, atol=1e-6)


def test_history_ridge_is_least_squares_with_a_penalty() -> None:
    statistics = followed_pairs(RATED, RULE)
    expected = np.linalg.solve(statistics.values(HISTORY) + 2.0 * np.eye(FILMS), statistics.values(FOLLOWED))
    assert np.allclose(HistoryRidge.fit(statistics, 2.0, RULE).weights, expected, atol=1e-6)


def test_a_film_nobody_rated_neither_explains_nor_is_explained() -> None:
    without = RATED.where(RATED.columns != 4)
    for ranker in (
        Ease.fit(liked_pairs(without), 1.0),
        HistoryRidge.fit(followed_pairs(without, RULE), 1.0, RULE),
    ):
        assert not ranker.weights[4].any()
        assert not ranker.weights[:, 4].any()
        assert np.isfinite(ranker.weights).all()


def test_what_follows_a_film_is_ranked_first_after_it() -> None:
    in_order = events(rows(*((user, film * 10, film, 4) for user in range(1, 40) for film in range(1, 10))))
    rule = HistoryRule(length=3, tau=1.0)
    ranker = HistoryRidge.fit(followed_pairs(in_order, rule), 0.1, rule)
    histories = rule.of_lists(pl.Series([[30, 20, 10], [60, 50, 40]]), catalogue())
    assert ranker.top(histories, 1).tolist() == [[3], [6]]


def test_fitting_again_gives_the_same_bits(ranker: Ranker) -> None:
    again = FITS[ranker.kind.replace("_", " ")]()
    for name, array in ranker.parts().arrays.items():
        assert array.tobytes() == again.parts().arrays[name].tobytes()


def test_a_ranker_answers_the_same_bits_after_a_round_trip(ranker: Ranker) -> None:
    again = type(ranker).of(ranker.parts())
    assert again.rule == ranker.rule
    assert again.scores(asked(ranker)).tobytes() == ranker.scores(asked(ranker)).tobytes()


def test_a_history_gets_the_same_bits_alone_and_among_others(ranker: Ranker) -> None:
    histories = asked(ranker)
    together = ranker.scores(histories)
    assert together.dtype == np.float32
    alone = np.vstack([ranker.scores(histories[i : i + 1]) for i in range(len(histories))])
    backwards = np.vstack([ranker.scores(histories[i:]) for i in range(len(histories))][::-1])
    assert alone.tobytes() == together.tobytes()
    assert backwards[:1].tobytes() == together[-1:].tobytes()


def test_who_has_no_history_gets_what_is_popular(ranker: Ranker) -> None:
    lists = pl.Series([[], [95], None], dtype=pl.List(pl.Int64()))
    strangers = ranker.rule.of_lists(lists, catalogue())
    popular = best(Popularity.fit(RATED).scores(strangers), 4)
    assert ranker.top(strangers, 4).tolist() == popular.tolist()


def test_no_film_is_recommended_that_is_seen_or_not_allowed(ranker: Ranker) -> None:
    histories = asked(ranker)
    seen = HistoryRule().before(RATED, np.append(RATED.distinct_users, 999), np.full(len(histories), 2**62))
    found = ranker.top(histories, FILMS, allowed=~catalogue().restricted, seen=seen)
    for i, row in enumerate(found.tolist()):
        shown = [column for column in row if column != UNKNOWN]
        not_seen = set(range(FILMS)) - set(seen[i : i + 1].columns.tolist())
        assert set(shown) == {column for column in not_seen if not catalogue().restricted[column]}
        assert row == shown + [UNKNOWN] * (FILMS - len(shown))


def test_a_film_s_score_is_what_the_history_s_films_say_for_it() -> None:
    ranker = Ease.fit(liked_pairs(RATED), 2.0)
    history = ranker.rule.of_lists(pl.Series([[10, 40, 70]]), catalogue())
    said = ranker.contributions(history, 5)
    assert said.tolist() == ranker.weights[[0, 3, 6], 5].tolist()
    assert np.isclose(said.sum(), ranker.scores(history)[0, 5])


@pytest.mark.parametrize("penalty", [0.0, -1.0, float("nan"), float("inf")])
def test_a_penalty_must_be_above_0(penalty: float) -> None:
    with pytest.raises(RankerMisused, match=r"M103 .*was not fitted"):
        Ease.fit(liked_pairs(RATED), penalty)


def test_nothing_is_fitted_on_nothing() -> None:
    nothing = events(rows())
    for fit in (
        lambda: Popularity.fit(nothing),
        lambda: Ease.fit(liked_pairs(nothing), 1.0),
        lambda: HistoryRidge.fit(followed_pairs(nothing, RULE), 1.0, RULE),
    ):
        with pytest.raises(NothingToLearn, match=r"M102 .*was not fitted"):
            fit()


def test_a_ranker_is_not_fitted_on_another_s_statistics() -> None:
    with pytest.raises(RankerMisused, match="no sum 'liked_pairs', but history_pairs"):
        Ease.fit(followed_pairs(RATED, RULE), 1.0)


SCORES = hnp.arrays(
    np.float32,
    st.tuples(st.integers(1, 4), st.integers(1, 12)),
    elements=st.sampled_from([-np.inf, -2.5, -1e-30, -0.0, 0.0, 1e-30, 1.0, 3.5]),
)


@settings(max_examples=200)
@given(SCORES, st.integers(1, 14))
def test_the_best_are_the_largest_and_of_equals_the_first(scores: Scores, k: int) -> None:
    found = best(scores.copy(), k)
    for row, columns in zip(scores.tolist(), found.tolist(), strict=True):
        # Bound at once.
        order = [c for c in sorted(range(len(row)), key=lambda c, row=row: (-row[c], c)) if row[c] != -np.inf]  # type: ignore[misc]
        assert columns == (order + [UNKNOWN] * k)[:k]


@settings(max_examples=200)
@given(SCORES)
def test_a_rank_is_the_place_among_the_best(scores: Scores) -> None:
    order = best(scores.copy(), scores.shape[1]).tolist()
    targets = [(row, column) for row in range(len(scores)) for column in range(-1, scores.shape[1])]
    rows_, columns = (np.array(side) for side in zip(*targets, strict=True))
    found = ranks(scores, rows_, columns.astype(np.int32)).tolist()
    for (row, column), rank in zip(targets, found, strict=True):
        assert rank == (order[row].index(column) if column in order[row] and column != UNKNOWN else -1)


def test_a_ranker_and_its_statistics_survive_as_artefacts(ranker: Ranker) -> None:
    stored = pack(ranker)
    again = type(ranker).of(unpack(stored.data, stored.sha256))
    assert again.scores(asked(ranker)).tobytes() == ranker.scores(asked(ranker)).tobytes()
    assert pack(again).content == stored.content
    statistics = followed_pairs(RATED, RULE)
    kept = pack(statistics)
    assert pack(ItemStatistics.of(unpack(kept.data, kept.sha256)) + followed_pairs(events(rows()), RULE)) == kept
