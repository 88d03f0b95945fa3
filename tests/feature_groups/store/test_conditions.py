from __future__ import annotations

import json
import operator
from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta, timezone
from decimal import Decimal
from typing import Annotated, Any
from zoneinfo import ZoneInfo

import narwhals as nw
import numpy as np
import pandas as pd
import pandera.polars as pa
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from feature_groups.store import FeatureGroup, FeatureStore, UtcDatetime
from feature_groups.store.condition_values import FIRST_YEAR
from feature_groups.store.conditions import Condition
from feature_groups.store.errors import InvalidDeclaration

BERLIN = ZoneInfo("Europe/Berlin")
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
CANARY = "canary-5b0d@example.org"


class Contract(pa.DataFrameModel):
    """One row per number."""

    number: int
    tiny: pl.Int8 = pa.Field(nullable=True)
    count: int = pa.Field(nullable=True)
    single: pl.Float32 = pa.Field(nullable=True)
    double: float = pa.Field(nullable=True)
    flag: bool = pa.Field(nullable=True)
    name: str = pa.Field(nullable=True)
    email: str = pa.Field(nullable=True, metadata={"pii": True})
    day: date = pa.Field(nullable=True)
    at: UtcDatetime = pa.Field(nullable=True)
    price: Annotated[pl.Decimal, 10, 2] = pa.Field(nullable=True)
    large: Annotated[pl.Decimal, 38, 0] = pa.Field(nullable=True)
    blob: pl.Binary = pa.Field(nullable=True)
    tags: list[str] = pa.Field(nullable=True)


THINGS = FeatureGroup(
    name="things", version=3, description="Things.", primary_key=["number"], static=True, contract=Contract
)
assert THINGS.spec is not None
SCHEMA = THINGS.spec.polars_schema


def single(value: float) -> float:
    return float(np.float32(value))


VALUES: dict[str, list[Any]] = {
    "tiny": [-128, -1, 0, 1, 127],
    "count": [-(2**63), -1, 0, 2**53, 2**53 + 1, 2**63 - 1],
    "single": [-1.5, 0.0, single(0.1), single(3e38)],
    "double": [-1e300, -0.1, 0.0, 0.1, 0.1 + 1e-17, 0.30000000000000004, 1e300],
    "flag": [False, True],
    "name": ["", " a", "A", "a", "a ", "a\x00", "ab", "é", "ü", "\uffff", "😀", "it's", 'a"b\\n'],
    "email": ["a@example.org", CANARY],
    "day": [date(1, 1, 1), date(1500, 2, 28), date(1600, 1, 1), date(1969, 12, 31), date(2024, 2, 29), date.max],
    "at": [
        datetime(1, 1, 1, tzinfo=UTC),
        datetime(1500, 3, 1, 12, tzinfo=UTC),
        datetime(1883, 11, 18, 17, 0, 0, 1, tzinfo=UTC),
        datetime(1600, 1, 1, tzinfo=UTC),
        EPOCH - timedelta(microseconds=1),
        EPOCH,
        datetime(2024, 10, 27, 0, 30, tzinfo=UTC),
        datetime(2024, 10, 27, 1, 30, tzinfo=UTC),
        datetime(9999, 12, 31, 23, 59, 59, 999999, tzinfo=UTC),
    ],
    "price": [Decimal("-99999999.99"), Decimal("-0.01"), Decimal("0.00"), Decimal("9.99"), Decimal("10.00")],
    "large": [Decimal(-(10**38) + 1), Decimal(0), Decimal(10**37 + 1), Decimal(10**38 - 1)],
}
"""Values that a column can hold, in rising order; the extremes among them."""

HEIGHT = max(map(len, VALUES.values())) + 1
ROWS = pl.DataFrame(
    {"number": range(HEIGHT)}
    | {name: [*values, *[None] * (HEIGHT - len(values))] for name, values in VALUES.items()}
    | {"blob": [b"x", *[None] * (HEIGHT - 1)], "tags": [["x"], *[None] * (HEIGHT - 1)]},
    schema=SCHEMA,
)
COMPARE: dict[str, Callable[[Any, Any], Any]] = {
    "==": operator.eq,
    "!=": operator.ne,
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
}

Truth = bool | None
Told = tuple[Condition, Callable[[dict[str, Any]], Truth]]
"""A condition, and what it says of a row: true, false, or neither."""


def order(value: Any) -> Any:
    """Text in the order of its bytes, which is every engine's."""
    return value.encode() if isinstance(value, str) else value


def compared(column: str, sign: str, value: Any) -> Told:
    def truth(row: dict[str, Any]) -> Truth:
        return None if row[column] is None else COMPARE[sign](order(row[column]), order(value))

    return COMPARE[sign](THINGS[column], value), truth


def among(column: str, values: list[Any]) -> Told:
    return THINGS[column].isin(values), lambda row: None if row[column] is None else row[column] in values


def null(column: str) -> Told:
    return THINGS[column].is_null(), lambda row: row[column] is None


def not_null(column: str) -> Told:
    return THINGS[column].is_not_null(), lambda row: row[column] is not None


def negated(told: Told) -> Told:
    def truth(row: dict[str, Any]) -> Truth:
        inner = told[1](row)
        return None if inner is None else not inner

    return ~told[0], truth


def all_of(one: Told, two: Told) -> Told:
    def truth(row: dict[str, Any]) -> Truth:
        found = {one[1](row), two[1](row)}
        return False if False in found else None if None in found else True

    return one[0] & two[0], truth


def any_of(one: Told, two: Told) -> Told:
    def truth(row: dict[str, Any]) -> Truth:
        found = {one[1](row), two[1](row)}
        return True if True in found else None if None in found else False

    return one[0] | two[0], truth


EVERY: list[Told] = [null("blob"), not_null("tags")]
for name, column in VALUES.items():
    values = [v for v in column if not isinstance(v, date) or v.year >= FIRST_YEAR]
    EVERY += [null(name), not_null(name), among(name, values[1:]), negated(among(name, values[:-1]))]
    EVERY += [compared(name, sign, value) for sign in COMPARE for value in values]

simple = st.sampled_from(EVERY)
conditions = st.recursive(
    simple,
    lambda inner: st.one_of(
        st.builds(negated, inner), st.builds(all_of, inner, inner), st.builds(any_of, inner, inner)
    ),
    max_leaves=8,
)


def answers(frame: Any, told: list[Told]) -> nw.LazyFrame[Any]:
    columns = [condition.expr().alias(f"c{i}") for i, (condition, _) in enumerate(told)]
    return nw.from_native(frame).lazy().select("number", *columns)


def expected(told: list[Told]) -> list[tuple[Any, ...]]:
    return [(row["number"], *(truth(row) for _, truth in told)) for row in ROWS.to_dicts()]


def answered(store: FeatureStore, engine: str, told: list[Told]) -> list[tuple[Any, ...]]:
    chosen: Any = store.shop.spark() if engine == "spark" else store.shop.polars
    frame = chosen.spark.createDataFrame(ROWS.to_arrow()) if engine == "spark" else ROWS
    found: list[tuple[Any, ...]] = chosen.collect(answers(frame, told)).sort("number").rows()
    return found


def test_comparisons_say_the_same_on_every_engine(store: FeatureStore, engine: str) -> None:
    some = EVERY if engine == "polars" else EVERY[::13]
    some += [negated(any_of(all_of(a, b), negated(c))) for a, b, c in zip(some, some[7:], some[19:], strict=False)][::9]

    assert answered(store, engine, some) == expected(some)


@pytest.mark.slow
def test_every_comparison_of_every_type_says_the_same_on_every_engine(store: FeatureStore, engine: str) -> None:
    assert answered(store, engine, EVERY) == expected(EVERY)


@given(conditions)
def test_a_combination_is_true_false_or_neither_as_in_sql(told: Told) -> None:
    assert answers(ROWS, [told]).sort("number").collect("polars").rows() == expected([told])


@given(conditions)
def test_a_filter_keeps_the_rows_for_which_the_condition_is_true(told: Told) -> None:
    condition, truth = told
    kept = nw.from_native(ROWS).filter(condition.expr())["number"].to_list()

    assert kept == [row["number"] for row in ROWS.to_dicts() if truth(row)]


def test_unequal_to_a_value_does_not_mean_unknown() -> None:
    unequal, not_equal = THINGS["flag"] != True, ~(THINGS["flag"] == True)  # noqa: E712  # == makes a condition
    for condition in (unequal, not_equal):
        assert nw.from_native(ROWS).filter(condition.expr())["flag"].to_list() == [False]
    with_unknown = unequal | THINGS["flag"].is_null()
    assert nw.from_native(ROWS).filter(with_unknown.expr()).shape[0] == HEIGHT - 1


def test_a_frame_may_name_the_columns_otherwise() -> None:
    condition = (THINGS["count"] > 0) & THINGS["name"].is_not_null()
    renamed = nw.from_native(ROWS.rename({"count": "__count"}))

    kept = renamed.filter(condition.expr(rename={"count": "__count"}))["number"].to_list()

    assert kept == nw.from_native(ROWS).filter(condition.expr())["number"].to_list()
    assert len(kept) == 3


@given(conditions, conditions, conditions)
def test_the_same_condition_written_otherwise_is_equal(one: Told, two: Told, three: Told) -> None:
    a, b, c = one[0], two[0], three[0]
    for first, second in [
        (~~a, a),
        ((a & b) & c, a & (b & c)),
        ((a | b) | c, a | (b | c)),
        (~(a & b), ~a | ~b),
        (~(a | b), ~a & ~b),
    ]:
        assert first == second
        assert hash(first) == hash(second)
        assert first.to_json() == second.to_json()
        assert repr(first) == repr(second)


@given(conditions)
def test_a_condition_says_which_columns_it_looks_at_and_is_plain_json(told: Told) -> None:
    condition = told[0]
    names = {name for group, name in condition.columns}

    assert condition.groups == {"things_v3"}
    assert names == {name for name in SCHEMA if f'"column": "{name}"' in json.dumps(condition.to_json())}
    answers(ROWS.select("number", *names), [told])


def test_all_that_must_be_true_is_taken_apart() -> None:
    a, b, c = THINGS["count"] > 0, THINGS["flag"].is_null(), THINGS["name"] == "a"

    assert (a & (b & c)).conjuncts() == (a, b, c)
    assert (~(a | b)).conjuncts() == (~a, ~b)
    assert (a | b).conjuncts() == (a | b,)
    assert a.conjuncts() == (a,)


def test_values_are_kept_as_the_column_has_them() -> None:
    noon = datetime(2024, 6, 1, 12, tzinfo=UTC)
    for one, two in [
        (THINGS["count"] == np.int32(7), THINGS["count"] == 7),
        (THINGS["double"] == 3, THINGS["double"] == 3.0),
        (THINGS["double"] == np.float32(0.5), THINGS["double"] == 0.5),
        (THINGS["double"] == -0.0, THINGS["double"] == 0.0),
        (THINGS["single"] == 0.1, THINGS["single"] == np.float32(0.1)),
        (THINGS["flag"] == np.True_, THINGS["flag"] == True),  # noqa: E712  # == makes a condition
        (THINGS["name"] == np.str_("a"), THINGS["name"] == "a"),
        (THINGS["at"] == noon.astimezone(BERLIN), THINGS["at"] == noon),
        (THINGS["at"] == pd.Timestamp(noon), THINGS["at"] == noon),
        (THINGS["price"] == 10, THINGS["price"] == Decimal("10.00")),
        (THINGS["price"] == Decimal("1E1"), THINGS["price"] == Decimal("10.00")),
        (THINGS["price"] == Decimal("-0"), THINGS["price"] == 0),
        (THINGS["count"].isin({3, 1, 2}), THINGS["count"].isin([1, 2, 3, 1])),
        (THINGS["count"].isin(pl.Series([2, 1])), THINGS["count"].isin(np.array([1, 2]))),
    ]:
        assert one == two
        assert one.to_json() == two.to_json()
        assert repr(one) == repr(two)


def test_the_two_hours_of_a_clock_that_goes_back_are_two_instants() -> None:
    early, late = (datetime(2024, 10, 27, 2, 30, tzinfo=BERLIN, fold=fold) for fold in (0, 1))

    assert (THINGS["at"] == early) == (THINGS["at"] == datetime(2024, 10, 27, 0, 30, tzinfo=UTC))
    assert (THINGS["at"] == late) == (THINGS["at"] == datetime(2024, 10, 27, 1, 30, tzinfo=UTC))


NOT_VALUES: list[tuple[str, Any, str]] = [
    ("count", "4", "whole number"),
    ("count", 4.0, "whole number"),
    ("count", True, "whole number"),
    ("count", np.True_, "whole number"),
    ("count", Decimal(4), "whole number"),
    ("count", 2**63, "9,223,372,036,854,775,807"),
    ("tiny", 128, "from -128 to 127"),
    ("double", "0.1", "a number"),
    ("double", True, "a number"),
    ("double", Decimal("0.1"), "a number"),
    ("double", float("inf"), "finite"),
    ("double", 2**53 + 1, "exactly"),
    ("double", 10**400, "can hold"),
    ("single", 1e300, "can hold"),
    ("single", np.float32("-inf"), "finite"),
    ("flag", 1, "True or False"),
    ("flag", "true", "True or False"),
    ("name", 1, "text"),
    ("name", b"a", "text"),
    ("name", "\ud800", "surrogate"),
    ("day", datetime(2024, 1, 1, tzinfo=UTC), "datetime.date"),
    ("day", "2024-01-01", "datetime.date"),
    ("day", date(1599, 12, 31), "from 1600 on"),
    ("at", datetime(2024, 1, 1), "time zone"),
    ("at", date(2024, 1, 1), "aware datetime"),
    ("at", "2024-01-01T00:00:00Z", "aware datetime"),
    ("at", 1_700_000_000, "aware datetime"),
    ("at", pd.Timestamp(1, tz="UTC", unit="ns"), "microseconds"),
    ("at", datetime(1599, 12, 31, 23, tzinfo=UTC), "from 1600 on"),
    ("at", datetime(9999, 12, 31, 23, tzinfo=timezone(timedelta(hours=-5))), "years 1 to 9999"),
    ("price", 9.99, "Decimal('9.99')"),
    ("price", True, "Decimal('9.99')"),
    ("price", Decimal("9.999"), "2 after it"),
    ("price", Decimal("1." + "0" * 200 + "1"), "2 after it"),
    ("price", Decimal("100000000"), "8 digits before"),
    ("price", 10**60, "8 digits before"),
    ("price", Decimal("NaN"), "8 digits before"),
    ("price", Decimal("Infinity"), "8 digits before"),
    *((name, None, "is_null()") for name in VALUES),
    ("double", float("nan"), "is_null()"),
    ("single", np.float32("nan"), "is_null()"),
    ("at", pd.NaT, "is_null()"),
    ("count", pd.NA, "is_null()"),
    ("blob", b"x", "is_null()"),
    ("tags", ["x"], "is_null()"),
    ("tags", "x", "is_null()"),
    ("count", THINGS["count"], "compare with a value"),
    ("count", THINGS["count"] > 1, "compare with a value"),
    ("count", [1, 2], "whole number"),
]


@pytest.mark.parametrize(("column", "value", "said"), NOT_VALUES, ids=lambda v: repr(v)[:30])
def test_a_value_that_cannot_occur_in_the_column_is_refused(column: str, value: Any, said: str) -> None:
    for compare in (*COMPARE.values(), lambda c, v: c.isin([v]), lambda c, v: v == c):
        with pytest.raises(InvalidDeclaration) as error:
            compare(THINGS[column], value)
        assert said in str(error.value)
        assert f"Column {column!r}" in error.value.what
        assert error.value.where == "condition on feature group 'things' v3"


@pytest.mark.parametrize("values", [[], "abc", b"abc", {"a": 1}, 3, None], ids=repr)
def test_isin_takes_a_list_of_at_least_one_value(values: Any) -> None:
    with pytest.raises(InvalidDeclaration, match="isin"):
        THINGS["name"].isin(values)


def test_pythons_own_words_for_and_or_not_in_are_refused_with_ours() -> None:
    column, condition = THINGS["count"], THINGS["count"] > 1
    for wrong in (
        lambda: condition and condition,
        lambda: condition or condition,
        lambda: not condition,
        lambda: 1 < column < 5,
        lambda: column in [1, 2],
        lambda: [row for row in [1] if condition],
    ):
        with pytest.raises(InvalidDeclaration, match="&, \\| and ~"):
            wrong()


def test_a_column_alone_is_no_condition() -> None:
    flag, count = THINGS["flag"], THINGS["count"]
    wrongs: list[Callable[[], Any]] = [
        lambda: bool(flag),
        lambda: ~flag,
        lambda: flag & (count > 1),
        lambda: (count > 1) & flag,
        lambda: flag | flag,
        lambda: count >= 1 & flag == True,  # noqa: E712  # == makes a condition
        lambda: (count > 1) & True,
        lambda: None | (count > 1),
    ]
    for wrong in wrongs:
        with pytest.raises(InvalidDeclaration, match=r"compare|parentheses"):
            wrong()


def test_a_personal_value_is_shown_in_no_message_and_no_repr() -> None:
    assert CANARY not in repr((THINGS["email"] == CANARY) | THINGS["email"].isin([CANARY, "b"]))
    assert CANARY in repr(THINGS["name"] == CANARY)
    with pytest.raises(InvalidDeclaration) as error:
        THINGS["email"].isin([[CANARY]])
    assert CANARY not in str(error.value)


def test_a_condition_reads_as_it_is_written() -> None:
    condition = (THINGS["price"] >= Decimal("9.90")) & ~(THINGS["name"].isin(["b", "a"]) | THINGS["day"].is_null())

    assert repr(condition) == (
        "(things.v3['price'] >= '9.90') & (~things.v3['name'].isin(['a', 'b'])) & (things.v3['day'].is_not_null())"
    )
    assert repr(THINGS["at"]) == "things.v3['at'] (timestamp)"


@pytest.mark.parametrize("name", ["pric", "", 0, None, ["price"], slice(1)], ids=repr)
def test_an_unknown_column_is_refused(name: Any) -> None:
    with pytest.raises(InvalidDeclaration, match="There is no column"):
        THINGS[name]
    with pytest.raises(InvalidDeclaration, match="Did you mean 'price'"):
        THINGS["pric"]


def test_a_group_is_not_iterated_over_by_number() -> None:
    with pytest.raises(TypeError, match="not iterable"):
        list(THINGS)  # type: ignore[call-overload]  # what must be refused
    with pytest.raises(TypeError):
        "count" in THINGS  # type: ignore[operator]  # noqa: B015  # both refused on purpose


def test_a_column_is_no_key_of_a_dict() -> None:
    with pytest.raises(TypeError, match="unhashable"):
        {THINGS["count"]: 1}
