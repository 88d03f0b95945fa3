"""A plan of 50 feature groups, each with its table and its record: after a first plan, and as a process's first one."""

from __future__ import annotations

import importlib
import sys
from pathlib import Path

from benchmarks.lake import scratch_home
from benchmarks.measure import REPEATS, Row, Spent, median, spend
from benchmarks.report import main
from feature_groups.store import FeatureGroup, FeatureStore, Settings, connect
from feature_groups.store.discovery import discover
from feature_groups.store.materialize import materialize
from feature_groups.store.step_plan import Draft, Plan, draft_groups
from feature_groups.store.steps import Steps

GROUPS, SOURCES, LIMIT = 50, 10, 1.0
_PACKAGE = "planned_groups"
_MODULE = '''
import narwhals as nw
import pandera.polars as pa
from feature_groups.store import FeatureGroup, Source
{imports}

class Raw(pa.DataFrameModel):
    """One row per id."""
    id: int
    value: int

class Contract(pa.DataFrameModel):
    """One row per id."""
    id: int = pa.Field(ge=0)
    value: int

def scaled(column):
    return column * 2

def transform(rows{more}):
    return rows.select("id", (scaled(nw.col("value")) % 1000).alias("value"))

v1 = FeatureGroup(name="{name}", version=1, description="D.", primary_key=["id"], static=True, {origin},
                  transform=transform, contract=Contract)
'''
"""A group of ten is made from a file, the others from two groups before it."""


def rows() -> list[Row]:
    """The lines of the table."""
    with scratch_home() as settings:
        folder = settings.home / "declared"
        groups = _declared(folder)
        _refreshed(connect(settings=settings), groups, folder)
        first, told = spend(lambda: _plan(settings, groups, folder))
        later = [spend(lambda: _plan(settings, groups, folder))[0] for _ in range(REPEATS)]
    right = [step.outcome for step in told] == ["skip"] * GROUPS
    return [
        _row("a plan of 50 groups, nothing changed", median(later), right, f"median of {REPEATS}, after one"),
        _row("the same, a process's first plan", first, right, "parses the source of what the steps reach"),
    ]


def _row(what: str, spent: Spent, right: bool, note: str) -> Row:  # noqa: FBT001  # a column of the table
    met = spent.cpu < LIMIT and right
    return Row(what, "", spent.cpu, None, spent.wall, None, f"< {LIMIT:g} s", met, right, note)


def _plan(settings: Settings, groups: list[FeatureGroup], folder: Path) -> Plan:
    draft = Draft([group.id for group in groups])
    draft_groups(draft, connect(settings=settings, look_only=True), groups, folder)
    return Plan(draft.steps)


def _declared(folder: Path) -> list[FeatureGroup]:
    package = folder / _PACKAGE
    package.mkdir(parents=True)
    (package / "__init__.py").write_text("")
    for number in range(GROUPS):
        name = f"g{number:02}"
        if number < SOURCES:
            (folder / f"{name}.csv").write_text("id,value\n" + "".join(f"{i},{i * number}\n" for i in range(100)))
            origin = f'source=Source(name="raw_{name}", path="{name}.csv", contract=Raw)'
            text = _MODULE.format(imports="", more="", name=name, origin=origin)
        else:
            parents = [f"g{parent:02}" for parent in (number - SOURCES, number - SOURCES + 1)]
            imports = "\n".join(f"from {_PACKAGE} import {parent}" for parent in parents)
            origin = f"parents=[{', '.join(f'{parent}.v1' for parent in parents)}]"
            text = _MODULE.format(imports=imports, more=", _", name=name, origin=origin)
        (package / f"{name}.py").write_text(text)
    sys.path.insert(0, str(folder))
    importlib.invalidate_caches()
    return discover(_PACKAGE)


def _refreshed(store: FeatureStore, groups: list[FeatureGroup], folder: Path) -> None:
    steps = Steps(store)
    for group in groups:
        decision = steps.decide(group, folder)
        done = materialize(store, group, data=folder, batch_key=decision.batch_key, reason=decision.why)
        steps.record(group, decision, done.receipt, source_rows=done.source_rows)


if __name__ == "__main__":
    main(rows)
