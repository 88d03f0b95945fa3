from __future__ import annotations

import math

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from models.catalogue import UNKNOWN
from models.histories import HistoryRule
from models.ranking_metrics import coverage, hit_rate, ndcg, ndcg_of_lists, restricted_exposure
from small_ratings import FILMS, catalogue


def test_one_target_gains_less_the_lower_it_stands() -> None:
    found = ndcg(np.array([0, 1, 9, 10, -1]))
    assert found.tolist() == pytest.approx([1.0, 1 / math.log2(3), 1 / math.log2(11), 0.0, 0.0])
    assert hit_rate(np.array([0, 9, 10, -1])).tolist() == [1.0, 1.0, 0.0, 0.0]


LISTS = st.tuples(
    st.lists(st.integers(0, FILMS - 1), unique=True, max_size=6),
    st.lists(st.integers(0, FILMS - 1), unique=True, max_size=FILMS),
)


@given(st.lists(LISTS, min_size=1, max_size=5))
def test_several_targets_gain_beside_the_best_list_there_is(lists: list[tuple[list[int], list[int]]]) -> None:
    shown = np.array([(films + [UNKNOWN] * 6)[:6] for films, _ in lists], dtype=np.int32)
    ids = pl.Series([[10 * (c + 1) for c in wanted] for _, wanted in lists], dtype=pl.List(pl.Int64()))
    found = ndcg_of_lists(shown, HistoryRule().of_lists(ids, catalogue()))
    for (films, wanted), value in zip(lists, found.tolist(), strict=True):
        gains = [1 / math.log2(place + 2) for place in range(6)]
        got = sum(gains[place] for place, film in enumerate(films) if film in wanted)
        ideal = sum(gains[: len(wanted)])
        assert math.isnan(value) if not wanted else value == pytest.approx(got / ideal)


def test_coverage_is_the_share_of_films_shown_to_somebody() -> None:
    shown = np.array([[0, 1, UNKNOWN], [1, 2, 3]], dtype=np.int32)
    assert coverage(shown, catalogue()) == 4 / FILMS


def test_exposure_is_the_share_of_shown_films_that_are_restricted() -> None:
    shown = np.array([[2, 0], [2, UNKNOWN], [0, 1], [UNKNOWN, UNKNOWN]], dtype=np.int32)
    assert restricted_exposure(shown, catalogue())[:3].tolist() == [0.5, 1.0, 0.0]
    assert math.isnan(restricted_exposure(shown, catalogue())[3])
