"""Good, odd and bad inputs, each with the one verdict that every form of frame and every engine must reach.

An item makes a Polars frame for `GROUP`; `forms(item)` gives the same rows as every kind of frame that can hold
them. `item.verdict` is ``equal`` (stored as given), ``normalised`` (stored as `item.expected()`) or the code of the
error. `item.spark` is the same for a Spark frame of the rows, whose values are not scanned, so that only widening
casts are made; it is None where Spark has no such type. Every row carries the personal value `CANARY`, which no
message may show.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from functools import partial
from typing import Annotated, Any
from zoneinfo import ZoneInfo

import numpy as np
import pandas as pd
import pandera.polars as pa
import polars as pl

from feature_groups.store import FeatureGroup, UtcDatetime

CANARY = "canary-7f3a@example.org"
EQUAL, NORMALISED = "equal", "normalised"
FORMS = ("polars", "lazy", "pandas", "arrow")
BERLIN = ZoneInfo("Europe/Berlin")
NOON = datetime(2026, 1, 1, 12, tzinfo=UTC)


class Contract(pa.DataFrameModel):
    """One row per user and instant."""

    user_id: int
    at: UtcDatetime
    email: str = pa.Field(metadata={"pii": True})
    count: int = pa.Field(nullable=True)
    small: pl.Int32 = pa.Field(nullable=True)
    ratio: float = pa.Field(nullable=True)
    name: str = pa.Field(nullable=True)
    price: Annotated[pl.Decimal, 10, 2] = pa.Field(nullable=True)
    day: date = pa.Field(nullable=True)
    flag: bool = pa.Field(nullable=True)
    blob: pl.Binary = pa.Field(nullable=True)
    tags: pl.List(pl.String) = pa.Field(nullable=True)
    scores: pl.List(pl.Float32) = pa.Field(nullable=True)
    ids: pl.List(pl.Int64) = pa.Field(nullable=True)
    note: str | None = pa.Field(nullable=True)


GROUP = FeatureGroup(
    name="odd_inputs",
    version=1,
    description="Rows of every kind.",
    primary_key=["user_id"],
    event_time="at",
    contract=Contract,
)
SCHEMA = GROUP.spec.polars_schema


@dataclass(frozen=True)
class Item:
    """One input and its verdict.

    Attributes:
        name: What it is, for test ids.
        frame: Makes the Polars form.
        verdict: ``equal``, ``normalised`` or the code of the error.
        expected: Makes the rows that are stored, when they are not those of `frame`.
        spark: The verdict on a Spark frame of the same rows; None where Spark cannot hold them.
        forms: Which of `FORMS` can hold it.
        others: Further forms, made as a whole.
    """

    name: str
    frame: Callable[[], pl.DataFrame]
    verdict: str
    expected: Callable[[], pl.DataFrame] | None = None
    spark: str | None = None
    forms: Sequence[str] = FORMS
    others: Mapping[str, Callable[[], object]] = field(default_factory=dict)

    def __str__(self) -> str:
        return self.name


def forms(item: Item) -> Iterator[tuple[str, object]]:
    """The item's rows as every kind of frame that can hold them, by name; `others` replace or add kinds."""
    makers: dict[str, Callable[[], object]] = {
        "polars": item.frame,
        "lazy": lambda: item.frame().lazy(),
        "pandas": lambda: to_pandas(item.frame()),
        "arrow": lambda: item.frame().to_arrow(),
    }
    for name, make in ({n: makers[n] for n in item.forms} | dict(item.others)).items():
        yield name, make()


def to_pandas(frame: pl.DataFrame) -> pd.DataFrame:
    """The frame as pandas users have it: numpy columns, and Python objects where numpy has no such type."""
    objects = (pl.String, pl.Binary, pl.Date, pl.List, pl.Array, pl.Decimal, pl.Null, pl.Object, pl.Time, pl.Struct)
    columns = {
        s.name: pd.Series(s.to_list(), dtype=object)
        if isinstance(s.dtype, objects) or (s.null_count() and not s.dtype.is_float() and not s.dtype.is_temporal())
        else s.to_pandas()
        for s in frame
    }
    return pd.DataFrame(columns)


def good(rows: int = 1) -> pl.DataFrame:
    """Rows with nothing wrong, as the contract has them."""
    return pl.DataFrame(
        {
            "user_id": range(1, rows + 1),
            "at": [NOON + timedelta(seconds=i) for i in range(rows)],
            "email": [CANARY] * rows,
            "count": [5] * rows,
            "small": [6] * rows,
            "ratio": [0.25] * rows,
            "name": ["Ada"] * rows,
            "price": [Decimal("9.99")] * rows,
            "day": [date(2026, 1, 1)] * rows,
            "flag": [True] * rows,
            "blob": [b"\x00\x01"] * rows,
            "tags": [["a", "b"]] * rows,
            "scores": [[0.5, -1.0]] * rows,
            "ids": [[1, 2]] * rows,
            "note": [None] * rows,
        },
        schema=SCHEMA,
    )


def with_values(column: str, values: Sequence[Any], dtype: pl.DataType | None = None) -> pl.DataFrame:
    """Good rows, with these values in one column."""
    return good(len(values)).with_columns(pl.Series(column, values, dtype=dtype or SCHEMA[column], strict=True))


def equal(name: str, column: str, *values: Any, **more: Any) -> Item:
    """Values of the declared type that are kept as they are."""
    return Item(f"{column}: {name}", partial(with_values, column, values), EQUAL, spark=EQUAL, **more)


def normalised(
    name: str, column: str, given: Sequence[Any], dtype: Any, stored: Sequence[Any], *, spark: str | None, **more: Any
) -> Item:
    """Values of another type that are kept without loss."""
    made = partial(with_values, column, given, dtype)
    return Item(f"{column}: {name}", made, NORMALISED, partial(with_values, column, stored), spark, **more)


def refused(name: str, column: str, values: Sequence[Any], dtype: Any = None, code: str = "FG101", **more: Any) -> Item:
    """Values that are not taken."""
    spark = more.pop("spark", code)
    return Item(f"{column}: {name}", partial(with_values, column, values, dtype), code, spark=spark, **more)


def whole(name: str, make: Callable[[], Any], verdict: str, **more: Any) -> Item:
    """A frame that is odd as a whole."""
    return Item(f"frame: {name}", make, verdict, **more)


def thing(name: str, make: Callable[[], object], verdict: str, expected: Any = None) -> Item:
    """An object that only Python can hold."""
    return Item(f"object: {name}", good, verdict, expected, forms=(), others={"object": make})


def records(column: str, *values: Any) -> list[dict[str, Any]]:
    """Good rows as a list of dicts, with these Python values in one column."""
    rows = good(len(values)).drop(column).to_dicts()
    return [row | {column: value} for row, value in zip(rows, values, strict=True)]


def objects(column: str, *values: Any) -> pd.DataFrame:
    """Good rows in pandas, with these Python values in one object column."""
    return to_pandas(good(len(values))).assign(**{column: pd.Series(values, dtype=object)})


def far(dtype: pl.DataType, number: int, physical: pl.DataType) -> pl.Series:
    return pl.Series([number], dtype=physical).cast(dtype)


INTEGERS = [
    *(equal(f"{n:,}", "count", n) for n in (0, -1, 1, 2**31, 2**53, 2**53 + 1, 2**63 - 1, -(2**63))),
    equal("the largest int32", "small", 2**31 - 1),
    equal("the smallest int32", "small", -(2**31)),
    equal("NULL among others", "count", 1, None),
    *(normalised(f"{t} 7", "count", [7], t, [7], spark=None) for t in (pl.UInt8(), pl.UInt16(), pl.UInt32())),
    normalised("uint64 7", "count", [7], pl.UInt64(), [7], spark=None),
    *(normalised(f"{t} 7", "count", [7], t, [7], spark=NORMALISED) for t in (pl.Int8(), pl.Int16(), pl.Int32())),
    refused("uint64 2^63", "count", [2**63], pl.UInt64(), spark=None),
    refused("uint64 2^64-1", "count", [2**64 - 1], pl.UInt64(), spark=None),
    refused("int128 2^64", "count", [2**64], pl.Int128(), spark=None, forms=("polars", "lazy")),
    normalised("int64 that fits int32", "small", [2**31 - 1], pl.Int64(), [2**31 - 1], spark="FG101"),
    refused("int64 2^31 for int32", "small", [1, 2**31], pl.Int64()),
    refused("int64 -2^31-1 for int32", "small", [-(2**31) - 1], pl.Int64()),
    refused("a truth value", "count", [True], pl.Boolean()),
    *(normalised(f"float {x}", "count", [x], pl.Float64(), [int(x)], spark="FG101") for x in (3.0, -0.0, float(2**53))),
    *(refused(f"float {x}", "count", [x], pl.Float64()) for x in (3.5, 2.0**53 + 2, 1e300, float("inf"))),
    refused("float NaN", "count", [float("nan")], pl.Float64(), forms=("polars", "lazy", "arrow")),
    normalised("text 7", "count", ["7"], pl.String(), [7], spark="FG101"),
    *(
        refused(f"text {x!r}", "count", [x], pl.String())
        for x in ("007", " 7", "7.0", "+7", "1e5", "0x1F", "", "true", "None", "٣", "-0", "9" * 20)
    ),
    normalised("decimal 7.00", "count", [Decimal("7.00")], pl.Decimal(10, 2), [7], spark="FG101"),
    refused("decimal 7.50", "count", [Decimal("7.50")], pl.Decimal(10, 2)),
    refused("a date", "count", [date(2026, 1, 1)], pl.Date()),
    refused("an instant", "count", [NOON], pl.Datetime("us", "UTC")),
    refused("a duration", "count", [timedelta(1)], pl.Duration("us")),
    refused("a time of day", "count", [time(1)], pl.Time(), spark=None),
    refused("a category spelt as a number", "count", ["7"], pl.Categorical()),
    refused("a list", "count", [[7]], pl.List(pl.Int64())),
    refused("a struct", "count", [{"a": 7}], pl.Struct({"a": pl.Int64()})),
    refused("bytes", "count", [b"7"], pl.Binary()),
    normalised("the void type", "count", [None, None], pl.Null(), [None, None], spark=NORMALISED),
    refused("NULL in the key", "user_id", [1, None], code="FG102"),
    refused("the void type in the key", "user_id", [None], pl.Null(), code="FG102"),
]

FLOATS = [
    *(equal(repr(x), "ratio", x) for x in (0.0, -0.0, 5e-324, 1.7976931348623157e308, 0.1 + 0.2, -1.5)),
    equal("NULL", "ratio", 1.0, None),
    *(refused(repr(x), "ratio", [1.0, x], code="FG102") for x in (float("inf"), float("-inf"))),
    *(
        refused(f"{sign}NaN", "ratio", [1.0, x], code="FG102", forms=("polars", "lazy", "arrow"))
        for sign, x in (("", float("nan")), ("-", -float("nan")))
    ),
    Item(
        "ratio: NaN in pandas, which means missing",
        good,
        NORMALISED,
        lambda: with_values("ratio", [1.0, None]),
        forms=(),
        others={"pandas": lambda: to_pandas(with_values("ratio", [1.0, float("nan")]))},
    ),
    normalised("int64 2^53", "ratio", [2**53], pl.Int64(), [2.0**53], spark="FG101"),
    refused("int64 2^53+1", "ratio", [1, 2**53 + 1], pl.Int64()),
    normalised("int32", "ratio", [3], pl.Int32(), [3.0], spark="FG101"),
    normalised("float32", "ratio", [0.1], pl.Float32(), [float(np.float32(0.1))], spark=NORMALISED),
    normalised("float16", "ratio", [0.5], pl.Float16(), [0.5], spark=None),
    normalised("text 0.1", "ratio", ["0.1"], pl.String(), [0.1], spark="FG101"),
    *(refused(f"text {x!r}", "ratio", [x], pl.String()) for x in ("1e5", "1", "nan", ".5", "0,5", "1_000.0", "")),
    refused("text 'NaN'", "ratio", ["NaN"], pl.String(), code="FG102", spark="FG101"),
    refused("text 'inf'", "ratio", ["inf"], pl.String(), code="FG102", spark="FG101"),
    normalised("decimal 0.1", "ratio", [Decimal("0.1")], pl.Decimal(10, 1), [0.1], spark="FG101"),
    refused("decimal of 38 nines", "ratio", [Decimal("9" * 38)], pl.Decimal(38, 0)),
    refused("a truth value", "ratio", [False], pl.Boolean()),
]

DECIMALS = [
    *(equal(x, "price", Decimal(x)) for x in ("0.10", "-0.01", "0.00", "99999999.99")),
    normalised(
        "more digits, all zero", "price", [Decimal("0.1000")], pl.Decimal(12, 4), [Decimal("0.10")], spark="FG101"
    ),
    refused("more digits that count", "price", [Decimal("0.1001")], pl.Decimal(12, 4)),
    refused("1e-38", "price", [Decimal("1e-38")], pl.Decimal(38, 38)),
    refused("38 nines", "price", [Decimal("9" * 38)], pl.Decimal(38, 0)),
    refused("too large by one digit", "price", [Decimal("100000000.00")], pl.Decimal(11, 2)),
    normalised("an integer", "price", [5], pl.Int64(), [Decimal("5.00")], spark="FG101"),
    refused("an integer too large", "price", [10**8], pl.Int64()),
    refused("a float", "price", [0.1], pl.Float64()),
    refused("a whole float", "price", [2.0], pl.Float64()),
    normalised("text with all digits", "price", ["0.10"], pl.String(), [Decimal("0.10")], spark="FG101"),
    *(refused(f"text {x!r}", "price", [x], pl.String()) for x in ("0.119", "1E+2", "NaN", "9" * 39, "1,50", "abc")),
]

TEXTS = [
    *(
        equal(ascii(x), "name", x)
        for x in (
            *("", " ", " a ", "a\x00b", "e\u0301", "\u00e9", "\u200b", "\u202etxt", "\ufeffa", "İıß", "😀👨‍👩‍👧"),
            *("null", "NaN", "None", "true", "1e5", "0x1F", "=cmd()", "'; DROP TABLE x;--", "{{7*7}}", "${env:HOME}"),
            *(
                "../../etc/passwd",
                "a/b",
                "a\\b",
                "%2e%2e%2f",
                "CON",
                "__HIVE_DEFAULT_PARTITION__",
                "\n",
                "a\r\nb",
                "\t",
            ),
            *("`a`", '"a"', "a'b", "\x7f", "\U0010ffff", "١٢٣", "-" * 1000),
        )
    ),
    equal("composed and decomposed letters, two values", "name", "e\u0301", "\u00e9"),
    equal("65,536 characters", "name", "A" * 65_536),
    refused("65,537 characters", "name", ["A", "A" * 65_537], code="FG102"),
    normalised("a category", "name", ["x", None, "y"], pl.Categorical(), ["x", None, "y"], spark=EQUAL),
    normalised("an enumeration", "name", ["x"], pl.Enum(["x", "y"]), ["x"], spark=EQUAL),
    refused("a number", "name", [7], pl.Int64()),
    refused("bytes", "name", [b"x"], pl.Binary()),
    refused("an instant", "name", [NOON], pl.Datetime("us", "UTC")),
    refused("a list of text", "name", [["x"]], pl.List(pl.String())),
    refused("a truth value", "name", [True], pl.Boolean()),
    refused("personal text of the wrong type", "email", [[CANARY]], pl.List(pl.String())),
    refused("NULL where it is not allowed", "email", [CANARY, None], code="FG102"),
    refused("personal text that is too long", "email", [CANARY * 4000], code="FG102"),
]

_UTC, _SHORT, _FINE = pl.Datetime("us", "UTC"), pl.Datetime("ms", "UTC"), pl.Datetime("ns", "UTC")
_AUTUMN = datetime(2026, 10, 25, 2, 30, tzinfo=BERLIN)

TIMES = [
    *(
        equal(f"{x:%Y-%m-%d %H:%M:%S.%f}", "at", x)
        for x in (
            datetime(1, 1, 1, tzinfo=UTC),
            datetime(1582, 10, 10, tzinfo=UTC),
            datetime(1969, 12, 31, 23, 59, 59, 999_999, tzinfo=UTC),
            datetime(2028, 2, 29, tzinfo=UTC),
            datetime(2262, 4, 12, tzinfo=UTC),
            datetime(9999, 12, 31, 23, 59, 59, 999_999, tzinfo=UTC),
        )
    ),
    normalised("milliseconds", "at", [NOON], _SHORT, [NOON], spark=EQUAL),
    normalised("nanoseconds, whole microseconds", "at", [NOON], _FINE, [NOON], spark=EQUAL),
    whole(
        "nanoseconds below a microsecond",
        lambda: with_values("at", [NOON], _FINE).with_columns(pl.col("at").dt.offset_by("1ns")),
        "FG101",
    ),
    normalised("another zone", "at", [NOON], pl.Datetime("us", "Asia/Kathmandu"), [NOON], spark=EQUAL),
    normalised(
        "an hour that came twice",
        "at",
        [_AUTUMN, _AUTUMN.replace(fold=1)],
        pl.Datetime("us", "Europe/Berlin"),
        [datetime(2026, 10, 25, 0, 30, tzinfo=UTC), datetime(2026, 10, 25, 1, 30, tzinfo=UTC)],
        spark=EQUAL,
    ),
    refused("naive", "at", [NOON.replace(tzinfo=None)], pl.Datetime("us"), spark=None),  # Spark makes UTC of it
    refused("naive nanoseconds", "at", [NOON.replace(tzinfo=None)], pl.Datetime("ns"), spark=None),
    refused("epoch milliseconds", "at", [1_767_268_800_000], pl.Int64()),
    refused("epoch seconds as floats", "at", [1.7672688e9], pl.Float64()),
    refused("ISO text", "at", ["2026-01-01T12:00:00Z"], pl.String()),
    refused("a leap second as text", "at", ["2016-12-31T23:59:60Z"], pl.String()),
    refused("a date", "at", [date(2026, 1, 1)], pl.Date()),
    refused("a time of day", "at", [time(12)], pl.Time(), spark=None),
    refused("NULL", "at", [NOON, None], code="FG102"),
    *(
        whole(
            f"an instant {name}",
            lambda number=number: good().with_columns(far(_UTC, number, pl.Int64()).alias("at")),
            "FG102",
            forms=("polars", "lazy", "arrow"),
        )
        for name, number in (
            ("in the year 10000", 253_402_300_800_000_000),
            ("in the year 0", -62_135_596_800_000_001),
            ("that was milliseconds", 1_767_268_800_000_000_000),
            ("at the end of int64", 2**63 - 1),
        )
    ),
    *(
        equal(f"{x}", "day", x)
        for x in (date(1970, 1, 1), date(1, 1, 1), date(1582, 10, 10), date(9999, 12, 31), date(2028, 2, 29))
    ),
    refused("an instant", "day", [NOON], _UTC),
    refused("a naive time", "day", [datetime(2026, 1, 1)], pl.Datetime("us")),
    refused("days since 1970", "day", [20_454], pl.Int32()),
    refused("text", "day", ["2026-01-01"], pl.String()),
    whole(
        "a day in the year 5,881,580",
        lambda: good().with_columns(far(pl.Date(), 2**31 - 1, pl.Int32()).alias("day")),
        "FG102",
        forms=("polars", "lazy", "arrow"),
    ),
]

OTHERS = [
    equal("true, false and NULL", "flag", True, False, None),
    refused("0 and 1", "flag", [0, 1], pl.Int64()),
    refused("the text true", "flag", ["true"], pl.String()),
    refused("1.0", "flag", [1.0], pl.Float64()),
    equal("none, some and NULL", "blob", b"", b"\x00\xff\xfe", None),
    refused("text", "blob", ["x"], pl.String()),
    equal("empty, NULL inside, NULL", "tags", [], [None], ["a", None], None),
    refused("numbers", "tags", [[1]], pl.List(pl.Int64())),
    refused("one text", "tags", ["a"], pl.String()),
    refused("lists of lists", "tags", [[["a"]]], pl.List(pl.List(pl.String()))),
    normalised("arrays of one length", "tags", [["a", "b"]], pl.Array(pl.String(), 2), [["a", "b"]], spark=None),
    normalised(
        "categories", "tags", [["x"], None], pl.List(pl.Categorical()), [["x"], None], spark=None, forms=FORMS[:2]
    ),
    equal("with NULL", "scores", [0.5, None], [], None),
    normalised("float64 that fits", "scores", [[0.5], None], pl.List(pl.Float64()), [[0.5], None], spark="FG101"),
    refused("float64 that does not fit", "scores", [[0.5], [0.1]], pl.List(pl.Float64())),
    normalised("integers", "scores", [[1, 2]], pl.List(pl.Int64()), [[1.0, 2.0]], spark="FG101"),
    refused("NaN inside", "scores", [[0.5], [float("nan")]], code="FG102", forms=("polars", "lazy", "arrow")),
    refused(
        "infinity inside", "scores", [[float("inf"), float("-inf")]], code="FG102", forms=("polars", "lazy", "arrow")
    ),
    refused("truth values", "ids", [[True]], pl.List(pl.Boolean())),
    refused("floats beyond 2^53", "ids", [[1.0], [2.0**53 + 2]], pl.List(pl.Float64())),
    normalised("whole floats", "ids", [[1.0, None], []], pl.List(pl.Float64()), [[1, None], []], spark="FG101"),
    refused("naive times", "ids", [[datetime(2026, 1, 1)]], pl.List(pl.Datetime("us"))),
    refused("a map", "ids", [[{"key": 1}]], pl.List(pl.Struct({"key": pl.Int64()}))),
]

_ODD_NAMES = ("a b", "a.b", "a,b;c=d", "`a`", '"a"', "a'b", "select", "_commit_version", "_change_type", "", "x" * 300)
_MORE_ODD_NAMES = ("é", "😀", "\n", "\t", "(a)", "{a}", "__index__", "ingested_at", "is_deleted", "User_ID", "user_id ")


def broken_plan() -> pl.LazyFrame:
    """A plan with the contract's schema that fails at the third row, with a personal value in its message."""
    frame = good(5).lazy()
    text = pl.when(pl.col("user_id") == 3).then(pl.col("email")).otherwise(pl.lit("1"))
    return frame.with_columns(text.cast(pl.Int64, strict=True).alias("count"))


FRAMES = [
    whole("one row", good, EQUAL, spark=EQUAL),
    whole("no rows", lambda: good(0), "FG104", spark="FG104"),
    whole("no columns", pl.DataFrame, "FG101", forms=("polars", "lazy", "pandas")),
    whole("columns in another order", lambda: good(3).select(reversed(SCHEMA)), EQUAL, spark=EQUAL),
    whole(
        "an optional column left out",
        lambda: good(2).drop("note"),
        NORMALISED,
        expected=lambda: good(2),
        spark=NORMALISED,
    ),
    whole("an optional column given", lambda: with_values("note", ["x", None]), EQUAL, spark=EQUAL),
    whole("a column left out", lambda: good(2).drop("ratio"), "FG101", spark="FG101"),
    whole("the key left out", lambda: good(2).drop("user_id"), "FG101", spark="FG101"),
    whole("a column renamed", lambda: good(2).rename({"ratio": "ratios"}), "FG101", spark="FG101"),
    whole(
        "all columns nullable and NULL",
        lambda: good(2).with_columns(pl.lit(None).cast(SCHEMA[c]).alias(c) for c in list(SCHEMA)[3:]),
        EQUAL,
        spark=EQUAL,
    ),
    whole("one row twice", lambda: pl.concat([good(2), good(1)]), "FG103", spark="FG103"),
    whole(
        "one key with two payloads",
        lambda: pl.concat([good(2), good(1).with_columns(ratio=pl.lit(9.0))]),
        "FG103",
        spark="FG103",
    ),
    whole(
        "a bad row and a repeated key",
        lambda: pl.concat([good(2), with_values("ratio", [float("inf")])]),
        "FG102",
        spark="FG102",
    ),
    whole(
        "ten thousand columns too many",
        lambda: good().with_columns(pl.lit(1).alias(f"x{i}") for i in range(10_000)),
        "FG101",
    ),
    *(
        whole(f"a column named {x[:20]!a} too many", lambda x=x: good().with_columns(pl.lit(1).alias(x)), "FG101")
        for x in _ODD_NAMES
    ),
    *(
        whole(f"a column named {x!a} too many", lambda x=x: good().with_columns(pl.lit(1).alias(x)), "FG101")
        for x in _MORE_ODD_NAMES
    ),
    Item(
        "frame: two columns of one name",
        good,
        "FG106",
        forms=(),
        others={
            "pandas": lambda: to_pandas(good()).rename(columns={"count": "small"}),
            "arrow": lambda: good().to_arrow().rename_columns([{"count": "small"}.get(c, c) for c in SCHEMA]),
        },
    ),
    whole(
        "a column of Python objects",
        lambda: good(2).with_columns(pl.Series("count", [1, "x"], dtype=pl.Object)),
        "FG101",
        forms=("polars", "lazy", "pandas"),
    ),
    Item("frame: a plan that fails half-way", good, "FG107", forms=(), others={"lazy": broken_plan}),
    Item(
        "frame: a plan that fails half-way, other types",
        good,
        "FG107",
        forms=(),
        others={"lazy": lambda: broken_plan().with_columns(small=pl.lit(1))},
    ),
    Item(
        "frame: a plan of unknown columns",
        good,
        "FG107",
        forms=(),
        others={"lazy": lambda: good().lazy().select("nowhere")},
    ),
    Item(
        "frame: a file that is not there",
        good,
        "FG107",
        forms=(),
        others={"lazy": lambda: pl.scan_parquet("/nowhere/at/all.parquet")},
    ),
]

OBJECTS = [
    *(
        thing(name, lambda x=x: x, "FG106")
        for name, x in (
            ("None", None),
            ("a number", 7),
            ("text", "user_id,at\n1,2"),
            ("bytes", b"PAR1"),
            ("an empty list", []),
            ("a list of tuples", [(1, 2)]),
            ("a set", {1}),
            ("a class", dict),
            ("a numpy array", np.zeros((2, 2))),
            ("columns of unequal length", {"user_id": [1, 2], "at": [NOON]}),
            ("dicts with numbers for names", [{1: 2}]),
            ("columns with numbers for names", {1: [2]}),
        )
    ),
    thing("a generator", lambda: (row for row in good().to_dicts()), "FG106"),
    thing(
        "pandas with two levels of columns",
        lambda: pd.DataFrame([[1]], columns=pd.MultiIndex.from_tuples([("A", "a")])),
        "FG106",
    ),
    thing("pandas with numbers for columns", lambda: pd.DataFrame([[1]]), "FG106"),
    thing("a Polars series", lambda: pl.Series("user_id", [1]), "FG101"),
    thing("a list of dicts", lambda: good(3).to_dicts(), NORMALISED, lambda: good(3)),
    thing("columns of lists", lambda: good(3).to_dict(as_series=False), NORMALISED, lambda: good(3)),
    thing("columns of series", lambda: good(3).to_dict(), EQUAL, lambda: good(3)),
    thing("a record batch", lambda: good(3).to_arrow().to_batches()[0], EQUAL, lambda: good(3)),
    thing("a record batch reader", lambda: good(3).to_arrow().to_reader(), EQUAL, lambda: good(3)),
    thing("pandas on Arrow types", lambda: good(3).to_pandas(use_pyarrow_extension_array=True), EQUAL, lambda: good(3)),
    thing(
        "pandas' nullable integers",
        lambda: to_pandas(good(2)).assign(count=pd.array([2**53 + 1, None], dtype="Int64")),
        NORMALISED,
        lambda: with_values("count", [2**53 + 1, None]),
    ),
    thing(
        "pandas' nullable truth",
        lambda: to_pandas(good(2)).assign(flag=pd.array([True, None], dtype="boolean")),
        NORMALISED,
        lambda: with_values("flag", [True, None]),
    ),
    thing(
        "pandas integers with a gap, as floats",
        lambda: to_pandas(good(2)).assign(count=pd.Series([7, None])),
        NORMALISED,
        lambda: with_values("count", [7, None]),
    ),
    thing(
        "pandas integers beyond 2^53 with a gap, as floats",
        lambda: to_pandas(good(2)).assign(count=pd.Series([2**53 + 2, None])),
        "FG101",
    ),
    thing(
        "pandas categories of numbers",
        lambda: to_pandas(good(2)).assign(count=pd.Categorical([10, 20])),
        NORMALISED,
        lambda: with_values("count", [10, 20]),
    ),
    thing(
        "pandas arrays as lists",
        lambda: objects("scores", np.array([0.5], dtype="float32"), None),
        NORMALISED,
        lambda: with_values("scores", [[0.5], None]),
    ),
    thing(
        "pandas timestamps as objects",
        lambda: objects("at", pd.Timestamp(NOON), pd.Timestamp(NOON) + pd.Timedelta("1us")),
        NORMALISED,
        lambda: with_values("at", [NOON, NOON + timedelta(microseconds=1)]),
    ),
    thing(
        "pandas timestamps as objects, below a microsecond",
        lambda: objects("at", pd.Timestamp(NOON) + pd.Timedelta("1ns")),
        "FG101",
    ),
    thing(
        "pandas timestamps as objects, one naive",
        lambda: objects("at", pd.Timestamp(NOON), pd.Timestamp("2026-01-01")),
        "FG101",
    ),
    *(
        thing(f"{what}, {kind}", lambda make=make, column=column, values=values: make(column, *values), "FG101")
        for kind, make in (("dicts", records), ("pandas objects", objects))
        for what, column, values in (
            ("numbers and text", "count", (1, "x")),
            ("numbers and truth", "count", (1, True)),
            ("truth and numbers", "flag", (True, 1)),
            ("aware and naive times", "at", (NOON, NOON.replace(tzinfo=None))),
            ("times and dates", "at", (NOON, date(2026, 1, 1))),
            ("text and bytes", "name", ("x", b"x")),
            ("bytes and text", "blob", (b"x", "x")),
            ("a large integer among floats", "ratio", (1.5, 2**53 + 1)),
            ("a large integer among floats in lists", "scores", ([1.5], [2**53 + 1])),
            ("truth in a list of numbers", "ids", ([1], [True])),
            ("a list and a number", "ids", ([1], 1)),
            ("an integer beyond 128 bits", "count", (2**130,)),
            ("decimals that no type holds together", "price", (Decimal("1e-20"), Decimal("1e30"))),
            ("half a surrogate pair", "name", ("\ud800",)),
            ("a complex number", "ratio", (1j,)),
            ("a personal value among numbers", "email", (1, CANARY)),
        )
    ),
    *(
        thing(
            f"integers among floats, {kind}",
            lambda make=make: make("ratio", 1, 2.5, None),
            NORMALISED,
            lambda: with_values("ratio", [1.0, 2.5, None]),
        )
        for kind, make in (("dicts", records), ("pandas objects", objects))
    ),
    thing("a decimal NaN, dicts", lambda: records("price", Decimal("NaN")), "FG101"),
    thing(
        "a decimal NaN, pandas, which takes it as missing",
        lambda: objects("price", Decimal("NaN")),
        NORMALISED,
        lambda: with_values("price", [None]),
    ),
    thing(
        "dicts that leave a value out",
        lambda: [
            {k: v for k, v in row.items() if k != "name"} if i else row for i, row in enumerate(good(2).to_dicts())
        ],
        NORMALISED,
        lambda: with_values("name", ["Ada", None]),
    ),
]

ITEMS = [*INTEGERS, *FLOATS, *DECIMALS, *TEXTS, *TIMES, *OTHERS, *FRAMES, *OBJECTS]
