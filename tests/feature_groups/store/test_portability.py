"""What Polars and Spark do differently is found in transforms, and what to write instead is the same on both."""

from __future__ import annotations

import ast
import dataclasses
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import narwhals as nw
import polars as pl
import pytest

from feature_groups import user_history
from feature_groups.store import FeatureStore
from feature_groups.store.errors import InvalidDeclaration
from feature_groups.store.portability import differences, found
from feature_groups.store.portable import epoch_seconds
from feature_groups.store.transforms import transformed

START = datetime(2000, 1, 2, 3, 4, 5, 600_000, tzinfo=UTC)  # a Sunday
ROWS = pl.DataFrame(
    {
        "i": [1, 2, 3],
        "half": [0.5, -0.5, 2.5],
        "zero": [0.0, 0.0, 5.0],
        "text": ["a|b", "b", "c.d"],
        "at": [START + timedelta(days=n) for n in range(3)],
    },
    schema_overrides={"at": pl.Datetime("us", "UTC")},
)
c = nw.col
NAN = c("zero") / c("zero")

Expressions = dict[str, Callable[[nw.LazyFrame[Any]], nw.Expr]]
DIFFERENT: Expressions = {
    "round": lambda rows: c("half").round(),
    "split": lambda rows: c("text").str.split("|"),
    "weekday": lambda rows: c("at").dt.weekday().cast(nw.Int64),
    "cast": lambda rows: c("at").cast(nw.String),
    "to_string": lambda rows: c("at").dt.to_string("%H:%M:%S%.f"),
    "max": lambda rows: NAN.max(),
}
SAME: Expressions = {
    "round": lambda rows: (c("half") + 0.5).floor().cast(nw.Int64),
    "split": lambda rows: c("text").str.replace_all("|", ",", literal=True).str.split(","),
    "weekday": lambda rows: (epoch_seconds(rows, "at") // 86_400 + 3) % 7 + 1,
    "cast": lambda rows: nw.concat_str(c("i"), nw.lit("")),
    "to_string": lambda rows: c("at").dt.to_string("%Y-%m-%dT%H:%M:%S%z"),
    "max": lambda rows: NAN.fill_nan(None).max(),
}


def test_what_is_refused_differs_and_what_is_advised_does_not(light_store: FeatureStore, tmp_path: Path) -> None:
    ROWS.write_parquet(tmp_path / "rows.parquet")
    results = []
    for engine in (light_store.shop.polars, light_store.shop.spark()):
        rows = engine.files(str(tmp_path))
        made = [
            f(rows).alias(f"{kind} {name}")
            for kind, expressions in (("refused", DIFFERENT), ("advised", SAME))
            for name, f in expressions.items()
        ]
        results.append(engine.collect(rows.select(*made)).to_dict(as_series=False))
    here, there = results
    assert {name: here[name] for name in here if name.startswith("advised")} == {
        name: there[name] for name in there if name.startswith("advised")
    }
    assert [name for name in here if name.startswith("refused") and str(here[name]) == str(there[name])] == []


@pytest.mark.parametrize(
    "expression",
    [
        "c.round(1)",
        "c.str.split('|')",
        "c.str.split(by)",
        "c.str.to_titlecase()",
        "c.dt.weekday()",
        "c.dt.to_string('%H:%M:%S.%f')",
        "c.dt.to_string(format)",
        "c.dt.total_seconds()",
        "c.dt.convert_time_zone('Europe/Berlin')",
        "c.dt.timestamp('us')",
        "c.cast(nw.String)",
        "c.cast(dtype=nw.String())",
        "(c / d).max()",
        "(c.log() + 1).rank()",
        "nw.max_horizontal('a', c / d)",
    ],
)
def test_what_engines_do_differently_is_found(expression: str) -> None:
    assert len(list(found(ast.parse(f"def transform(rows):\n    return rows.select({expression})\n")))) == 1


@pytest.mark.parametrize(
    "expression",
    [
        "round(c)",
        "c.str.split(',')",
        "c.dt.to_string('%Y-%m-%d')",
        "START.timestamp()",
        "'a|b'.split('|')",
        "c.cast(nw.Int64)",
        "c.max() / d",
        "(c / d).fill_nan(None).max()",
        "(c / d).min()",
        "max(a / b, 1)",
    ],
)
def test_what_is_harmless_passes(expression: str) -> None:
    assert list(found(ast.parse(f"def transform(rows):\n    return rows.select({expression})\n"))) == []


def helped(rows: nw.LazyFrame[Any]) -> nw.LazyFrame[Any]:
    return rows.with_columns(_helper(nw.col("rating")))


def _helper(stars: nw.Expr) -> nw.Expr:
    return stars.round(1)


def test_helpers_are_looked_through_and_named_by_module_and_line() -> None:
    line = _helper.__code__.co_firstlineno + 1
    assert differences(helped, None) == [f"{__name__}, line {line}: {next(iter(found(ast.parse('c.round()'))))[1]}"]


def test_such_a_transform_runs_in_polars_and_is_refused_on_spark(light_store: FeatureStore, tmp_path: Path) -> None:
    group = dataclasses.replace(user_history.v1, transform=helped)
    pl.DataFrame({"rating": [2.5]}).write_parquet(tmp_path / "rows.parquet")
    here, there = (e.files(str(tmp_path)) for e in (light_store.shop.polars, light_store.shop.spark()))

    assert transformed(group, here).collect_schema().names() == ["rating"]
    with pytest.raises(InvalidDeclaration, match=r"round: halves go to the even neighbour") as refused:
        transformed(group, there)
    assert "give spark_transform=" in refused.value.next_step
    same = dataclasses.replace(group, spark_transform=helped)
    assert transformed(same, there).collect_schema().names() == ["rating"]
