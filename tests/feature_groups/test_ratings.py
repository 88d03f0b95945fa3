from __future__ import annotations

from datetime import UTC, datetime

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from example import batch, made
from feature_groups import ratings
from feature_groups.store import FeatureStore
from feature_groups.store.errors import ContractViolated

SECOND = 978_300_760
"""2000-12-31 22:12:40 UTC."""

RAW = {"user_id": 1, "movie_id": 10, "rating": 5, "timestamp": SECOND, "source_row_id": 0}
SCHEMA = dict.fromkeys(RAW, pl.Int64())


def raw(*rows: dict[str, int]) -> pl.DataFrame:
    """Raw rows in file order, each like `RAW` but for what it names."""
    return pl.DataFrame([RAW | {"source_row_id": n} | row for n, row in enumerate(rows)], schema=SCHEMA)


def stored(store: FeatureStore, *rows: dict[str, int]) -> pl.DataFrame:
    """What an insert of the transformed rows would write; users 1 and 2 and films 10 to 12 exist."""
    made_rows = made(ratings.v1, raw(*rows), store)
    checked = batch(ratings.v1, made_rows, store, user_id=[1, 2], movie_id=[10, 11, 12])
    return store.shop.polars.collect(checked.rows.frame).sort("source_row_id")


@pytest.mark.parametrize("rows", [[{}, {"movie_id": 11}, {}, {"rating": 4}]])
def test_rows_are_the_same_on_every_engine(rows: list[dict[str, int]], store: FeatureStore, engine: str) -> None:
    found = made(ratings.v1, raw(*rows), store, engine).sort("movie_id", "rating", "source_row_id")

    assert found.rows() == [
        (1, 10, datetime(2000, 12, 31, 22, 12, 40, tzinfo=UTC), 4, 3),
        (1, 10, datetime(2000, 12, 31, 22, 12, 40, tzinfo=UTC), 5, 0),
        (1, 10, datetime(2000, 12, 31, 22, 12, 40, tzinfo=UTC), 5, 0),
        (1, 11, datetime(2000, 12, 31, 22, 12, 40, tzinfo=UTC), 5, 1),
    ]


def test_ratings_of_one_second_keep_the_order_in_which_they_were_given(light_store: FeatureStore) -> None:
    rows = stored(light_store, {"movie_id": 12}, {"movie_id": 10}, {"movie_id": 11})

    assert rows["movie_id"].to_list() == [12, 10, 11]


def test_a_row_that_is_sent_again_stays_where_it_was(light_store: FeatureStore) -> None:
    once = stored(light_store, {"movie_id": 12}, {"movie_id": 10})
    again = stored(light_store, {"movie_id": 12}, {"movie_id": 10}, {"movie_id": 12})

    assert again.equals(once)


def test_a_correction_of_the_same_second_replaces_the_rating(light_store: FeatureStore) -> None:
    rows = stored(light_store, {"rating": 2}, {"rating": 4})

    assert rows.select("rating", "source_row_id").rows() == [(4, 1)]


def test_a_film_may_be_rated_again_later(light_store: FeatureStore) -> None:
    assert stored(light_store, {}, {"timestamp": SECOND + 1, "rating": 1})["rating"].to_list() == [5, 1]


@pytest.mark.parametrize(
    ("row", "broken"),
    [
        ({"timestamp": SECOND * 1_000}, "rated_at"),
        ({"timestamp": SECOND // 1_000}, "rated_at"),
        ({"rating": 0}, "rating in_range(1, 5"),
        ({"rating": 6}, "rating in_range(1, 5"),
        ({"movie_id": 13}, "movie_id exists in movies.v1"),
        ({"user_id": 3}, "user_id exists in users.v1"),
        ({"user_id": 0}, "user_id greater_than_or_equal_to(1)"),
    ],
)
def test_rows_that_cannot_be_true_are_refused(row: dict[str, int], broken: str, light_store: FeatureStore) -> None:
    with pytest.raises(ContractViolated) as caught:
        stored(light_store, {}, row, {"movie_id": 11})

    assert "1 of 3 rows" in caught.value.what
    assert f"rows break {broken}" in caught.value.what


few = st.fixed_dictionaries(
    {
        "user_id": st.integers(1, 2),
        "movie_id": st.integers(10, 11),
        "rating": st.integers(1, 3),
        "timestamp": st.integers(SECOND, SECOND + 1),
    }
)


@given(rows=st.lists(few, min_size=1, max_size=12), more=st.lists(few, max_size=4))
def test_what_was_known_before_a_delivery_grew_is_only_ever_corrected(
    rows: list[dict[str, int]], more: list[dict[str, int]]
) -> None:
    """Against a plain oracle: by user, film and second the newest stars, at the place they were first seen."""
    import narwhals as nw

    def table(given_rows: list[dict[str, int]]) -> dict[tuple[int, ...], tuple[int, int]]:
        frame = ratings.transform(nw.from_native(raw(*given_rows).lazy())).to_native().collect()
        last = frame.sort("source_row_id").unique(["user_id", "movie_id", "rated_at"], keep="last")
        return {
            (user, film, int(when.timestamp())): (stars, place)
            for user, film, when, stars, place in last.select(
                "user_id", "movie_id", "rated_at", "rating", "source_row_id"
            ).rows()
        }

    def oracle(given_rows: list[dict[str, int]]) -> dict[tuple[int, ...], tuple[int, int]]:
        first: dict[tuple[int, ...], int] = {}
        for place, row in enumerate(given_rows):
            first.setdefault((row["user_id"], row["movie_id"], row["timestamp"], row["rating"]), place)
        newest: dict[tuple[int, ...], tuple[int, int]] = {}
        for (*key, stars), place in first.items():
            newest[tuple(key)] = (stars, place)
        return newest

    before, after = table(rows), table(rows + more)
    assert before == oracle(rows)
    assert after == oracle(rows + more)
    touched = {(row["user_id"], row["movie_id"], row["timestamp"]) for row in more}
    assert {key: after[key] for key in before if key not in touched} == {
        key: value for key, value in before.items() if key not in touched
    }
