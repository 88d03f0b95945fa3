from __future__ import annotations

import time
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from fractions import Fraction
from typing import Annotated, Any
from zoneinfo import ZoneInfo

import numpy as np
import pandas as pd
import pandera.polars as pa
import polars as pl
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from feature_groups.store import UtcDatetime
from feature_groups.store.border import to_polars
from feature_groups.store.conforming import MAX_PROBLEMS, Conformed, conform
from feature_groups.store.contract import ContractSpec, contract_spec
from feature_groups.store.errors import BatchUnreadable, SchemaMismatch
from feature_groups.store.rules import ColumnSpec

NOON = datetime(2026, 1, 1, 12, tzinfo=UTC)
CANARY = "canary-55d0@example.org"

NUMBERS: dict[str, pl.DataType] = {
    "int8": pl.Int8(),
    "int16": pl.Int16(),
    "int32": pl.Int32(),
    "int64": pl.Int64(),
    "float32": pl.Float32(),
    "float64": pl.Float64(),
    "decimal(10,2)": pl.Decimal(10, 2),
}
OTHER_NUMBERS = [pl.UInt8(), pl.UInt16(), pl.UInt32(), pl.UInt64(), pl.Decimal(12, 4), pl.Int128()]
EDGES = [0, 1, -1, 127, 128, -129, 32_767, 32_768, 2**24, 2**24 + 1, 2**31 - 1, 2**31, 2**53, 2**53 + 1, 2**53 + 2]
EDGES += [2**63 - 1, -(2**63), 10**8 - 1, 10**8]


def one(kind: str, *, pii: bool = False) -> ContractSpec:
    """A contract of one nullable column ``x``."""
    return ContractSpec("One row per thing.", (ColumnSpec("x", kind, nullable=True, pii=pii),), ())


def conformed(values: list[Any], dtype: pl.DataType, kind: str) -> Conformed:
    return conform(pl.DataFrame({"x": pl.Series(values, dtype=dtype, strict=True)}), one(kind), "it")


def values_of(dtype: pl.DataType) -> st.SearchStrategy[Any]:
    if isinstance(dtype, pl.Float32):
        return st.floats(width=32) | st.sampled_from([float(e) for e in EDGES if float(np.float32(e)) == e])
    if dtype.is_float():
        return st.floats() | st.sampled_from([float(e) for e in EDGES]) | st.sampled_from([0.1, 0.5, 1.25, -0.0])
    if isinstance(dtype, pl.Decimal):
        digits = dtype.scale
        return st.integers(-(10**dtype.precision) + 1, 10**dtype.precision - 1).map(
            lambda n: Decimal(n).scaleb(-digits)
        )
    low, high = (int(x) for x in pl.select(a=dtype.min(), b=dtype.max()).row(0))
    return st.integers(low, high) | st.sampled_from([e for e in EDGES if low <= e <= high])


@st.composite
def number_columns(draw: st.DrawFn) -> tuple[list[Any], pl.DataType, str]:
    dtype = draw(st.sampled_from([*NUMBERS.values(), *OTHER_NUMBERS]))
    return draw(st.lists(st.none() | values_of(dtype), max_size=4)), dtype, draw(st.sampled_from(sorted(NUMBERS)))


def fits(value: Any, given: pl.DataType, wanted: pl.DataType) -> bool:
    """Whether one number is exactly a number of the wanted type, in plain arithmetic."""
    if value is None:
        return True
    if given.is_float() and not abs(value) < float("inf"):
        return wanted.is_float()
    exact = Fraction(value)
    if wanted.is_float():
        width: Any = np.float32 if isinstance(wanted, pl.Float32) else float
        return (
            abs(exact) < Fraction(2) ** (128 if width is np.float32 else 1024)
            and Fraction(float(width(float(exact)))) == exact
        )
    if isinstance(wanted, pl.Decimal):
        return not given.is_float() and (exact * 100).denominator == 1 and abs(exact * 100) < 10**10
    low, high = (int(x) for x in pl.select(a=wanted.min(), b=wanted.max()).row(0))
    return exact.denominator == 1 and low <= exact <= high and not (given.is_float() and abs(exact) > 2**53)


@settings(max_examples=400, deadline=None)
@given(case=number_columns())
def test_numbers_are_kept_exactly_or_refused_and_never_refused_without_need(
    case: tuple[list[Any], pl.DataType, str],
) -> None:
    values, dtype, kind = case
    wanted = NUMBERS[kind]
    decimals_as_floats = isinstance(dtype, pl.Decimal) and wanted.is_float()
    whole_column = not (isinstance(wanted, pl.Decimal) and dtype.is_float())
    try:
        made = conformed(values, dtype, kind)
    except SchemaMismatch:
        assert decimals_as_floats or not whole_column or not all(fits(v, dtype, wanted) for v in values)
        return
    stored = made.frame["x"]
    assert stored.dtype == wanted
    for before, after in zip(values, stored.to_list(), strict=True):
        assert (before is None) == (after is None)
        if before is not None and before == before:
            assert round(Decimal(after), dtype.scale) == before if decimals_as_floats else after == before
    if dtype == wanted:
        assert made.casts == {}
    else:
        assert list(made.casts.values()) == [sum(v is not None for v in values)]


@settings(max_examples=150, deadline=None)
@given(
    text=st.from_regex(r"[ +-]?0{0,2}\d{1,20}(\.\d{0,3})?([eE][+-]?\d)?", fullmatch=True) | st.text(max_size=4),
    kind=st.sampled_from(sorted(NUMBERS)),
)
def test_text_is_a_number_only_when_the_number_is_written_back_as_that_text(text: str, kind: str) -> None:
    try:
        made = conformed([text], pl.String(), kind).frame["x"]
    except SchemaMismatch:
        return
    assert made.cast(pl.String).to_list() == [text]


ZONES = ["Europe/Berlin", "America/New_York", "Australia/Lord_Howe", "America/Sao_Paulo", "Africa/Casablanca"]
ZONES += ["Asia/Tehran", "Asia/Kathmandu", "Pacific/Apia", "America/St_Johns", "Antarctica/Troll"]


@pytest.mark.parametrize("zone", ZONES)
def test_every_change_of_the_clocks_from_2000_to_2037_keeps_its_instants(zone: str) -> None:
    start, half_hours = datetime(2000, 1, 1, tzinfo=UTC), 2 * 24 * 365 * 38
    offsets = [
        (start + timedelta(minutes=30 * i)).astimezone(ZoneInfo(zone)).utcoffset() for i in range(0, half_hours, 2)
    ]
    changes = [i for i in range(1, len(offsets)) if offsets[i] != offsets[i - 1]]
    instants = [start + timedelta(hours=i, minutes=m) for i in changes for m in range(-150, 151, 15)]
    instants = instants or [start]
    local = pl.Series(instants, dtype=pl.Datetime("us", zone))
    assert conform(local.to_frame("x"), one("timestamp"), "it").frame["x"].to_list() == instants
    python = [{"x": i.astimezone(ZoneInfo(zone))} for i in instants]
    assert conform(to_polars(python, "it"), one("timestamp"), "it").frame["x"].to_list() == instants
    with pytest.raises(SchemaMismatch, match="naive"):
        conform(local.dt.replace_time_zone(None).to_frame("x"), one("timestamp"), "it")


@settings(max_examples=150, deadline=None)
@given(
    values=st.lists(st.none() | st.integers(-(2**62), 2**62), max_size=4),
    unit=st.sampled_from(["ms", "us", "ns"]),
    zone=st.sampled_from(["UTC", "Asia/Kathmandu", "America/New_York"]),
)
def test_instants_are_kept_to_the_microsecond_or_refused(values: list[int | None], unit: Any, zone: str) -> None:
    given_times = pl.Series("x", values, dtype=pl.Int64).cast(pl.Datetime(unit, zone))
    in_microseconds = {"ms": Fraction(1000), "us": Fraction(1), "ns": Fraction(1, 1000)}[unit]
    exact = [None if v is None else v * in_microseconds for v in values]
    fit = all(e is None or (e.denominator == 1 and abs(e) < 2**63) for e in exact)
    try:
        made = conform(given_times.to_frame(), one("timestamp"), "it")
    except SchemaMismatch:
        assert not fit
        return
    assert fit
    assert made.frame["x"].cast(pl.Int64).to_list() == exact


KINDS = ["int64", "float64", "bool", "string", "binary", "date", "timestamp", "list<int64>", "decimal(10,2)"]
EXAMPLES: dict[str, tuple[Any, pl.DataType]] = {
    "int64": (1, pl.Int64()),
    "float64": (1.0, pl.Float64()),
    "bool": (True, pl.Boolean()),
    "string": ("a", pl.String()),
    "binary": (b"a", pl.Binary()),
    "date": (date(2026, 1, 1), pl.Date()),
    "timestamp": (NOON, pl.Datetime("us", "UTC")),
    "list<int64>": ([1], pl.List(pl.Int64())),
    "decimal(10,2)": (Decimal("1.00"), pl.Decimal(10, 2)),
    "naive": (NOON.replace(tzinfo=None), pl.Datetime("us")),
    "duration": (timedelta(1), pl.Duration("us")),
    "struct": ({"a": 1}, pl.Struct({"a": pl.Int64()})),
    "category": ("1", pl.Categorical()),
}
ACROSS = {("int64", "float64"), ("float64", "int64"), ("int64", "decimal(10,2)"), ("decimal(10,2)", "int64")}
ACROSS |= {("decimal(10,2)", "float64"), ("category", "string")}


@pytest.mark.parametrize("given_kind", EXAMPLES)
@pytest.mark.parametrize("kind", KINDS)
def test_kinds_of_values_are_not_mixed(given_kind: str, kind: str) -> None:
    value, dtype = EXAMPLES[given_kind]
    lists = pl.List(dtype)
    if given_kind == kind or (given_kind, kind) in ACROSS:
        assert conformed([value, None], dtype, kind).frame.height == 2
        if not kind.startswith("list"):
            assert conformed([[value, None], None], lists, f"list<{kind}>").frame.height == 2
        return
    with pytest.raises(SchemaMismatch, match="the contract says"):
        conformed([value, None], dtype, kind)
    if not kind.startswith("list"):
        with pytest.raises(SchemaMismatch, match="the contract says"):
            conformed([[value, None], None], lists, f"list<{kind}>")


class Contract(pa.DataFrameModel):
    """One row per user and instant."""

    user_id: int
    at: UtcDatetime
    rating: pl.Float32 = pa.Field(nullable=True)
    price: Annotated[pl.Decimal, 10, 2]
    note: str | None = pa.Field(nullable=True)


SPEC = contract_spec(Contract, "it")
GOOD = pl.DataFrame({"user_id": [1], "at": [NOON], "rating": [0.5], "price": [Decimal("1.00")]}).cast(
    {c: t for c, t in SPEC.polars_schema.items() if c != "note"}
)

DRIFTS = {
    "a column came": (GOOD.with_columns(ratng=pl.lit(1)), "'ratng' is not in the contract. There is: note."),
    "a column went": (GOOD.drop("rating"), "'rating' (float32) is missing. There is none."),
    "a column was renamed": (
        GOOD.rename({"rating": "ratings"}),
        "'rating' (float32) is missing. Did you mean 'ratings'?",
    ),
    "a column changed its case": (GOOD.rename({"rating": "Rating"}), "Did you mean 'Rating'?"),
    "a number became text": (GOOD.with_columns(rating=pl.lit("five")), "1 of 1 values would change, e.g. 'five'"),
    "a number became a flag": (GOOD.with_columns(rating=pl.lit(True)), "truth values and others are not mixed"),
    "a number got more digits": (GOOD.with_columns(rating=pl.lit(0.1)), "1 of 1 values would change, e.g. 0.1"),
    "an id became a float": (GOOD.with_columns(user_id=pl.lit(2.0**53 + 2)), "would change, e.g. 9007199254740994.0"),
    "a price became a float": (GOOD.with_columns(price=pl.lit(1.0)), "floats are not exact decimals"),
    "a time lost its zone": (GOOD.with_columns(pl.col("at").dt.replace_time_zone(None)), ".dt.replace_time_zone"),
    "a time became a number": (GOOD.with_columns(pl.col("at").dt.epoch("s")), "pl.from_epoch"),
    "a time became text": (GOOD.with_columns(pl.col("at").cast(pl.String)), "for text parse with the zone"),
    "a value became a list": (GOOD.with_columns(rating=pl.lit([0.5])), "lists and single values are not mixed"),
    "a value became a record": (GOOD.with_columns(rating=pl.struct("user_id")), "clean the column first"),
}


@pytest.mark.parametrize("name", DRIFTS)
def test_a_schema_that_drifted_is_refused_with_the_difference(name: str) -> None:
    frame, said = DRIFTS[name]
    with pytest.raises(SchemaMismatch) as refused:
        conform(frame, SPEC, "it")
    assert said in refused.value.what


def test_the_order_of_columns_does_not_matter_and_an_optional_column_is_filled() -> None:
    made = conform(GOOD.select("price", "rating", "at", "user_id"), SPEC, "it")
    assert made.frame.columns == SPEC.names
    assert dict(made.frame.schema) == dict(SPEC.polars_schema)
    assert made.frame["note"].to_list() == [None]


def test_all_problems_are_reported_at_once() -> None:
    frame = GOOD.drop("price").with_columns(
        extra=pl.lit(1), user_id=pl.lit(1.5), rating=pl.lit("x"), at=pl.lit(NOON.replace(tzinfo=None))
    )
    with pytest.raises(SchemaMismatch) as refused:
        conform(frame, SPEC, "it")
    lines = refused.value.what.splitlines()
    assert lines[0] == "5 columns differ from the contract:"
    assert [line.split("'")[1] for line in lines[1:]] == ["price", "extra", "user_id", "at", "rating"]


@pytest.mark.timeout(60)
def test_a_frame_of_quite_another_kind_is_refused_briefly_and_soon() -> None:
    columns = tuple(ColumnSpec(f"wanted_{i:04}", "int64") for i in range(2000))
    frame = pl.DataFrame({f"given_{i:05}" * 20: [1] for i in range(5000)})
    started = time.monotonic()
    with pytest.raises(SchemaMismatch) as refused:
        conform(frame, ContractSpec("One row.", columns, ()), "it")
    assert time.monotonic() - started < 10
    assert len(refused.value.what.splitlines()) == MAX_PROBLEMS + 2
    assert "... and 6,980 more." in refused.value.what
    assert len(str(refused.value)) < 20_000


def test_casts_are_counted_by_column_and_types() -> None:
    frame = GOOD.with_columns(user_id=pl.lit(1, dtype=pl.UInt8), note=pl.lit(None))
    assert dict(conform(frame, SPEC, "it").casts) == {"user_id: UInt8 -> int64": 1, "note: Null -> string": 0}


def test_values_that_would_change_are_shown_unless_they_are_personal() -> None:
    frame = pl.DataFrame({"x": [CANARY, "1"]})
    with pytest.raises(SchemaMismatch, match=r"1 of 2 values would change, e.g. 'canary"):
        conform(frame, one("int64"), "it")
    with pytest.raises(SchemaMismatch, match=r"1 of 2 values would change\n") as refused:
        conform(frame, one("int64", pii=True), "it")
    assert "canary" not in str(refused.value)


def test_a_time_that_cannot_be_shown_is_refused_without_showing_it() -> None:
    far = pl.Series("x", [2**62], dtype=pl.Int64).cast(pl.Datetime("ms", "UTC"))
    with pytest.raises(SchemaMismatch, match=r"1 of 1 values would change\n"):
        conform(far.to_frame(), one("timestamp"), "it")


def test_a_plan_over_personal_data_that_fails_is_not_quoted() -> None:
    plan = pl.LazyFrame({"x": [CANARY]}).select(pl.col("x").cast(pl.Int64))
    with pytest.raises(BatchUnreadable, match="canary"):
        to_polars(plan, "it")
    with pytest.raises(BatchUnreadable, match="not quoted") as refused:
        to_polars(plan, "it", private=True)
    assert refused.value.__suppress_context__
    assert "canary" not in str(refused.value)


def test_an_error_from_inside_a_plan_is_one_readable_error() -> None:
    def fail(batch: pl.DataFrame) -> pl.DataFrame:
        raise RuntimeError

    with pytest.raises(BatchUnreadable):
        to_polars(pl.LazyFrame({"x": [1]}).map_batches(fail), "it")


plain = st.sampled_from([0, 1, -1, 2**53 + 1, 2**63, 2**70, True, False, 0.5, 1.0, -0.0, 1e300, "a", "1", "", b"a"])
values = plain | st.sampled_from([NOON, NOON.replace(tzinfo=None), NOON.astimezone(ZoneInfo("Asia/Kathmandu"))])
values |= st.sampled_from(
    [date(2026, 1, 1), Decimal("1.10"), Decimal("1e-20"), Decimal("1e30"), timedelta(1), "\ud800"]
)
nested = values | st.lists(st.none() | values, max_size=3)


def same(before: Any, after: Any) -> bool:
    """Whether a value came over as it was: equal, and of its kind; an integer may come as a float."""
    if isinstance(before, list) and isinstance(after, list):
        return len(before) == len(after) and all(same(b, a) for b, a in zip(before, after, strict=True))
    if isinstance(before, bool) or isinstance(after, bool) or before is None:
        return before is after
    if isinstance(before, datetime) and isinstance(after, datetime):
        return (before.tzinfo is None) == (after.tzinfo is None) and before == after
    kinds = {type(before), type(after)}
    return (len(kinds) == 1 or kinds == {int, float}) and before == after


@settings(max_examples=200, deadline=None)
@given(column=st.lists(st.none() | nested, min_size=1, max_size=4))
@example(column=[NOON, NOON.replace(tzinfo=None)])
@example(column=[1, True])
@example(column=[1.5, 2**53 + 1])
@example(column=[[1.5], [2**53 + 1]])
@example(column=[Decimal("1e-20"), Decimal("1e30")])
@example(column=[[Decimal("1e-20"), Decimal("1e30")]])
def test_python_values_come_over_as_they_are_or_as_objects_that_are_refused(column: list[Any]) -> None:
    frames = {
        "dicts": [{"x": v} for v in column],
        "columns": {"x": column},
        "pandas": pd.DataFrame({"x": pd.Series(column, dtype=object)}),
    }
    for kind, data in frames.items():
        made = to_polars(data, "it")["x"]
        if made.dtype != pl.Object:
            assert all(same(b, a) for b, a in zip(column, made.to_list(), strict=True)), (kind, made)
        else:
            with pytest.raises(SchemaMismatch, match="clean the column first"):
                conform(made.to_frame(), one("int64"), "it")


def test_columns_of_one_kind_do_not_become_objects() -> None:
    for column in ([1, None, 2], [0.5, 1], ["a", None], [b"a"], [True, None], [NOON], [date(2026, 1, 1)]):
        assert to_polars([{"x": v} for v in column], "it")["x"].dtype != pl.Object
        assert to_polars(pd.DataFrame({"x": pd.Series(column, dtype=object)}), "it")["x"].dtype != pl.Object
    for lists in ([[1], None, []], [[1, 2.5], [None]], [["a"]]):
        assert to_polars({"x": lists}, "it")["x"].dtype.is_nested()


def test_the_index_of_a_pandas_frame_is_no_column() -> None:
    frame = pd.DataFrame({"x": [1, 2]}, index=pd.Index([7, 8], name="user_id"))
    assert to_polars(frame, "it").columns == ["x"]
