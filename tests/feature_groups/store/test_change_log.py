"""Change logs against brute force: the newest row at or before an instant is the value of its window."""

from __future__ import annotations

from datetime import date
from decimal import Decimal
from typing import Any

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from change_logs import AGGREGATIONS, START, TICK, Event, frame, spec, wrong
from feature_groups.store import Aggregation
from feature_groups.store.change_log import change_log
from feature_groups.store.errors import ContractViolated, InvalidDeclaration

events = st.lists(
    st.tuples(
        st.integers(0, 1),
        st.integers(0, 25),
        st.integers(0, 99),
        st.none() | st.integers(-3, 3),
        st.integers(0, 400).map(lambda n: n / 4),
        st.none() | st.sampled_from(["a", "b", "ä"]),
    ),
    max_size=20,
    unique_by=lambda e: (e[0], e[1], e[2]),
)


@settings(max_examples=60, deadline=None)
@given(rows=events)
def test_the_newest_row_at_or_before_any_instant_is_the_value_of_its_window(rows: list[Event]) -> None:
    assert wrong(change_log(frame(rows), spec()), rows, range(0, 42, 4), AGGREGATIONS) == []


@settings(max_examples=25, deadline=None)
@given(rows=events, seed=st.integers(0, 9))
def test_the_order_in_which_events_arrive_changes_nothing(rows: list[Event], seed: int) -> None:
    straight, shuffled = frame(rows), frame(rows).sample(fraction=1, shuffle=True, seed=seed)

    assert change_log(straight, spec()).equals(change_log(shuffled, spec()))


@settings(max_examples=25, deadline=None)
@given(rows=events)
def test_a_resolution_keeps_the_exact_value_at_its_own_instants(rows: list[Event]) -> None:
    coarse = change_log(frame(rows), spec(5 * TICK))

    assert (coarse["t"].dt.timestamp("us") % 5 == 0).all()
    assert wrong(coarse, rows, range(0, 45, 5), AGGREGATIONS) == []


def test_rows_lie_just_after_an_event_enters_and_just_after_it_leaves() -> None:
    log = change_log(frame([(0, 0, 0, 1, 0.0, "a")]), spec())

    assert [(t - START) // TICK for t in log["t"]] == [1, 4, 11]
    assert log["count_3us"].to_list() == [1, 0, 0]
    assert log["count_all"].to_list() == [1, 1, 1]


def test_many_keys_over_long_spans_do_not_overflow_the_line_of_codes() -> None:
    far: list[Event] = [(k, t, 0, 1, 0.0, "a") for k in range(300) for t in (0, 3 * 10**16)]
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


def summing(column: str) -> tuple[Aggregation, ...]:
    return (Aggregation("sum", column), Aggregation("std", column))


REFUSED: dict[str, tuple[list[Event], str, str]] = {
    "more digits than declared": ([(0, 0, 0, 1, 0.123, "a")], "y", "more than 2 decimals"),
    "more digits in a large number": ([(0, 0, 0, 1, 12345.678, "a"), (0, 1, 0, 1, 9e9, "a")], "y", "2 decimals"),
    "a sum beyond 64 bits": ([(0, t, 0, 2**62, 0.0, "a") for t in (0, 1)], "x", "does not fit 64 bits"),
    "a square beyond 64 bits": ([(0, t, 0, 3 * 10**9, 0.0, "a") for t in (0, 1)], "x", "does not fit 64 bits"),
    "a float beyond 64 bits": ([(0, 0, 0, 1, 1e300, "a")], "y", "does not fit 64 bits"),
    "the smallest integer": ([(0, 0, 0, -(2**63), 0.0, "a")], "x", "does not fit 64 bits"),
    "no number": ([(0, 0, 0, 1, float("nan"), "a")], "y", "NaN or infinite"),
    "infinity": ([(0, 0, 0, 1, float("inf"), "a")], "y", "NaN or infinite"),
}
"""Events, the column that is summed, and why that is refused."""


@pytest.mark.parametrize("name", REFUSED)
def test_sums_that_would_not_be_exact_are_refused(name: str) -> None:
    rows, column, said = REFUSED[name]
    with pytest.raises(ContractViolated, match=said):
        change_log(frame(rows), spec(aggregations=summing(column)))


def test_a_sum_is_judged_by_its_own_key() -> None:
    large: list[Event] = [(k, 0, 0, 2**62, 0.1 + 0.2, "a") for k in range(5)]
    log = change_log(frame(large), spec(aggregations=(Aggregation("sum", "x"), Aggregation("sum", "y"))))

    assert log["x_sum_all"].to_list() == [2**62] * 5
    assert log["y_sum_all"].to_list() == [0.3] * 5


def test_extremes_that_are_no_numbers_are_refused() -> None:
    with pytest.raises(ContractViolated, match="NaN or infinite"):
        change_log(frame([(0, 0, 0, 1, float("nan"), "a")]), spec(aggregations=(Aggregation("max", "y"),)))


VALUES: dict[str, tuple[pl.DataType, list[Any]]] = {
    "text": (pl.String(), ["b", "ab", "c"]),
    "bytes": (pl.Binary(), [b"b", b"ab", b"c"]),
    "truth": (pl.Boolean(), [True, False, True]),
    "dates": (pl.Date(), [date(2000, 1, 2), date(1900, 1, 1), date(2000, 1, 3)]),
    "decimals": (pl.Decimal(10, 2), [Decimal("1.25"), Decimal("-0.5"), Decimal("2.5")]),
    "small integers": (pl.Int8(), [1, -3, 2]),
}


@pytest.mark.parametrize("name", VALUES)
def test_whatever_has_an_order_has_extremes(name: str) -> None:
    dtype, values = VALUES[name]
    rows: list[Event] = [(0, 5 * n, 0, 1, 0.0, "a") for n in range(4)]
    with_values = frame(rows).with_columns(pl.Series("v", [*values, None], dtype=dtype))
    log = change_log(
        with_values, spec(aggregations=tuple(Aggregation(f, "v", (3 * TICK, None)) for f in ("min", "max")))
    )

    assert log.schema["v_min_3us"] == dtype
    assert log["v_min_3us"].to_list() == log["v_max_3us"].to_list()
    assert log["v_min_3us"].drop_nulls().to_list() == values
    assert log.row(-1, named=True)["v_min_all"] == min(values)
    assert log.row(-1, named=True)["v_max_all"] == max(values)


UNFIT = {
    "sum of text": (Aggregation("sum", "word"), "is String, of which there is no sum"),
    "mean of instants": (Aggregation("mean", "t"), "of which there is no mean"),
    "sum of floats": (Aggregation("sum", "y"), "declare decimals"),
    "a column that is not there": (Aggregation("last", "wrod"), "Did you mean 'word'?"),
}


@pytest.mark.parametrize("name", UNFIT)
def test_columns_that_an_aggregation_cannot_take_are_refused(name: str) -> None:
    aggregation, said = UNFIT[name]
    for rows in ([], [(0, 0, 0, 1, 0.0, "a")]):
        made = spec(aggregations=(aggregation,))
        made.decimals.clear()  # type: ignore[attr-defined]  # this one has it
        with pytest.raises(InvalidDeclaration, match=said.replace("?", r"\?")):
            change_log(frame(rows), made)
