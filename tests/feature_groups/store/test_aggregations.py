from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from feature_groups.store import Aggregation
from feature_groups.store.aggregations import FUNCTIONS, window_label
from feature_groups.store.errors import InvalidDeclaration

DAY = timedelta(days=1)


def test_an_aggregation_names_one_column_per_window() -> None:
    made = Aggregation("mean", "rating", windows=[DAY, timedelta(hours=36), timedelta(minutes=90), None])
    assert made.name == "rating_mean"
    assert made.outputs == ["rating_mean_1d", "rating_mean_36h", "rating_mean_90m", "rating_mean_all"]
    assert made.windows == (DAY, timedelta(hours=36), timedelta(minutes=90), None)


def test_counts_take_no_column_and_any_aggregation_a_name_of_its_own() -> None:
    assert Aggregation("count").outputs == ["count_all"]
    assert Aggregation("count", windows=[DAY], name="activity").outputs == ["activity_1d"]
    assert Aggregation("last_n", "movie_id", n=5).outputs == ["movie_id_last_n_all"]


@pytest.mark.parametrize(
    ("window", "label"),
    [
        (None, "all"),
        (timedelta(days=30), "30d"),
        (timedelta(hours=24), "1d"),
        (timedelta(hours=12), "12h"),
        (timedelta(minutes=5), "5m"),
        (timedelta(seconds=10), "10s"),
        (timedelta(microseconds=250), "250us"),
        (timedelta(seconds=1, microseconds=1), "1000001us"),
    ],
)
def test_a_window_is_named_by_its_largest_whole_unit(window: timedelta | None, label: str) -> None:
    assert window_label(window) == label


@given(windows=st.lists(st.timedeltas(timedelta(microseconds=1), timedelta(days=4000)), unique=True, max_size=20))
def test_different_windows_have_different_names(windows: list[timedelta]) -> None:
    assert len({window_label(w) for w in windows}) == len(windows)


def test_only_what_adds_values_up_needs_decimals() -> None:
    needing = {
        f
        for f in FUNCTIONS
        if Aggregation(f, None if f == "count" else "x", n=1 if f == "last_n" else None).needs_decimals
    }
    assert needing == {"sum", "mean", "std"}


def test_the_declaration_as_json_has_windows_in_microseconds() -> None:
    made = Aggregation("last_n", "movie_id", windows=[timedelta(seconds=1), None], n=3)
    assert made.to_json() == {
        "function": "last_n",
        "column": "movie_id",
        "windows": [1_000_000, None],
        "name": "movie_id_last_n",
        "n": 3,
    }


def test_equal_declarations_are_equal_values() -> None:
    assert Aggregation("sum", "x", windows=[DAY]) == Aggregation("sum", "x", windows=(DAY,))
    assert hash(Aggregation("sum", "x", windows=[DAY])) == hash(Aggregation("sum", "x", windows=(DAY,)))


REFUSED: dict[str, tuple[dict[str, Any], str]] = {
    "an unknown function": ({"function": "avg", "column": "x"}, "There is no such function"),
    "a misspelt function": ({"function": "cuont"}, "Did you mean 'count'?"),
    "a function that is no text": ({"function": 5}, "There is no such function"),
    "count of a column": ({"function": "count", "column": "x"}, "count takes no column"),
    "sum of nothing": ({"function": "sum"}, "every other function takes one"),
    "last_n without n": ({"function": "last_n", "column": "x"}, "last_n takes n="),
    "n for sum": ({"function": "sum", "column": "x", "n": 3}, "no other function does"),
    "n of nothing": ({"function": "last_n", "column": "x", "n": 0}, "n is 0"),
    "n too large": ({"function": "last_n", "column": "x", "n": 1001}, "n is 1001"),
    "n as text": ({"function": "last_n", "column": "x", "n": "3"}, "n is '3'"),
    "n as truth": ({"function": "last_n", "column": "x", "n": True}, "n is True"),
    "n as float": ({"function": "last_n", "column": "x", "n": 2.0}, "n is 2.0"),
    "no windows": ({"function": "count", "windows": []}, "Windows are missing"),
    "one window twice": ({"function": "count", "windows": [DAY, timedelta(hours=24)]}, "repeated"),
    "a window of nothing": ({"function": "count", "windows": [timedelta(0)]}, "is no window"),
    "a window backwards": ({"function": "count", "windows": [-DAY]}, "is no window"),
    "a window as a number": ({"function": "count", "windows": [7]}, "is no window"),
    "a window as a list": ({"function": "count", "windows": [[DAY]]}, "is no window"),
    "a bare window": ({"function": "count", "windows": DAY}, "no list"),
    "windows as text": ({"function": "count", "windows": "7d"}, "no list"),
    "a name that is no name": ({"function": "count", "name": "Count!"}, "does not match"),
    "a name too long with its window": ({"function": "count", "name": "c" * 62, "windows": [DAY]}, "does not match"),
    "a column that is no name": ({"function": "sum", "column": "a b"}, "does not match"),
    "a column that is no text": ({"function": "sum", "column": 5}, "does not match"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_an_aggregation_that_cannot_be_meant_is_refused(name: str) -> None:
    keywords, said = REFUSED[name]
    with pytest.raises(InvalidDeclaration) as refused:
        Aggregation(**keywords)
    assert said in refused.value.what
    assert refused.value.next_step
