from __future__ import annotations

from datetime import UTC, datetime, timedelta
from math import log2

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from models.outcomes import quality, with_outcomes
from models.prediction_log import prediction_id

START = datetime(2001, 1, 1, tzinfo=UTC)
DAY = timedelta(days=1)
WITHIN = 3 * DAY


def predicted(*rows: tuple[int, int, list[int]], release: str = "a") -> pl.DataFrame:
    """(user, day, films) as predictions of a release."""
    return pl.DataFrame(
        [(prediction_id(release, u, START + d * DAY), START + d * DAY, u, release, "adults", m) for u, d, m in rows],
        schema={
            "prediction_id": pl.String,
            "asked_at": pl.Datetime("us", "UTC"),
            "user_id": pl.Int64,
            "release": pl.String,
            "route": pl.String,
            "movies": pl.List(pl.Int64),
        },
        orient="row",
    )


def rated(*rows: tuple[int, int, float, int]) -> pl.DataFrame:
    """(user, film, day, stars) as ratings."""
    return pl.DataFrame(
        [(u, m, START + d * DAY, s) for u, m, d, s in rows],
        schema={"user_id": pl.Int64, "movie_id": pl.Int64, "rated_at": pl.Datetime("us", "UTC"), "rating": pl.Int64},
        orient="row",
    )


def test_what_is_liked_later_is_credited_to_the_newest_prediction_before_it() -> None:
    asked = predicted((1, 0, [10, 11]), (1, 2, [12]), (2, 0, [10]))
    found = with_outcomes(asked, rated((1, 11, 0, 5), (1, 12, 1.5, 4), (1, 12, 2, 4), (1, 10, 0.5, 3)), WITHIN)
    liked = {(row["user_id"], row["asked_at"]): row["liked"] for row in found.rows(named=True)}
    assert liked == {(1, START): [11, 12], (1, START + 2 * DAY): [12], (2, START): []}
    first = found.filter((pl.col("user_id") == 1) & (pl.col("asked_at") == START))
    assert first["hit"].to_list() == [True]
    assert first["ndcg"].item() == pytest.approx((1 / log2(3)) / (1 + 1 / log2(3)))
    assert found.filter(pl.col("user_id") == 2)["ndcg"].to_list() == [None]


def test_what_came_before_or_too_late_belongs_to_no_prediction() -> None:
    found = with_outcomes(predicted((1, 0, [10])), rated((1, 10, -1, 5), (1, 10, 3, 5)), WITHIN)
    assert found["liked"].to_list() == [[]]
    assert with_outcomes(predicted((1, 0, [10])), rated((1, 10, 2.9, 5)), WITHIN)["liked"].to_list() == [[10]]


def test_two_releases_asked_at_one_instant_are_judged_on_the_same() -> None:
    asked = pl.concat([predicted((1, 0, [10])), predicted((1, 0, [11]), release="b")])
    found = quality(with_outcomes(asked, rated((1, 10, 1, 5)), WITHIN))
    assert {row["release"]: (row["judged"], row["hit_rate"], row["ndcg"]) for row in found.rows(named=True)} == {
        "a": (1, 1.0, 1.0),
        "b": (1, 0.0, 0.0),
    }


def test_nothing_predicted_or_nothing_liked_is_no_error() -> None:
    none = with_outcomes(predicted(), rated((1, 10, 1, 5)), WITHIN)
    assert none.is_empty()
    assert quality(none).is_empty()
    unjudged = quality(with_outcomes(predicted((1, 0, [])), rated(), WITHIN)).row(0, named=True)
    assert (unjudged["predictions"], unjudged["judged"], unjudged["ndcg"]) == (1, 0, None)


@given(
    asked=st.lists(st.tuples(st.integers(1, 2), st.integers(0, 9)), unique=True, max_size=8),
    later=st.lists(
        st.tuples(st.integers(1, 2), st.integers(1, 4), st.integers(-1, 12), st.integers(3, 5)), max_size=12
    ),
)
def test_every_liked_film_belongs_to_one_prediction_as_plain_python_says(
    asked: list[tuple[int, int]], later: list[tuple[int, int, int, int]]
) -> None:
    found = with_outcomes(predicted(*((u, d, [1, 2]) for u, d in asked)), rated(*later), WITHIN)
    for row in found.rows(named=True):
        day = (row["asked_at"] - START).days
        following = min((d for u, d in asked if u == row["user_id"] and d > day), default=99)
        until = min(following, day + WITHIN.days)
        liked = {m for u, m, d, s in later if u == row["user_id"] and s >= 4 and day <= d < until}
        assert row["liked"] == sorted(liked)
        assert row["hit"] == (bool(liked & {1, 2}) if liked else None)


def test_a_prediction_is_named_by_release_user_and_instant() -> None:
    same = prediction_id("a", 1, START)
    assert prediction_id("a", 1, START.astimezone(UTC)) == same
    others = {prediction_id("b", 1, START), prediction_id("a", 2, START), prediction_id("a", 1, START + DAY)}
    assert len(others | {same}) == 4
