from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Annotated, Any

import narwhals as nw
import pandera.polars as pa
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pandera.api.dataframe.model_components import parser
from pandera.errors import SchemaErrors

from feature_groups.store import UtcDatetime, invariant
from feature_groups.store.checks import check
from feature_groups.store.column_types import polars_type, spark_type, type_name
from feature_groups.store.contract import ContractSpec, contract_spec, inferred_contract
from feature_groups.store.errors import InvalidDeclaration
from feature_groups.store.patterns import portable

DAY, NOON = date(2026, 1, 1), datetime(2026, 1, 1, 12, tzinfo=UTC)
TEXT = st.text("ab1٣é \n_-Aß", max_size=4)
VALUES: dict[Any, st.SearchStrategy[Any]] = {
    int: st.integers(-5, 5),
    float: st.floats(-3, 3, width=16) | st.sampled_from([-0.0, 1e308, 5e-324]),
    str: TEXT,
    date: st.dates(date(2025, 12, 28), date(2026, 1, 4)),
    UtcDatetime: st.datetimes(datetime(2026, 1, 1), datetime(2026, 1, 2), timezones=st.just(UTC)),
    pl.Int8: st.integers(-5, 5),
    bool: st.booleans(),
}
PATTERNS = [
    "a",
    "^a$",
    "[ab]+",
    r"^\d+$",
    r"\w{2}",
    r"^\S*$",
    "a.b",
    "(?:a|b)1",
    "(?i)A",
    "",
    r"[^a\n]",
    r"^[\w-]+$",
    r"\s",
]


def contract(annotation: Any = int, doc: str = "One row per thing.", **field: Any) -> type[pa.DataFrameModel]:
    """A contract with one column ``x``."""
    return model({"x": (annotation, pa.Field(**field))}, doc)


def model(columns: dict[str, tuple[Any, Any]], doc: str = "One row per thing.", **more: Any) -> type[pa.DataFrameModel]:
    body = {name: field for name, (_, field) in columns.items()}
    annotations = {name: annotation for name, (annotation, _) in columns.items()}
    return type("Contract", (pa.DataFrameModel,), {"__doc__": doc, "__annotations__": annotations, **body, **more})


def spec_of(made: type[pa.DataFrameModel]) -> ContractSpec:
    return contract_spec(made, "it")


def broken(frame: pl.DataFrame, spec: ContractSpec, word: str) -> int:
    """How many rows break the rules whose names contain a word."""
    report = check(nw.from_native(frame.lazy()), spec, "it")
    return sum(f.count for f in report.findings if word in f.rule)


@st.composite
def checked_columns(draw: st.DrawFn) -> tuple[Any, dict[str, Any], list[Any]]:
    annotation = draw(st.sampled_from(list(VALUES)))
    value = VALUES[annotation]
    one, many = draw(value), st.lists(value, min_size=1, max_size=4)
    fields = [{name: one} for name in ("ge", "gt", "le", "lt", "eq", "ne")]
    low, high = sorted([one, draw(value)])
    open_ends = low < high  # else Pandera refuses the empty interval
    bounds = {
        "min_value": low,
        "max_value": high,
        "include_min": not (open_ends and draw(st.booleans())),
        "include_max": not (open_ends and draw(st.booleans())),
    }
    fields += [{"in_range": bounds}, {"isin": draw(many)}, {"notin": draw(many)}]
    if annotation is str:
        size = draw(st.integers(0, 4))
        fields += [{"str_matches": p} for p in PATTERNS] + [{"str_contains": p} for p in PATTERNS]
        fields += [{"str_startswith": one}, {"str_endswith": one}]
        fields += [{"str_length": {"min_value": size}}, {"str_length": {"min_value": 0, "max_value": size}}]
    rows = draw(st.lists(st.none() | value, max_size=8))
    return annotation, draw(st.sampled_from(fields)), rows


@settings(max_examples=300, deadline=None)
@given(case=checked_columns())
def test_every_built_in_check_breaks_on_the_rows_on_which_pandera_breaks(
    case: tuple[Any, dict[str, Any], list[Any]],
) -> None:
    annotation, field, values = case
    made = contract(annotation, nullable=True, **field)
    spec = spec_of(made)
    frame = pl.DataFrame({"x": values}, schema=spec.polars_schema)

    report = check(nw.from_native(frame.lazy()), spec, "it")

    assert report.bad_rows == len(pandera_finds(made, frame))
    assert report.rows == len(values)


def pandera_finds(made: type[pa.DataFrameModel], frame: pl.DataFrame) -> set[int]:
    """The rows that Pandera itself refuses when it validates the eager frame."""
    try:
        made.validate(frame, lazy=True)
    except SchemaErrors as found:
        return set(found.failure_cases["index"].to_list())
    return set()


@settings(max_examples=60, deadline=None)
@given(rows=st.lists(st.tuples(st.none() | st.integers(-2, 2), st.none() | st.integers(-2, 2)), max_size=8))
def test_an_invariant_holds_in_pandera_and_in_the_store_for_the_same_rows(
    rows: list[tuple[int | None, int | None]],
) -> None:
    class Contract(pa.DataFrameModel):
        """One row per span."""

        first: int = pa.Field(nullable=True)
        last: int = pa.Field(nullable=True)

        @invariant
        def first_before_last(cls) -> nw.Expr:
            return nw.col("first") <= nw.col("last")

    frame = pl.DataFrame(rows, schema={"first": pl.Int64, "last": pl.Int64}, orient="row")
    bad = sum(a is not None and b is not None and a > b for a, b in rows)

    assert check(nw.from_native(frame.lazy()), spec_of(Contract), "it").bad_rows == bad
    if bad:
        with pytest.raises(SchemaErrors, match="first_before_last"):
            Contract.validate(frame, lazy=True)
    else:
        Contract.validate(frame, lazy=True)


def test_an_invariant_of_a_base_class_holds_in_a_derived_one() -> None:
    class Base(pa.DataFrameModel):
        """One row per span."""

        first: int
        last: int

        @invariant
        def ordered(cls) -> nw.Expr:
            return nw.col("first") <= nw.col("last")

    class Derived(Base):
        """One row per span and colour."""

        colour: str

    frame = pl.DataFrame({"first": [2], "last": [1], "colour": ["red"]})
    report = check(nw.from_native(frame.lazy()), spec_of(Derived), "it")
    assert [(f.rule, f.samples) for f in report.findings] == [("ordered", ("(2, 1)",))]


def test_a_match_of_alternatives_is_anchored_as_a_whole() -> None:
    """Pandera's Polars backend anchors the first alternative only, against its own documentation."""
    frame = pl.DataFrame({"x": ["a", "b", "xb"]})
    assert broken(frame, spec_of(contract(str, str_matches="a|b")), "str_matches") == 1


@pytest.mark.parametrize(
    ("value", "count"),
    [(float("nan"), 1), (-float("nan"), 1), (float("inf"), 1), (float("-inf"), 1), (1.0, 0), (-0.0, 0), (None, 0)],
)
def test_floats_must_be_finite_whatever_else_is_checked(value: float | None, count: int) -> None:
    frame = pl.DataFrame({"x": [1.0, value]}, schema={"x": pl.Float64})
    assert broken(frame, spec_of(contract(float, nullable=True)), "finite") == count
    lists = pl.DataFrame({"x": [[1.0, value], [], None]}, schema={"x": pl.List(pl.Float64)})
    assert broken(lists, spec_of(contract(pl.List(pl.Float64), nullable=True)), "finite") == count


def test_a_value_that_only_compares_well_is_not_let_through_as_nan() -> None:
    frame = pl.DataFrame({"x": [float("nan")]})
    report = check(nw.from_native(frame.lazy()), spec_of(contract(float, ge=0)), "it")
    assert [(f.rule, f.hard) for f in report.findings] == [("x finite", True)]


def test_null_breaks_nothing_but_the_rule_against_null() -> None:
    frame = pl.DataFrame({"x": [None, 1]}, schema={"x": pl.Int64})
    assert check(nw.from_native(frame.lazy()), spec_of(contract(int, nullable=True, isin=[1], ge=1)), "it").ok
    report = check(nw.from_native(frame.lazy()), spec_of(contract(int, isin=[1], ge=1)), "it")
    assert [f.rule for f in report.findings] == ["x not null"]


@pytest.mark.parametrize("microseconds", [253_402_300_800_000_000, -62_135_596_800_000_001, 2**63 - 1, -(2**63)])
def test_times_beyond_pythons_calendar_are_counted_and_never_shown(microseconds: int) -> None:
    class Contract(pa.DataFrameModel):
        """One row per instant."""

        x: UtcDatetime = pa.Field(in_range={"min_value": NOON, "max_value": NOON})
        day: date

    frame = pl.DataFrame(
        [
            pl.Series("x", [microseconds, 0], dtype=pl.Int64).cast(pl.Datetime("us", "UTC")),
            pl.Series("day", [2**31 - 1, 0], dtype=pl.Int32).cast(pl.Date),
        ]
    )
    report = check(nw.from_native(frame.lazy()), spec_of(Contract), "it")
    found = {f.rule.split(" ", 1)[1].split("(")[0]: (f.count, len(f.samples)) for f in report.findings}
    assert found["in_range"] == (2, 1)
    assert found["in the years 1 to 9999"] == (1, 0)
    assert sum(f.count for f in report.findings if "years" in f.rule) == 2


class Grouped(pa.DataFrameModel):
    """One row per thing."""

    x: int

    @pa.check("x")
    def own(cls, data: Any) -> pl.LazyFrame:  # noqa: N805  # Pandera makes it a classmethod
        return data.lazyframe.select(pl.col("x") > 0)


class ElementWise(pa.DataFrameModel):
    """One row per thing."""

    x: int

    @pa.check("x", element_wise=True)
    def own(cls, value: int) -> bool:  # noqa: N805  # Pandera makes it a classmethod
        return value > 0


class WholeFrame(pa.DataFrameModel):
    """One row per thing."""

    x: int

    @pa.dataframe_check
    def own(cls, data: Any) -> pl.LazyFrame:  # noqa: N805  # Pandera makes it a classmethod
        return data.lazyframe.select(pl.col("x") > 0)


class Parsed(pa.DataFrameModel):
    """One row per thing."""

    x: int

    @parser("x")
    def own(cls, data: Any) -> Any:  # noqa: N805  # Pandera makes it a classmethod
        return data.lazyframe


class UniqueTogether(pa.DataFrameModel):
    """One row per thing."""

    x: int

    class Config:
        unique = ["x"]  # noqa: RUF012  # as people write a Config


class Dropping(pa.DataFrameModel):
    """One row per thing."""

    x: int

    class Config:
        drop_invalid_rows = True


class NotAnExpression(pa.DataFrameModel):
    """One row per thing."""

    x: int

    @invariant
    def positive(cls) -> Any:
        return True


class UnknownColumn(pa.DataFrameModel):
    """One row per thing."""

    x: int

    @invariant
    def positive(cls) -> Any:
        return nw.col("y") > 0


class NoCondition(pa.DataFrameModel):
    """One row per thing."""

    x: int

    @invariant
    def positive(cls) -> Any:
        return nw.col("x") + 1


class AboutAllRows(pa.DataFrameModel):
    """One row per thing."""

    x: int

    @invariant
    def positive(cls) -> Any:
        return nw.col("x").sum() > 0


class Failing(pa.DataFrameModel):
    """One row per thing."""

    x: int

    @invariant
    def positive(cls) -> Any:
        raise KeyError("x")


REFUSED: dict[str, tuple[Any, str, str]] = {
    "no grain": (contract(doc=""), "does not say what one row is", "One row per user"),
    "no columns": (model({}), "declares no column", "add columns"),
    "too many columns": (
        model({f"c{i}": (int, pa.Field()) for i in range(2001)}),
        "2,001 columns; 2,000 is the limit",
        "split",
    ),
    "unsigned": (contract(pl.UInt32), "no unsigned integers", "change its annotation"),
    "naive": (contract(datetime), "annotate the column with UtcDatetime", "change its annotation"),
    "Berlin": (contract(Annotated[pl.Datetime, "us", "Europe/Berlin"]), "UtcDatetime", "change"),
    "milliseconds": (contract(Annotated[pl.Datetime, "ms", "UTC"]), "UtcDatetime", "change"),
    "category": (contract(pl.Categorical), "use str, with isin", "change"),
    "enumeration": (contract(Annotated[pl.Enum, ["a"]]), "use str, with isin", "change"),
    "struct": (contract(pl.Struct({"a": pl.Int64})), "each field a column of its own", "change"),
    "object": (contract(pl.Object), "not storable", "change"),
    "duration": (contract(pl.Duration), "not storable", "change"),
    "time of day": (contract(pl.Time), "not storable", "change"),
    "lists of lists": (contract(pl.List(pl.List(pl.Int64))), "flatten them", "change"),
    "lists of unsigned": (contract(pl.List(pl.UInt8)), "no unsigned integers", "change"),
    "unknown tag": (contract(metadata={"pi": True}), "unknown tag 'pi'", "Did you mean 'pii'?"),
    "missing but not NULL": (contract(int | None), "may be missing but not NULL", "nullable=True"),
    "unique": (contract(unique=True), "unique=True needs the whole table", "primary key"),
    "unique together": (UniqueTogether, "Config.unique needs the whole table", "primary_key"),
    "own check": (Grouped, "'own' has no form", "@invariant"),
    "element-wise": (ElementWise, "'own' is grouped, element-wise", "@invariant"),
    "own frame check": (WholeFrame, "'own' has no form", "@invariant"),
    "parser": (Parsed, "Pandera cannot build it", "correct the class"),
    "dropping rows": (Dropping, "drop_invalid_rows", "quarantine"),
    "default value": (contract(default=0), "default= fills values", "transform"),
    "many columns by pattern": (contract(regex=True), "regex=True", "declare each column"),
    "warning only": (contract(ge=1, raise_warning=True), "a warning", "@invariant"),
    "NULL counted": (contract(ge=1, ignore_na=False), "ignore_na=False", "nullable"),
    "NULL listed": (contract(str, isin=["a", None]), "lists NULL or NaN", "nullable"),
    "NaN listed": (contract(float, notin=[float("nan")]), "lists NULL or NaN", "nullable"),
    "all values present": (contract(unique_values_eq=[1, 2]), "'unique_values_eq' has no form", "@invariant"),
    "text compared with a number": (contract(str, ge=1), "cannot run", "correct it"),
    "numbers in a list of text": (contract(str, isin=[1]), "cannot run", "correct it"),
    "a pattern on numbers": (contract(int, str_matches="a"), "cannot run", "correct it"),
    "a name of SQL": (model({"select": (int, pa.Field())}), "reserved word", "select_value"),
    "a name of the store": (model({"ingested_at": (int, pa.Field())}), "fills itself", "ingested_at_value"),
    "not an expression": (NotAnExpression, "returns a bool", "nw.col"),
    "a column that is not there": (UnknownColumn, "unable to find column", "correct it"),
    "no condition": (NoCondition, "neither true nor false", "compare"),
    "about all rows": (AboutAllRows, "about all rows at once", "every row"),
    "failing invariant": (Failing, "cannot be built", "narwhals expression"),
    "values that can be read only once": (
        contract(int, isin=(n for n in (3, 1))),
        "Pandera cannot build it",
        "correct",
    ),
    "broken class": (contract("NoSuchType"), "Pandera cannot build it", "correct the class"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_a_contract_that_cannot_mean_the_same_everywhere_is_refused_with_a_hint(name: str) -> None:
    made, what, hint = REFUSED[name]
    with pytest.raises(InvalidDeclaration) as refused:
        spec_of(made)
    assert what in refused.value.what
    assert hint in refused.value.next_step


@pytest.mark.parametrize(
    ("pattern", "hint"),
    [
        ("a(?=b)", "(?:...)"),
        (r"(a)\1", "not known"),
        (r"\bword\b", "not known"),
        ("a++", "write a group"),
        ("[[:alpha:]]", "escape it"),
        ("[a&&b]", "escape it"),
        ("[a", "not closed"),
        ("a{x}", r"\{"),
        ("(", "no regular expression"),
        (re.compile("a", re.IGNORECASE), "(?i)"),
        ("(?P<year>a)", "(?:...)"),
    ],
    ids=str,
)
def test_a_pattern_that_engines_read_differently_is_refused(pattern: Any, hint: str) -> None:
    with pytest.raises(ValueError, match=re.escape(hint)):
        portable(pattern)


def test_a_contract_with_such_a_pattern_is_refused_by_column() -> None:
    with pytest.raises(InvalidDeclaration, match=r"Column 'x': the pattern .*not known to every engine"):
        spec_of(contract(str, str_contains=r"\bword\b"))


@pytest.mark.parametrize(
    ("pattern", "yes", "no"),
    [
        ("^[a-z]+$", ["abc"], ["abc\n", "ab1"]),
        (r"^\d{4}$", ["2026", "٢٠٢٦"], ["2026\n", "20 6"]),
        (r"^\w+@\w+\.\w+$", ["é@b.c"], ["a b@c.d"]),
        ("^a.b$", ["a b", "a\rb"], ["a\nb"]),
        (r"^[\w.-]+$", ["a.b-c"], ["a/b"]),
        ("(?i)^straße$", ["STRAßE"], ["strasse"]),
        (r"\.(?:csv|txt)$", [], ["a.csv"]),
        (re.compile("^x"), ["xy"], ["yx"]),
    ],
    ids=str,
)
def test_a_pattern_means_what_rust_and_pandera_mean(pattern: Any, yes: list[str], no: list[str]) -> None:
    made = contract(str, str_matches=pattern)
    frame = pl.DataFrame({"x": yes + no}, schema={"x": pl.String})
    assert broken(frame, spec_of(made), "str_matches") == len(no) == len(pandera_finds(made, frame))


def test_every_storable_type_has_one_name_on_both_engines() -> None:
    names = ["int8", "int16", "int32", "int64", "float32", "float64", "bool", "string", "binary", "date", "timestamp"]
    names += ["decimal(10,2)", "decimal(38,0)"]
    for name in [*names, *(f"list<{n}>" for n in names)]:
        assert type_name(polars_type(name)) == name
        assert spark_type(name)
    assert type_name(pl.Array(pl.Float32(), 3)) == "list<float32>"
    with pytest.raises(ValueError, match="not a stored type"):
        polars_type("uint8")


def test_the_columns_say_what_their_fields_say() -> None:
    class Contract(pa.DataFrameModel):
        """One row per user.

        More about it.
        """

        user_id: int = pa.Field(description="The archive's number.")
        email: str = pa.Field(nullable=True, metadata={"pii": True})
        seconds: float = pa.Field(metadata={"unit": "s", "label_proxy": "age"})
        price: Annotated[pl.Decimal, 10, 2]
        note: str | None = pa.Field(nullable=True)

    spec = spec_of(Contract)
    assert spec.grain.startswith("One row per user.\n\nMore about it.")
    assert spec.names == ["user_id", "email", "seconds", "price", "note"]
    assert spec.pii == {"email"}
    assert [c.type for c in spec.columns] == ["int64", "string", "float64", "decimal(10,2)", "string"]
    assert [c.name for c in spec.columns if not c.required] == ["note"]
    assert (spec.by_name["seconds"].unit, spec.by_name["seconds"].label_proxy) == ("s", "age")
    assert spec.by_name["user_id"].description == "The archive's number."
    assert json.loads(json.dumps(spec.to_json())) == spec.to_json()


def test_the_digest_changes_with_every_part_of_a_contract() -> None:
    long = [f"value {i}" for i in range(40)]
    variants = [
        contract(int),
        contract(int, doc="One row per other thing."),
        contract(pl.Int32),
        contract(int, nullable=True),
        contract(int, description="said"),
        contract(int, metadata={"unit": "s"}),
        contract(int, ge=1),
        contract(int, ge=2),
        contract(int, gt=1),
        contract(str, isin=[*long, "a"]),
        contract(str, isin=[*long, "b"]),
        contract(str, str_matches="a" * 80 + "b"),
        contract(str, str_matches="a" * 80 + "c"),
        NoisyTwins.first(),
        NoisyTwins.second(),
    ]
    digests = [spec_of(v).source_hash for v in variants]
    assert len(set(digests)) == len(digests)
    assert digests == [spec_of(v).source_hash for v in variants]


class NoisyTwins:
    """Two contracts that differ inside an invariant only."""

    @staticmethod
    def first() -> Any:
        class Contract(pa.DataFrameModel):
            """One row per thing."""

            x: int

            @invariant
            def positive(cls) -> Any:
                return nw.col("x") > 0

        return Contract

    @staticmethod
    def second() -> Any:
        class Contract(pa.DataFrameModel):
            """One row per thing."""

            x: int

            @invariant
            def positive(cls) -> Any:
                return nw.col("x") > 1

        return Contract


def test_the_digest_is_the_same_in_every_process_even_for_sets() -> None:
    code = """
import pandera.polars as pa
from feature_groups.store.contract import contract_spec
class Contract(pa.DataFrameModel):
    "One row per thing."
    x: str = pa.Field(isin={"red", "green", "blue", "black", "white"})
spec = contract_spec(Contract, "it")
print(spec.source_hash, spec.rules[-1].name)
"""
    processes = [
        subprocess.Popen(
            [sys.executable, "-c", code],
            env={**os.environ, "PYTHONHASHSEED": seed, "PYTHONPATH": os.getcwd()},
            stdout=subprocess.PIPE,
            text=True,
        )
        for seed in ("1", "2")
    ]
    runs = {process.communicate()[0] for process in processes}
    assert len(runs) == 1
    assert "x isin(['black', 'blue', 'green', 'red', 'white'])" in runs.pop()


def test_a_check_named_like_a_built_in_one_is_not_taken_for_it() -> None:
    class Contract(pa.DataFrameModel):
        """One row per thing."""

        x: int

        @pa.check("x", name="greater_than")
        def own(cls, data: Any) -> Any:  # noqa: N805  # Pandera makes it a classmethod
            return data.lazyframe.select(pl.col("x") > 100)

    with pytest.raises(InvalidDeclaration, match="no form"):
        spec_of(Contract)


def test_a_stored_contract_keeps_its_own_rules_and_refuses_to_check_without_those_in_code() -> None:
    spec = spec_of(contract(int, ge=1))
    stored = ContractSpec.from_json(json.loads(json.dumps(spec.to_json())))
    assert stored.columns == spec.columns
    assert [r.name for r in stored.rules] == [r.name for r in spec.rules]
    assert stored.to_json() == spec.to_json()
    with pytest.raises(InvalidDeclaration, match=r"x greater_than_or_equal_to\(1\).*stands in code"):
        check(nw.from_native(pl.LazyFrame({"x": [0]})), stored, "it")


def test_a_stored_contract_without_own_checks_is_whole() -> None:
    spec = spec_of(contract(float))
    stored = ContractSpec.from_json(spec.to_json())
    frame = pl.DataFrame({"x": [1.0, None, float("nan")]})
    assert check(nw.from_native(frame.lazy()), stored, "it").bad_rows == 2


def test_a_contract_inferred_from_a_frame_has_its_columns_and_keys_that_are_not_null() -> None:
    spec = inferred_contract(
        {"user_id": pl.Int64(), "at": pl.Datetime("us", "UTC"), "x": pl.Float32()}, ("user_id",), "it"
    )
    assert [(c.name, c.type, c.nullable) for c in spec.columns] == [
        ("user_id", "int64", False),
        ("at", "timestamp", True),
        ("x", "float32", True),
    ]
    assert "inferred" in spec.grain
    assert spec.model == ""


@pytest.mark.parametrize(
    ("schema", "what"),
    [
        ({"x": pl.UInt8()}, "no unsigned integers"),
        ({"x": pl.Datetime("us")}, "UtcDatetime"),
        ({"x": pl.Object()}, "not storable"),
        ({"x": pl.Null()}, "not storable"),
        ({"a b": pl.Int64()}, "does not match"),
    ],
)
def test_a_frame_that_cannot_be_stored_gives_no_contract(schema: dict[str, pl.DataType], what: str) -> None:
    with pytest.raises(InvalidDeclaration, match=what):
        inferred_contract(schema, ("x",), "it")


def test_a_contract_without_any_rule_checks_nothing() -> None:
    spec = spec_of(contract(int, nullable=True))
    report = check(nw.from_native(pl.LazyFrame({"x": [1, None]})), spec, "it")
    assert (report.ok, report.rows, report.rules) == (True, 2, 0)


def test_decimals_are_compared_as_decimals() -> None:
    spec = spec_of(contract(Annotated[pl.Decimal, 10, 2], ge=Decimal("0.10")))
    frame = pl.DataFrame({"x": [Decimal("0.09"), Decimal("0.10")]}, schema={"x": pl.Decimal(10, 2)})
    assert broken(frame, spec, "greater") == 1
