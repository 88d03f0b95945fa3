from __future__ import annotations

from datetime import timedelta

import pytest

from feature_groups import movie_stats
from feature_groups.store import FeatureStore
from rated import DAY, START, computed, rated

HOUR = timedelta(hours=1)


def test_films_are_counted_and_ranked_at_the_end_of_each_day(store: FeatureStore, engine: str) -> None:
    rows = rated((1, 7, HOUR, 5), (2, 7, 2 * HOUR, 3), (1, 8, 3 * HOUR, 1), (2, 8, DAY + HOUR, 1), (3, 8, DAY, 1))
    found = computed(movie_stats.v1, store, engine, rows)

    day = {(r["movie_id"], (r["known_at"] - START).days): r for r in found.iter_rows(named=True)}
    assert (day[7, 1]["count_all"], day[7, 1]["rank"]) == (2, 1)
    assert (day[8, 1]["count_all"], day[8, 1]["rank"]) == (1, 2)
    assert (day[8, 2]["count_all"], day[8, 2]["rank"]) == (3, 1)
    assert day[7, 1]["rating_mean"] == pytest.approx((8 + 20 * 3.5) / 22)
    assert day[8, 2]["last_rated_at"] == START + DAY + HOUR
    assert (day[7, 8]["count_7d"], day[7, 8]["count_30d"], day[7, 8]["rank"]) == (0, 2, 2)


def test_films_with_as_many_ratings_share_the_better_place(light_store: FeatureStore) -> None:
    found = computed(movie_stats.v1, light_store, "polars", rated((1, 7, HOUR, 5), (1, 8, HOUR, 5), (1, 9, HOUR, 5)))

    assert set(found["rank"]) == {1}
