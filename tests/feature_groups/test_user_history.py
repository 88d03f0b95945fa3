from __future__ import annotations

from datetime import timedelta

from feature_groups import user_history
from feature_groups.store import FeatureStore
from rated import START, TICK, computed, rated

MINUTE = timedelta(minutes=1)


def test_a_history_holds_the_last_films_newest_first_with_gaps(store: FeatureStore, engine: str) -> None:
    rows = rated((1, 10, MINUTE, 5), (1, 11, MINUTE, 4), (1, 12, 3 * MINUTE, 3), (2, 10, MINUTE, 1))
    found = computed(user_history.v1, store, engine, rows)

    assert found.rows() == [
        (1, START + MINUTE + TICK, [11, 10], [4, 5], [0, -1]),
        (1, START + 3 * MINUTE + TICK, [12, 11, 10], [3, 4, 5], [120, 0, -1]),
        (2, START + MINUTE + TICK, [10], [1], [-1]),
    ]


def test_a_history_is_cut_after_twenty_films(light_store: FeatureStore) -> None:
    rows = rated(*((1, n + 1, n * MINUTE, 3) for n in range(25)))
    newest = computed(user_history.v1, light_store, "polars", rows).row(-1, named=True)

    assert newest["last_movies"] == list(range(25, 5, -1))
    assert newest["last_gaps"] == [60] * 20
