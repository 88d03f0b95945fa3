from __future__ import annotations

import json
import math
import statistics
from collections import Counter
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any
from zoneinfo import ZoneInfo

import narwhals as nw
import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from feature_groups.store.column_types import type_name
from feature_groups.store.contract import ContractSpec
from feature_groups.store.engines.polars import PolarsEngine
from feature_groups.store.rules import ColumnSpec
from feature_groups.store.statistics import QUANTILES, TOP, ColumnStatistics, Statistics, show

CANARY = "canary-2e8b"
NUMBERS: dict[pl.DataType, st.SearchStrategy[Any]] = {
    pl.Int8(): st.integers(-128, 127),
    pl.Int64(): st.integers(-(2**63), 2**63 - 1) | st.integers(-3, 3),
    pl.Float32(): st.floats(-1e6, 1e6, width=32),
    pl.Float64(): st.floats(-1e150, 1e150) | st.sampled_from([0.0, -0.0, 5e-324]),
    pl.Decimal(10, 2): st.integers(-(10**10) + 1, 10**10 - 1).map(lambda n: Decimal(n).scaleb(-2)),
}
TIMES: dict[pl.DataType, st.SearchStrategy[Any]] = {
    pl.Date(): st.dates(),
    pl.Datetime("us", "UTC"): st.datetimes(timezones=st.just(UTC)),
}
WORDS: dict[pl.DataType, st.SearchStrategy[Any]] = {
    pl.String(): st.sampled_from(["", "a", "b", "é", "z" * 5, "A"]) | st.text("abc", max_size=2),
    pl.Boolean(): st.booleans(),
}


def columns_of(kinds: dict[pl.DataType, st.SearchStrategy[Any]]) -> st.SearchStrategy[tuple[pl.DataType, list[Any]]]:
    return st.sampled_from(list(kinds)).flatmap(
        lambda dtype: st.tuples(st.just(dtype), st.lists(st.none() | kinds[dtype], max_size=12))
    )


def found(values: list[Any], dtype: pl.DataType, *, pii: bool = False) -> ColumnStatistics:
    spec = ContractSpec("One row.", (ColumnSpec("x", type_name(dtype), nullable=True, pii=pii),), ())
    frame = nw.from_native(pl.LazyFrame({"x": pl.Series(values, dtype=dtype, strict=True)}))
    rows, (column,) = PolarsEngine().statistics(frame, spec)
    assert rows == len(values)
    return column


def near(given: float | None, wanted: float | None, scale: float) -> bool:
    if given is None or wanted is None:
        return given is wanted
    return math.isclose(given, wanted, rel_tol=1e-9, abs_tol=max(1e-9 * scale, 1e-150))


@settings(max_examples=200, deadline=None)
@given(column=columns_of(NUMBERS))
def test_figures_of_numbers_are_those_of_plain_python(column: tuple[pl.DataType, list[Any]]) -> None:
    dtype, values = column
    real = sorted(v for v in values if v is not None)
    made = found(values, dtype)

    assert (made.count, made.nulls) == (len(real), len(values) - len(real))
    assert made.distinct == len(set(real))
    assert (made.minimum, made.maximum) == ((real[0], real[-1]) if real else (None, None))
    scale = float(max((abs(v) for v in real), default=0))
    assert near(made.mean, float(statistics.fmean(map(float, real))) if real else None, scale)
    spread = float(np.std(np.array([float(v) / (scale or 1) for v in real]), ddof=1)) * scale if len(real) > 1 else None
    assert near(made.std, spread, scale)
    assert dict(made.quantiles) == ({str(q): real[round(q * (len(real) - 1))] for q in QUANTILES} if real else {})
    assert made.approximate == ()


@settings(max_examples=100, deadline=None)
@given(column=columns_of(TIMES))
def test_figures_of_times_are_those_of_plain_python(column: tuple[pl.DataType, list[Any]]) -> None:
    dtype, values = column
    real = sorted(v for v in values if v is not None)
    made = found(values, dtype)
    assert (made.count, made.nulls, made.distinct) == (len(real), len(values) - len(real), len(set(real)))
    assert (made.minimum, made.maximum) == ((real[0], real[-1]) if real else (None, None))
    assert dict(made.quantiles) == ({str(q): real[round(q * (len(real) - 1))] for q in QUANTILES} if real else {})
    assert (made.mean, made.std) == (None, None)


@settings(max_examples=100, deadline=None)
@given(column=columns_of(WORDS))
def test_figures_of_text_and_truth_are_those_of_plain_python(column: tuple[pl.DataType, list[Any]]) -> None:
    dtype, values = column
    real = [v for v in values if v is not None]
    made = found(values, dtype)
    assert (made.count, made.nulls, made.distinct) == (len(real), len(values) - len(real), len(set(real)))
    order = sorted(real, key=lambda v: v.encode() if isinstance(v, str) else v)
    assert (made.minimum, made.maximum) == ((order[0], order[-1]) if real else (None, None))
    counts = sorted(Counter(real).items(), key=lambda item: (-item[1], str(item[0]).encode()))
    assert list(made.top) == counts[:TOP]
    if isinstance(dtype, pl.Boolean):
        assert near(made.mean, statistics.fmean(real) if real else None, 1)
        assert near(made.std, statistics.stdev(map(int, real)) if len(real) > 1 else None, 1)


@settings(max_examples=60, deadline=None)
@given(lists=st.lists(st.none() | st.lists(st.none() | st.integers(0, 3), max_size=4), max_size=8))
def test_of_lists_the_lengths_are_described(lists: list[list[int | None] | None]) -> None:
    lengths = [len(v) for v in lists if v is not None]
    made = found(lists, pl.List(pl.Int64()))
    assert (made.count, made.nulls, made.distinct, made.minimum) == (
        len(lengths),
        len(lists) - len(lengths),
        None,
        None,
    )
    assert near(made.mean, statistics.fmean(lengths) if lengths else None, 4)
    assert near(made.std, statistics.stdev(lengths) if len(lengths) > 1 else None, 4)


@pytest.mark.parametrize("dtype", [pl.Float32(), pl.Float64()])
def test_nan_counts_as_one_value_above_all_others(dtype: pl.DataType) -> None:
    made = found([math.nan, 1.0, None, -math.inf, math.nan, math.inf, 1.0], dtype)
    assert (made.count, made.nulls, made.distinct, made.minimum) == (6, 1, 4, -math.inf)
    assert math.isnan(made.maximum)
    assert made.quantiles["0.5"] == 1.0
    assert math.isnan(made.quantiles["0.99"])


def test_bytes_are_only_counted() -> None:
    made = found([b"a", None, b""], pl.Binary())
    assert made == ColumnStatistics("x", "binary", 2, 1)


def test_the_most_frequent_values_are_at_most_ten() -> None:
    made = found([f"word {i:02}" for i in range(30)] + ["word 29"], pl.String())
    assert [v for v, _ in made.top] == ["word 29", *(f"word {i:02}" for i in range(9))]


def test_figures_beyond_all_floats_are_left_out() -> None:
    made = found([1.7e308, 1.7e308], pl.Float64())
    assert (made.mean, made.std) in ((None, None), (1.7e308, 0.0), (None, 0.0), (1.7e308, None))
    assert "Infinity" not in json.dumps(Statistics("it", 2, (made,)).to_json())


EVERY_TYPE: dict[str, tuple[Any, pl.DataType]] = {
    "number": (7, pl.Int64()),
    "ratio": (0.5, pl.Float64()),
    "price": (Decimal("1.10"), pl.Decimal(10, 2)),
    "flag": (True, pl.Boolean()),
    "name": (CANARY, pl.String()),
    "raw": (CANARY.encode(), pl.Binary()),
    "day": (date(1987, 6, 5), pl.Date()),
    "at": (datetime(1987, 6, 5, 4, 3, 2, tzinfo=UTC), pl.Datetime("us", "UTC")),
    "tags": ([CANARY], pl.List(pl.String())),
}


def every_type(*, pii: bool) -> Statistics:
    specs = tuple(ColumnSpec(n, type_name(t), nullable=True, pii=pii) for n, (_, t) in EVERY_TYPE.items())
    frame = pl.DataFrame([pl.Series(n, [v, v, None], dtype=t) for n, (v, t) in EVERY_TYPE.items()])
    rows, columns = PolarsEngine().statistics(nw.from_native(frame.lazy()), ContractSpec("One row.", specs, ()))
    return Statistics("it", rows, columns, version=3)


def test_no_value_of_a_personal_column_is_shown() -> None:
    made = every_type(pii=True)
    shown = f"{made} {made!r} {made._repr_html_()} {json.dumps(made.to_json())} {[repr(c) for c in made.columns]}"
    for trace in (CANARY, "1987", "0.5", "1.1", "True"):
        assert trace not in shown.replace("'True'", "")
    assert [(c.count, c.nulls) for c in made.columns] == [(2, 1)] * len(EVERY_TYPE)
    assert [c.distinct for c in made.columns] == [1, 1, 1, 1, 1, None, 1, 1, None]


@pytest.mark.parametrize("pii", [False, True])
def test_statistics_come_back_from_json_with_the_same_figures(pii: bool) -> None:
    made = every_type(pii=pii)
    text = json.dumps(made.to_json(), allow_nan=False)
    back = Statistics.from_json(json.loads(text))
    assert back.to_json() == json.loads(text)
    assert (back.where, back.rows, back.version) == ("it", 3, 3)
    assert back["flag"].top == made["flag"].top
    assert repr(back)


@pytest.mark.parametrize("values", [[], [None, None]], ids=["empty", "all NULL"])
def test_columns_without_values_have_no_figures(values: list[None]) -> None:
    for _, dtype in EVERY_TYPE.values():
        made = found(values, dtype)
        assert (made.count, made.nulls) == (0, len(values))
        assert made.distinct in (0, None)
        assert (made.minimum, made.maximum, made.mean, made.std, dict(made.quantiles), made.top) == (
            *(None,) * 4,
            {},
            (),
        )


def test_a_column_is_found_by_its_name() -> None:
    assert every_type(pii=False)["price"].maximum == Decimal("1.10")
    with pytest.raises(KeyError):
        every_type(pii=False)["nowhere"]


def test_the_table_prints_one_line_per_column_and_marks_estimates() -> None:
    column = ColumnStatistics(
        "x", "int64", 1_000, 2, distinct=900, quantiles={"0.5": 4}, approximate=("distinct", "quantiles")
    )
    text = repr(Statistics("feature group 'ratings' v1", 1_002, (column,), version=41))
    assert text.splitlines()[0] == "feature group 'ratings' v1 at version 41: 1,002 rows (~ marks estimates)"
    assert "~900" in text
    assert "~4" in text


def test_html_escapes_values() -> None:
    made = Statistics("<it>", 1, (found(["<b>"], pl.String()),))
    assert "<b>" not in made._repr_html_().replace("<b>it", "")
    assert "&lt;b&gt;" in made._repr_html_()


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (None, ""),
        (0.1234567891, "0.123457"),
        (datetime(2026, 1, 1, 1, tzinfo=UTC), "2026-01-01 01:00:00"),
        ("x" * 31, "x" * 27 + "..."),
        (Decimal("1.10"), "1.10"),
        (7, "7"),
    ],
)
def test_a_value_is_shown_in_at_most_thirty_characters(value: Any, text: str) -> None:
    assert show(value) == text


def test_times_of_another_zone_are_shown_in_utc() -> None:
    assert show(datetime(2026, 1, 1, 1, tzinfo=ZoneInfo("Europe/Berlin"))) == "2026-01-01 00:00:00"
