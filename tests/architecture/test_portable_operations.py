"""Transforms are written once for both engines: no operation that the engines silently do differently.

`max` and `min` differ on NaN only, which contracts refuse; what a cast to text gives, each group's own tests see.
"""

from __future__ import annotations

import ast
import importlib
import inspect
import re

import pytest

from feature_groups.store import FeatureGroup
from feature_groups.store.discovery import discover

DIFFERENT = {
    "round": "halves go to even in Polars, away from zero on Spark",
    "split": "the separator is a regular expression on Spark",
    "to_titlecase": "engines disagree on what begins a word",
    "weekday": "Sunday is 7 in Polars, 0 on Spark",
    "to_string": "a timestamp's zone is written by Polars only",
    "total_seconds": "not on Spark",
    "convert_time_zone": "not on Spark",
    "timestamp": "not on Spark; epoch_seconds is the portable form",
}
"""Methods of expressions, and why they cannot be trusted."""

COMPUTED = [group for group in discover("feature_groups") if group.transform and not group.spark_transform]


def different(source: str) -> list[str]:
    """Calls of such methods inside the functions of a declaring module."""
    found = []
    for function in ast.walk(ast.parse(source)):
        for node in ast.walk(function) if isinstance(function, (ast.FunctionDef, ast.Lambda)) else ():
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr in DIFFERENT:
                separators = [a.value for a in node.args if isinstance(a, ast.Constant)]
                plain = separators and [re.escape(str(s)) for s in separators] == separators
                if node.func.attr != "split" or not plain:
                    found.append(f"line {node.lineno}: {node.func.attr}: {DIFFERENT[node.func.attr]}")
    return found


@pytest.mark.parametrize("group", COMPUTED, ids=str)
def test_no_transform_uses_what_engines_do_differently(group: FeatureGroup) -> None:
    assert group.transform is not None
    assert different(inspect.getsource(importlib.import_module(group.transform.__module__))) == []


@pytest.mark.parametrize(
    "expression", ["c.dt.weekday()", "c.round(1)", "c.str.split('|')", "c.str.split(by)", "c.dt.to_string('%H')"]
)
def test_the_lint_finds_what_is_planted(expression: str) -> None:
    assert len(different(f"def transform(rows):\n    return rows.select({expression}, c.str.split(','))\n")) == 1
