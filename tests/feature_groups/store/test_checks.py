from __future__ import annotations

import json
from collections import Counter
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import narwhals as nw
import pandera.polars as pa
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from polars.testing import assert_frame_equal

from bounded import LONG, good_rows, odd_rows
from bounded import SPEC as BOUNDED
from feature_groups.store import FeatureGroup, UtcDatetime, invariant
from feature_groups.store.batch import Batch, Rows, checked
from feature_groups.store.checks import MAX_FINDINGS, Finding, Report, check, failing, passing
from feature_groups.store.contract import contract_spec
from feature_groups.store.engines.polars import PolarsEngine
from feature_groups.store.errors import AlluviaError, ContractViolated, DuplicateKeys, TooManyRejected
from feature_groups.store.table import Table

NOON = datetime(2026, 1, 1, 12, tzinfo=UTC)
CANARY = "canary-91c2@example.org"


class Contract(pa.DataFrameModel):
    """One row per user and instant."""

    user_id: int = pa.Field(ge=1)
    at: UtcDatetime
    email: str = pa.Field(str_length={"max_value": 40}, str_contains="@", metadata={"pii": True})
    low: float = pa.Field(nullable=True)
    high: float = pa.Field(nullable=True)
    colour: str = pa.Field(isin=["red", "green"], nullable=True)

    @invariant
    def low_below_high(cls) -> nw.Expr:
        return nw.col("low") <= nw.col("high")

    @invariant
    def high_without_mail(cls) -> nw.Expr:
        return (nw.col("high") < 100) | (nw.col("email") == "")


SPEC = contract_spec(Contract, "it")


def rows(*given: dict[str, Any]) -> pl.DataFrame:
    good = {"user_id": 1, "at": NOON, "email": CANARY, "low": 0.0, "high": 1.0, "colour": "red"}
    return pl.DataFrame([good | g for g in given] or None, schema=SPEC.polars_schema)


def numbered(count: int, **values: Any) -> pl.DataFrame:
    return rows(*({"user_id": i + 1, **values} for i in range(count)))


def group(**more: Any) -> FeatureGroup:
    declared: dict[str, Any] = {
        "name": "users_seen",
        "version": 1,
        "description": "Users and when they were seen.",
        "primary_key": ["user_id"],
        "event_time": "at",
        "contract": Contract,
    }
    return FeatureGroup(**(declared | more))


def taken(frame: pl.DataFrame, foreign: dict[str, pl.DataFrame] | None = None, **more: Any) -> Batch:
    """The batch that a group with these policies makes of the rows."""
    declared = group(**more)
    assert declared.spec is not None
    engine = PolarsEngine()
    keys = {c: nw.from_native(k.lazy()) for c, k in (foreign or {}).items()}
    given = Rows(engine, nw.from_native(frame.lazy()), frame.height, "polars")
    return checked(given, Table(declared, declared.spec, Path("/lake")), keys)


def stored(batch: Batch) -> pl.DataFrame:
    return PolarsEngine().collect(batch.rows.frame)


def set_aside(batch: Batch) -> pl.DataFrame:
    assert batch.rejected is not None
    return PolarsEngine().collect(batch.rejected).select(*SPEC.names, "reason")


def report_of(frame: pl.DataFrame) -> Report:
    return check(nw.from_native(frame.lazy()), SPEC, "it")


values = st.fixed_dictionaries(
    {
        "user_id": st.none() | st.integers(-1, 3),
        "email": st.sampled_from(["a@b", "ab", "", None, "x" * 50 + "@"]),
        "low": st.none() | st.sampled_from([0.0, 2.0, float("nan"), float("inf")]),
        "high": st.none() | st.sampled_from([1.0, 200.0]),
        "colour": st.sampled_from(["red", "blue", None]),
    }
)


def problems(row: dict[str, Any]) -> list[str]:
    """What is wrong with a row, said in plain Python."""
    user, mail, low, high = row["user_id"], row["email"], row["low"], row["high"]
    finite = low is None or abs(low) < float("inf")
    found = {
        "user_id not null": user is None,
        "user_id greater_than_or_equal_to(1)": user is not None and user < 1,
        "email not null": mail is None,
        "email str_length(None, 40, None)": mail is not None and len(mail) > 40,
        "email str_contains('@')": mail is not None and "@" not in mail,
        "low finite": not finite,
        "colour isin(['red', 'green'])": row["colour"] == "blue",
        "low_below_high": None not in (low, high) and not low <= high if low == low else high is not None,
        "high_without_mail": high == 200.0 and mail is not None and mail != "",
    }
    return sorted(name for name, broken in found.items() if broken)


@settings(max_examples=60, deadline=None)
@given(given=st.lists(values, max_size=12))
def test_a_report_counts_what_plain_python_counts(given: list[dict[str, Any]]) -> None:
    frame = rows(*given) if given else rows().clear()
    expected = Counter(name for row in given for name in problems(row))

    report = report_of(frame)

    assert {f.rule: f.count for f in report.findings} == expected
    assert (report.rows, report.bad_rows) == (len(given), sum(bool(problems(row)) for row in given))
    assert report.ok == (not expected)
    assert [f.count for f in report.findings] == sorted((f.count for f in report.findings), reverse=True)


@settings(max_examples=40, deadline=None)
@given(given=st.lists(values, min_size=1, max_size=12))
def test_passing_and_failing_rows_are_all_the_rows_and_reasons_are_complete(given: list[dict[str, Any]]) -> None:
    lazy = nw.from_native(rows(*given).lazy())
    engine = PolarsEngine()

    good = engine.collect(passing(lazy, SPEC))
    bad = engine.collect(failing(lazy, SPEC))

    expected = [row for row in given if problems(row)]
    assert good.height + bad.height == len(given)
    assert bad["reason"].to_list() == ["; ".join(sorted(problems(r), key=_declared)) for r in expected]
    assert report_of(good).ok


def _declared(rule: str) -> int:
    return [r.name for r in SPEC.rules].index(rule)


def test_rules_that_follow_from_others_are_counted_as_if_they_did_not() -> None:
    """One that follows is not looked for in good rows; in bad ones it is found like the others."""
    implied = [rule.name for rule in BOUNDED.rules if rule.implied]
    assert implied == [
        *(f"{column} finite" for column in ("both", "apart", "listed", "equal")),
        *(f"{column} in the years 1 to 9999" for column in ("within", "day")),
        *(f"{column} at most 65,536 characters" for column in ("code", "short")),
    ]
    given = odd_rows()
    broken = nw.from_native(given).select(**{rule.name: rule.fails().fill_null(value=False) for rule in BOUNDED.rules})
    expected = {name: count for name in broken.columns if (count := broken[name].sum())}

    report = check(nw.from_native(given.lazy()), BOUNDED, "it")

    assert {f.rule: f.count for f in report.findings} == expected
    assert set(implied) <= set(expected)
    assert report.bad_rows == sum(any(row) for row in broken.rows())
    assert check(nw.from_native(good_rows(3).lazy()), BOUNDED, "it").ok


@pytest.mark.parametrize("list_of", [[], [[0.5]], [[1e308, 1e308]], [[None], None, []], [[0.5], [-1e308, -1e308]]])
def test_lists_of_finite_numbers_are_good_however_large_their_sum(list_of: list[Any]) -> None:
    frame = pl.concat([good_rows(1)] * max(len(list_of), 1))[: len(list_of)]
    given = frame.with_columns(pl.Series("numbers", list_of, dtype=pl.List(pl.Float64)))
    assert check(nw.from_native(given.lazy()), BOUNDED, "it").ok
    sliced = pl.concat([given, odd_rows()], rechunk=True)[: given.height]
    assert check(nw.from_native(sliced.lazy()), BOUNDED, "it").ok


def test_the_limit_of_a_text_is_in_characters_not_in_bytes() -> None:
    texts = ["é" * 65_536, "é" * 65_537, LONG]
    given = good_rows(3).with_columns(pl.Series("text", texts))
    (finding,) = check(nw.from_native(given.lazy()), BOUNDED, "it").findings
    assert (finding.rule, finding.count) == ("text at most 65,536 characters", 2)


def test_samples_are_few_distinct_short_and_of_the_rules_columns() -> None:
    frame = rows(*({"user_id": 1, "colour": f"blue {i // 2} " + "x" * 200} for i in range(100)))
    (finding,) = report_of(frame).findings
    assert finding.count == 100
    assert len(finding.samples) == 5 == len(set(finding.samples))
    assert all(len(s) <= 60 for s in finding.samples)
    pair = report_of(rows({"low": 3.0, "high": 1.0})).findings[0]
    assert pair.samples == ("(1.0, 3.0)",)


def test_a_huge_text_is_refused_in_a_small_message() -> None:
    with pytest.raises(ContractViolated) as refused:
        taken(rows({"colour": "A" * 2**24}))
    assert "colour at most 65,536 characters" in refused.value.what
    assert len(str(refused.value)) < 1_000


def test_samples_show_control_characters_escaped() -> None:
    report = report_of(rows({"colour": "\u202ered\n\x00"}))
    assert report.findings[0].samples == (r"'\u202ered\n\x00'",)


def test_a_report_is_bounded_however_many_rules_break() -> None:
    names = [f"c{i}" for i in range(300)]
    body = {n: pa.Field(ge=0) for n in names}
    wide = type(
        "Wide", (pa.DataFrameModel,), {"__doc__": "One row.", "__annotations__": dict.fromkeys(names, int), **body}
    )
    frame = pl.DataFrame({n: [-1] for n in names})
    report = check(nw.from_native(frame.lazy()), contract_spec(wide, "it"), "it")
    assert len(report.findings) == 300
    assert len(report.lines()) == MAX_FINDINGS + 1
    assert report.lines()[-1] == "... and 280 more rules."
    assert len(report.to_json()["findings"]) == MAX_FINDINGS
    assert report.to_json()["more_findings"] == 280
    assert len(str(report)) < 5_000
    assert len(report._repr_html_()) < 10_000


def test_html_escapes_what_the_data_holds() -> None:
    shown = report_of(rows({"colour": "<script>alert(1)</script>"}))._repr_html_()
    assert "<script>" not in shown
    assert "&lt;script&gt;" in shown


def test_a_report_prints_what_is_wrong_and_is_plain_json() -> None:
    report = report_of(rows({}, {"user_id": 0}, {"colour": "blue"}))
    assert str(report).splitlines() == [
        "it: 2 of 3 rows (66.67%) are bad",
        "- 1 of 3 rows break user_id greater_than_or_equal_to(1), e.g. 0",
        "- 1 of 3 rows break colour isin(['red', 'green']), e.g. 'blue'",
    ]
    assert json.loads(json.dumps(report.to_json())) == report.to_json()
    assert str(report_of(rows({}))) == f"it: all 1 rows meet {len(SPEC.rules)} rules"
    assert report_of(rows({}).clear()).share == 0


PERSONAL = [
    rows({"email": CANARY + "x" * 40}),
    rows({"email": CANARY.replace("@", "")}),
    rows({"high": 200.0}),
    rows({}, {}),
]


@pytest.mark.parametrize("frame", PERSONAL, ids=["too long", "pattern", "between columns", "repeated key"])
@pytest.mark.parametrize("policy", ["strict", "quarantine", "warn"])
@pytest.mark.parametrize("key", [["user_id"], ["email"]])
def test_personal_values_are_in_no_report_error_or_statistics(frame: pl.DataFrame, policy: str, key: list[str]) -> None:
    canary = CANARY.split("@")[0]
    try:
        batch = taken(frame, policy=policy, max_rejected=1.0, primary_key=key)
    except AlluviaError as error:
        shown = f"{error} {error!r} {error.to_dict()} {error.__cause__!r} {error.__context__!r}"
    else:
        parts = (batch.report, batch.statistics)
        shown = " ".join(f"{p} {p!r} {p._repr_html_()} {json.dumps(p.to_json())}" for p in parts)
    assert canary not in shown


def test_strict_writes_nothing_and_says_all() -> None:
    with pytest.raises(ContractViolated) as refused:
        taken(rows({}, {"user_id": 0}, {"user_id": 2, "colour": "blue"}))
    assert "2 of 3 rows are bad" in refused.value.what
    assert "user_id greater_than_or_equal_to(1), e.g. 0" in refused.value.what
    assert "colour isin(['red', 'green']), e.g. 'blue'" in refused.value.what
    assert refused.value.state == "was not written"


def test_quarantine_sets_the_bad_rows_aside_with_their_reasons() -> None:
    frame = pl.concat([numbered(9), rows({"user_id": 10, "colour": "blue", "low": 2.0})])
    batch = taken(frame, policy="quarantine")
    assert_frame_equal(stored(batch), frame.head(9))
    assert set_aside(batch)["reason"].to_list() == ["colour isin(['red', 'green']); low_below_high"]
    assert (batch.received, batch.rejected_count, batch.rows.count, batch.duplicates) == (10, 1, 9, 0)


def test_quarantine_takes_rows_that_no_table_could_hold() -> None:
    frame = pl.concat([numbered(9), rows({"user_id": None}), rows({"user_id": 11, "low": float("nan")})])
    batch = taken(frame, policy="quarantine", max_rejected=0.5)
    assert set_aside(batch)["reason"].to_list() == ["user_id not null", "low finite; low_below_high"]


def test_quarantine_accepts_a_share_of_bad_rows_and_not_one_more() -> None:
    frame = pl.concat([numbered(8), numbered(2, colour="blue").with_columns(pl.col("user_id") + 8)])
    assert taken(frame, policy="quarantine", max_rejected=0.2).rejected_count == 2
    with pytest.raises(TooManyRejected, match=r"2 of 10 rows \(20.0%\) are bad; 19.0% is accepted"):
        taken(frame, policy="quarantine", max_rejected=0.19)


def test_quarantine_sets_all_rows_of_a_repeated_key_aside() -> None:
    frame = pl.concat([numbered(8), rows({"user_id": 3, "low": 0.5}), rows({"user_id": 9, "colour": "blue"})])
    batch = taken(frame, policy="quarantine", max_rejected=0.3)
    assert sorted(stored(batch)["user_id"]) == [1, 2, 4, 5, 6, 7, 8]
    assert sorted(set_aside(batch).select("user_id", "reason").rows()) == [
        (3, "key repeated in the batch"),
        (3, "key repeated in the batch"),
        (9, "colour isin(['red', 'green'])"),
    ]
    assert (batch.rejected_count, batch.report.bad_rows, batch.duplicates) == (3, 3, 0)
    with pytest.raises(TooManyRejected):
        taken(frame, policy="quarantine", max_rejected=0.2)


def test_warn_writes_bad_rows_but_none_that_engines_disagree_on() -> None:
    batch = taken(rows({"colour": "blue"}), policy="warn")
    assert (batch.rows.count, batch.report.bad_rows, batch.rejected) == (1, 1, None)
    with pytest.raises(ContractViolated, match="low finite") as refused:
        taken(rows({"colour": "blue"}, {"user_id": 2, "low": float("inf")}), policy="warn")
    assert "colour" not in refused.value.what


def test_rows_with_one_key_are_refused_with_their_count_and_the_worst() -> None:
    frame = pl.concat([numbered(5), numbered(2, low=0.5), rows({"low": 0.75})])
    with pytest.raises(DuplicateKeys) as refused:
        taken(frame)
    assert "5 rows share 2 keys (user_id, at); e.g. ('1', '2026-01-01 12:00:00+00:00') x3" in refused.value.what


def test_keys_that_only_look_alike_are_different() -> None:
    mails = ["a@b", " a@b", "A@b", "a@b ", "e\u0301@b", "\u00e9@b", "a@b\x00"]
    batch = taken(rows(*({"email": m} for m in mails)), primary_key=["email"])
    assert batch.rows.count == len(mails)


@settings(max_examples=25, deadline=None)
@given(
    given=st.lists(
        st.tuples(st.integers(1, 3), st.integers(0, 2), st.none() | st.integers(0, 3)), min_size=1, max_size=12
    )
)
def test_the_latest_row_of_a_key_is_by_sequence_then_by_position(given: list[tuple[int, int, int | None]]) -> None:
    frame = rows(
        *(
            {"user_id": user, "at": NOON + timedelta(seconds=second), "low": float(place), "high": n}
            for place, (user, second, n) in enumerate(given)
        )
    )
    frame = frame.with_columns(pl.col("high") + 50)
    by_position = {(u, s): float(p) for p, (u, s, _) in enumerate(given)}
    order = sorted(enumerate(given), key=lambda item: (item[1][2] is not None, item[1][2] or 0, item[0]))
    by_sequence = {(u, s): float(p) for p, (u, s, _) in order}
    second = ((pl.col("at") - NOON).dt.total_seconds()).alias("s")

    for wanted, more in ((by_position, {}), (by_sequence, {"sequence": "high"})):
        batch = taken(frame, keep="latest", **more)
        found = {(u, s): low for u, s, low in stored(batch).select("user_id", second, "low").rows()}
        assert found == wanted
        assert batch.duplicates == len(given) - len(wanted)


def test_values_of_a_foreign_key_must_occur_there_and_null_is_no_value() -> None:
    parent = group(name="colours", primary_key=["colour"], contract=NotNullColour)
    known = pl.DataFrame({"colour": ["red", "red", "black"]})
    batch = taken(rows({}, {"user_id": 2, "colour": None}), {"colour": known}, foreign_key={"colour": parent})
    assert stored(batch).columns == SPEC.names
    with pytest.raises(ContractViolated, match=r"1 of 2 rows break colour exists in colours.v1, e.g. 'green'"):
        taken(rows({}, {"user_id": 2, "colour": "green"}), {"colour": known}, foreign_key={"colour": parent})
    kept = taken(
        pl.concat([numbered(9), rows({"user_id": 10, "colour": "green"})]),
        {"colour": known},
        foreign_key={"colour": parent},
        policy="quarantine",
    )
    assert set_aside(kept).select("user_id", "reason").rows() == [(10, "colour exists in colours.v1")]


class NotNullColour(pa.DataFrameModel):
    """One row per colour and instant."""

    colour: str
    at: UtcDatetime


class Partitioned(pa.DataFrameModel):
    """One row per user and country."""

    user_id: int
    country: str = pa.Field(nullable=True)


@pytest.mark.parametrize("value", ["", "__HIVE_DEFAULT_PARTITION__", "x" * 41, "x" * 300])
def test_text_that_names_no_folder_is_refused_in_a_partition_column(value: str) -> None:
    declared = FeatureGroup(
        name="homes",
        version=1,
        description="Homes.",
        primary_key=["user_id"],
        static=True,
        partition_by=["country"],
        contract=Partitioned,
    )
    assert declared.spec is not None
    table = Table(declared, declared.spec, Path("/lake"))

    def batch(*values: str | None) -> Batch:
        frame = pl.DataFrame({"user_id": range(len(values)), "country": values}, schema=declared.spec.polars_schema)
        return checked(Rows(PolarsEngine(), nw.from_native(frame.lazy()), frame.height, ""), table, {})

    assert batch("de", None, "a/b", "x" * 40, "ä=ö%&").rows.count == 5
    with pytest.raises(ContractViolated, match="country names a partition"):
        batch("de", value)


def test_the_same_content_has_one_hash_in_any_order_and_other_content_another() -> None:
    frame = pl.concat([numbered(9), rows({"user_id": 10, "colour": "blue"})])
    one = taken(frame, policy="quarantine")
    assert taken(frame.reverse(), policy="quarantine").content_hash == one.content_hash
    other = frame.with_columns(
        pl.when(pl.col("user_id") == 10).then(pl.lit("black")).otherwise("colour").alias("colour")
    )
    assert taken(other, policy="quarantine").content_hash != one.content_hash
    assert taken(frame.head(9), policy="quarantine").content_hash != one.content_hash


def test_a_finding_and_a_report_are_values() -> None:
    assert Report("it", 1, 1, (Finding("x", 1),), 2) == Report("it", 1, 1, (Finding("x", 1),), 2)
    assert Report("it", 4, 1, (), 2).share == 0.25
