from __future__ import annotations

from datetime import timedelta

import polars as pl
import pytest
from polars.testing import assert_frame_equal

from example import batch
from feature_groups import user_activity
from feature_groups.store import FeatureStore
from feature_groups.store.errors import ContractViolated
from rated import DAY, START, TICK, computed, films, rated

MINUTE = timedelta(minutes=1)
FILMS = films(one=["Drama"], two=["Drama", "War"], three=["Comedy"])


def test_what_a_user_did_is_counted_just_after_and_leaves_its_windows(store: FeatureStore, engine: str) -> None:
    rows = rated((1, 1, MINUTE, 5), (1, 2, 2 * MINUTE, 3), (1, 3, 2 * DAY, 4))
    found = computed(user_activity.v1, store, engine, rows, FILMS)

    def at(instant: timedelta) -> dict[str, object]:
        return found.filter(pl.col("known_at") <= START + instant).row(-1, named=True)

    assert found["known_at"].min() == START + MINUTE + TICK
    assert (at(2 * MINUTE)["count_all"], at(2 * MINUTE + TICK)["count_all"]) == (1, 2)
    second = at(3 * MINUTE)
    assert (second["count_1d"], second["share_5_stars"], second["rating_mean_all"]) == (2, 0.5, 4.0)
    assert (second["share_drama"], second["share_war"], second["share_comedy"]) == (2 / 3, 1 / 3, 0.0)
    assert (second["liking_drama"], second["liking_war"], second["liking_comedy"]) == (1.0, 0.0, None)
    assert (second["sessions"], second["tenure_seconds"], second["films_30d"]) == (1, 60, 2)
    assert second["last_rated_at"] == START + 2 * MINUTE
    later = at(3 * DAY)
    assert (later["count_1d"], later["count_7d"], later["count_all"], later["sessions"]) == (1, 3, 3, 2)
    assert at(40 * DAY)["count_30d"] == 0


def test_both_engines_make_the_same_rows_bit_for_bit(light_store: FeatureStore) -> None:
    rows = rated(*((n % 7 + 1, n % 3 + 1, timedelta(minutes=(n * n) % 90_000), n % 5 + 1) for n in range(300)))
    found = [computed(user_activity.v1, light_store, engine, rows, FILMS) for engine in ("polars", "spark")]

    assert_frame_equal(*found, check_exact=True)


def test_shares_that_do_not_sum_to_one_are_refused(light_store: FeatureStore) -> None:
    good = computed(user_activity.v1, light_store, "polars", rated((1, 1, MINUTE, 5)), FILMS)
    for column, rule in (("share_drama", "genre_shares_sum_to_one"), ("share_5_stars", "star_shares_sum_to_one")):
        with pytest.raises(ContractViolated, match=rule):
            batch(user_activity.v1, good.with_columns(pl.lit(0.5).alias(column)), light_store)
    with pytest.raises(ContractViolated, match="nothing_is_counted_before_it_happened"):
        batch(user_activity.v1, good.with_columns(last_rated_at="known_at"), light_store)
