"""Check a contract on five million rows: one aggregation against Pandera's own engines."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping
from datetime import date, datetime
from typing import TYPE_CHECKING, Any

import narwhals as nw
import pandera.errors
import pandera.polars as pa
import polars as pl

from benchmarks.lake import SPARK_TYPES, scratch_home, session
from benchmarks.measure import Row, Work, alternate, versus
from benchmarks.report import main
from benchmarks.rows import Contract, purchase_rows, purchases, with_bad_cells
from feature_groups.store import Settings
from feature_groups.store.checks import Report, check

if TYPE_CHECKING:
    from pyspark.sql import DataFrame

ROWS = 5_000_000
WARM_UP = 200_000
POLARS_LIMIT, SPARK_LIMIT = 1.1, 1 / 1.4

Found = Counter[tuple[str, str]]
"""Bad rows by column and check; the checks under one name for both sides."""

_NAMES = {
    "not null": "not_nullable",
    "greater_than_or_equal_to": "ge",
    "less_than_or_equal_to": "le",
    "less_than": "lt",
}


def rows() -> list[Row]:
    """The same frame on Polars and on Spark, with some bad cells, each against its own Pandera."""
    good = purchase_rows(ROWS)
    frame = with_bad_cells(good)
    with scratch_home() as settings:
        return [*_on_spark(settings, good, frame), _on_polars(frame)]


def _on_polars(frame: pl.DataFrame) -> Row:
    found: dict[str, Found] = {}

    def ours(_: int) -> Work:
        return lambda: found.update(ours=_of_report(_check(frame.lazy())))

    def theirs(_: int) -> Work:
        return lambda: found.update(theirs=_of_pandera(frame))

    for way in (ours, theirs):
        way(0)()
    spent = alternate({"ours": ours, "theirs": theirs}, repeats=5)
    return versus(
        "contract check of 5 M x 10 rows on Polars, with counts and examples",
        spent["ours"],
        "pandera.polars, eager, lazy=True",
        spent["theirs"],
        limit=POLARS_LIMIT,
        same=found["ours"] == found["theirs"],
        note=_note(found["ours"], "median of 5, after one each; equal counts by column and check"),
    )


def _on_spark(settings: Settings, good: pl.DataFrame, frame: pl.DataFrame) -> list[Row]:
    spark = session(settings.model_copy(update={"engine": "spark"}))  # as for rows that Polars cannot hold
    paths = {}
    for name, some in (("good", good), ("bad", frame), ("little", frame.head(WARM_UP))):
        paths[name] = settings.home / f"{name}.parquet"
        some.write_parquet(paths[name], compression="lz4", row_group_size=500_000)
    model = _spark_model()
    found: dict[str, Any] = {}

    def read(name: str) -> DataFrame:
        return spark.read.schema(SPARK_TYPES).parquet(str(paths[name]))

    def ours(name: str) -> Work:
        return lambda: found.update(ours=_of_report(_check(read(name))))

    def theirs(name: str) -> Work:
        return lambda: found.update(theirs=_of_pandera_spark(model, read(name)))

    for _ in range(2):
        for way in (ours, theirs):
            way("little")()

    def line(name: str, what: str, limit: float | None, note: str) -> Row:
        spent = alternate({"ours": lambda _: ours(name), "theirs": lambda _: theirs(name)})
        expected = _of_report(_check({"good": good, "bad": frame}[name].lazy()))
        return versus(
            f"contract check of 5 M x 10 rows on Spark, {what}",
            spent["ours"],
            "pandera.pyspark, .errors read: which checks failed, no counts",
            spent["theirs"],
            limit=limit,
            same=found["ours"] == expected and set(expected) == found["theirs"],
            note=_note(expected, f"median of 3, after two of {WARM_UP:,} rows each; {note}"),
        )

    same = "our counts equal Polars', and both name the same checks"
    early = "every check of theirs ends at its first bad row and tells no more, ours counts to the end"
    return [
        line("good", "all rows good: the everyday case", SPARK_LIMIT, same),
        line("bad", "with counts and examples of bad rows", None, f"{same}; {early}"),
    ]


def _note(found: Found, more: str) -> str:
    return f"{found.total()} bad cells; {more}"


def _check(frame: Any) -> Report:
    assert purchases.spec is not None
    return check(nw.from_native(frame), purchases.spec, "the benchmark's rows")


def _of_report(report: Report) -> Found:
    """What our report counts, e.g. of the rule ``amount in_range(0.0, 10000.0, True, True)``."""
    found = Found()
    for finding in report.findings:
        assert finding.samples, finding
        column, _, rule = finding.rule.partition(" ")
        found[column, _check_name(rule)] += finding.count
    return found


def _of_pandera(frame: pl.DataFrame) -> Found:
    try:
        Contract.validate(frame, lazy=True)
    except pandera.errors.SchemaErrors as error:
        cases = error.failure_cases.group_by("column", "check").len()
        return Found({(column, _check_name(name)): n for column, name, n in cases.rows()})
    return Found()


def _of_pandera_spark(model: Any, frame: DataFrame) -> set[tuple[str, str]]:
    errors: Mapping[str, Any] = model.validate(frame).pandera.errors
    found = set()
    for kind in errors.values():
        for several in kind.values():
            found |= {(error["column"], _check_name(error["check"])) for error in several}
    return found


def _check_name(text: str) -> str:
    name = re.split(r"\(", text)[0].strip()
    return _NAMES.get(name, name)


def _spark_model() -> Any:
    """The same contract for pandera.pyspark; its import needs pandas 2."""
    import pandera.pyspark as ps
    from pyspark.sql import types as t

    types = {
        "user_id": t.LongType(),
        "bought_at": t.TimestampType(),
        "amount": t.DoubleType(),
        "quantity": t.IntegerType(),
        "country": t.StringType(),
        "product": t.StringType(),
        "rating": t.FloatType(),
        "returned": t.BooleanType(),
        "shipped_on": t.DateType(),
        "weights": t.ArrayType(t.DoubleType()),
    }
    columns = {}
    for name, column in Contract.to_schema().columns.items():
        checks = [_spark_check(ps, check) for check in column.checks]
        columns[name] = ps.Column(types[name], checks, nullable=column.nullable)
    return ps.DataFrameSchema(columns)


def _spark_check(ps: Any, made: pa.Check) -> Any:
    """The same built-in check, by its name and its own arguments."""
    given = {
        name: value.replace(tzinfo=None) if isinstance(value, datetime) else value
        for name, value in made.statistics.items()
    }
    assert not any(isinstance(value, date) and value.year < 1970 for value in given.values())
    return getattr(ps.Check, made.name)(**given)


if __name__ == "__main__":
    main(rows)
