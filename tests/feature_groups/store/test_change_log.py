"""Change logs against brute force: the newest row at or before an instant is the value of its window."""

from __future__ import annotations

import math
from datetime import UTC, datetime, timedelta
from typing import Any

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from feature_groups.store import Aggregation
from feature_groups.store.change_log import change_log
from feature_groups.store.errors import ContractViolated
from feature_groups.store.window_slices import ChangeLogSpec

START = datetime(2000, 1, 1, tzinfo=UTC)
TICK = timedelta(microseconds=1)
WINDOWS = (3 * TICK, 10 * TICK, None)
FUNCTIONS = ("sum", "mean", "min", "max", "std", "last", "n_unique")
AGGREGATIONS = (
    Aggregation("count", windows=WINDOWS),
    *(Aggregation(f, "x", WINDOWS) for f in FUNCTIONS),  # type: ignore[arg-type]
    Aggregation("last_n", "x", WINDOWS, n=3),
    Aggregation("sum", "y", WINDOWS),
)
SCHEMA = {"k": pl.Int64, "t": pl.Datetime("us", "UTC"), "s": pl.Int64, "x": pl.Int64, "y": pl.Float64}

Event = tuple[int, int, int, int | None, float]
events = st.lists(
    st.tuples(
        st.integers(0, 1),
        st.integers(0, 25),
        st.integers(0, 99),
        st.none() | st.integers(-3, 3),
        st.integers(0, 400).map(lambda n: n / 4),
    ),
    max_size=20,
    unique_by=lambda e: (e[0], e[1], e[2]),
)


def spec(resolution: timedelta | None = None) -> ChangeLogSpec:
    return ChangeLogSpec(("k",), "t", ("s",), AGGREGATIONS, resolution, {"y": 2}, "feature group 'x' v1")


def frame(rows: list[Event]) -> pl.DataFrame:
    data = [(k, START + t * TICK, s, x, y) for k, t, s, x, y in rows]
    return pl.DataFrame(data, schema=SCHEMA, orient="row")


def by_hand(rows: list[Event], at: int, window: timedelta | None, aggregation: Aggregation) -> Any:
    """The definition: all events with at - w <= t < at, in order of time and sequence."""
    then = [(t, s, math.inf if x is None else x, y) for _, t, s, x, y in rows]
    inside = sorted(e for e in then if e[0] < at and (window is None or e[0] >= at - window // TICK))
    column = [(x if aggregation.column == "x" else y) for _, _, x, y in inside]
    values = [v for v in column if v != math.inf]
    match aggregation.function:
        case "count":
            return len(inside)
        case "sum":
            return sum(values)
        case "mean":
            return sum(values) / len(values) if values else None
        case "min":
            return min(values, default=None)
        case "max":
            return max(values, default=None)
        case "std":
            n = len(values)
            return math.sqrt((n * sum(v * v for v in values) - sum(values) ** 2) / (n * (n - 1))) if n > 1 else None
        case "last":
            return None if not column or column[-1] == math.inf else column[-1]
        case "n_unique":
            return len(set(values))
        case _:
            return [None if v == math.inf else v for v in column[::-1][: aggregation.n]]


@settings(max_examples=60, deadline=None)
@given(rows=events)
def test_the_newest_row_at_or_before_any_instant_is_the_value_of_its_window(rows: list[Event]) -> None:
    log = change_log(frame(rows), spec())

    for key in (0, 1):
        mine, made = [r for r in rows if r[0] == key], log.filter(pl.col("k") == key)
        for at in range(0, 42, 4):
            found = made.filter(pl.col("t") <= START + at * TICK)
            if not found.height:
                assert not any(t < at for _, t, *_ in mine)
                continue
            row = found.row(-1, named=True)
            for aggregation in AGGREGATIONS:
                for window, output in zip(aggregation.windows, aggregation.outputs, strict=True):
                    assert row[output] == by_hand(mine, at, window, aggregation), output


@settings(max_examples=25, deadline=None)
@given(rows=events, seed=st.integers(0, 9))
def test_the_order_in_which_events_arrive_changes_nothing(rows: list[Event], seed: int) -> None:
    straight, shuffled = frame(rows), frame(rows).sample(fraction=1, shuffle=True, seed=seed)

    assert change_log(straight, spec()).equals(change_log(shuffled, spec()))


@settings(max_examples=25, deadline=None)
@given(rows=events)
def test_a_resolution_keeps_the_exact_value_at_its_own_instants(rows: list[Event]) -> None:
    exact, coarse = change_log(frame(rows), spec()), change_log(frame(rows), spec(5 * TICK))

    assert (coarse["t"].dt.timestamp("us") % 5 == 0).all()
    values = [c for c in exact.columns if c not in ("k", "t")]
    for row in coarse.iter_rows(named=True):
        then = exact.filter((pl.col("k") == row["k"]) & (pl.col("t") <= row["t"])).row(-1, named=True)
        assert {c: row[c] for c in values} == {c: then[c] for c in values}


def test_rows_lie_just_after_an_event_enters_and_just_after_it_leaves() -> None:
    log = change_log(frame([(0, 0, 0, 1, 0.0)]), spec())

    assert [(t - START) // TICK for t in log["t"]] == [1, 4, 11]
    assert log["count_3us"].to_list() == [1, 0, 0]
    assert log["count_all"].to_list() == [1, 1, 1]


def test_many_keys_over_long_spans_do_not_overflow_the_line_of_codes() -> None:
    far = [(k, t, 0, 1, 0.0) for k in range(300) for t in (0, 3 * 10**16)]
    log = change_log(frame(far), spec())

    assert log.height == 300 * 6
    assert log.group_by("k").agg(pl.col("count_all").max())["count_all"].eq(2).all()


@settings(max_examples=15, deadline=None)
@given(rows=events)
def test_keys_computed_a_few_at_a_time_give_what_they_give_at_once(rows: list[Event]) -> None:
    at_once = change_log(frame(rows), spec())
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("feature_groups.store.change_log._PART", 2)
        assert change_log(frame(rows), spec()).equals(at_once)


def test_floats_with_more_digits_than_declared_are_refused() -> None:
    with pytest.raises(ContractViolated, match="more than 2 decimals"):
        change_log(frame([(0, 0, 0, 1, 0.123)]), spec())


def test_sums_that_do_not_fit_64_bits_are_refused() -> None:
    with pytest.raises(ContractViolated, match="does not fit 64 bits"):
        change_log(frame([(0, 0, 0, 2**62, 0.0), (0, 1, 1, 2**62, 0.0)]), spec())
