"""A package of three feature groups that tests may edit: points and things from files, scores from both."""

from __future__ import annotations

import importlib
import linecache
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from feature_groups.store import FeatureStore, connect
from feature_groups.store.discovery import discover
from feature_groups.store.feature_group import FeatureGroup
from feature_groups.store.materialize import materialize
from feature_groups.store.step_plan import Draft, Plan, draft_groups
from feature_groups.store.steps import Decision, Steps

PACKAGE: Mapping[str, str] = {
    "__init__.py": "",
    "helpers.py": """
FACTOR = 2

def scaled(value):
    return value * FACTOR
""",
    "raw.py": '''
import pandera.polars as pa
from feature_groups.store import Source

class RawPoint(pa.DataFrameModel):
    """One row per point."""
    point: int = pa.Field(ge=0)
    thing: int
    value: int

class RawThing(pa.DataFrameModel):
    """One row per thing."""
    thing: int
    colour: str

points = Source(name="raw_points", path="points.csv", contract=RawPoint)
things = Source(name="raw_things", path="things.csv", contract=RawThing, max_shrink=0.5)
''',
    "points.py": '''
import narwhals as nw
import pandera.polars as pa
from feature_groups.store import FeatureGroup
from world import raw
from world.helpers import scaled

class Contract(pa.DataFrameModel):
    """One row per point."""
    point: int = pa.Field(ge=0)
    thing: int
    value: int

def transform(rows):
    return rows.select("point", "thing", scaled(nw.col("value")).alias("value"))

v1 = FeatureGroup(name="points", version=1, description="Points.", primary_key=["point"], static=True,
                  source=raw.points, transform=transform, contract=Contract)
''',
    "things.py": '''
import pandera.polars as pa
from feature_groups.store import FeatureGroup
from world import raw

class Contract(pa.DataFrameModel):
    """One row per thing."""
    thing: int = pa.Field(ge=0)
    colour: str

v1 = FeatureGroup(name="things", version=1, description="Things.", primary_key=["thing"], static=True,
                  source=raw.things, transform=lambda rows: rows, contract=Contract)
''',
    "scores.py": '''
import narwhals as nw
import pandera.polars as pa
from feature_groups.store import FeatureGroup
from world.points import v1 as points_v1
from world.things import v1 as things_v1

class Contract(pa.DataFrameModel):
    """One row per thing with points."""
    thing: int
    score: int

def transform(points):
    return points.group_by("thing").agg(nw.col("value").sum().alias("score"))

v1 = FeatureGroup(name="scores", version=1, description="Scores.", primary_key=["thing"], static=True,
                  parents=[points_v1], transform=transform, contract=Contract, foreign_key={"thing": things_v1})
''',
}
FILES: Mapping[str, str] = {
    "points.csv": "point,thing,value\n1,1,10\n2,1,20\n3,2,30\n",
    "things.csv": "thing,colour\n1,red\n2,blue\n3,green\n",
}


def write(folder: Path, files: Mapping[str, str]) -> None:
    """Put texts into files."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, text in files.items():
        (folder / name).write_text(text)


def load(folder: Path) -> list[FeatureGroup]:
    """Import the package `world` of a folder that is on ``sys.path``, as a new process would."""
    forget("world")
    linecache.clearcache()
    assert Path(str(importlib.import_module("world").__file__)).parent == folder / "world"
    return discover("world")


def forget(package: str) -> None:
    """Let the next import of a package read its files."""
    for name in [name for name in sys.modules if name.partition(".")[0] == package]:
        del sys.modules[name]
    importlib.invalidate_caches()


def refresh(store: FeatureStore, groups: list[FeatureGroup], data: Path) -> dict[str, str]:
    """What the flow does, without Prefect; the steps that were executed, each with its reasons."""
    steps, executed = Steps(store), {}
    for group in groups:
        decision = steps.decide(group, data)
        if decision.run:
            executed[group.id] = decision.why
            made = materialize(
                store,
                group,
                data=data,
                batch_key=decision.batch_key,
                reason=decision.why,
                previous_rows=decision.previous.get("source_rows"),
                anew=decision.anew,
                starting_point=decision.starting_point,
            )
            steps.record(group, decision, made.receipt, source_rows=made.source_rows)
    return executed


def foretold(plan: Plan, executed: Mapping[str, str]) -> None:
    """A plan said of no step that it is skipped which was executed, nor that it runs which was not; nor another why."""
    for step in plan:
        if step.outcome == "depends":
            assert set(step.reasons[1:]) <= set(executed.get(step.name, "").split("; "))
        else:
            assert (step.outcome == "run") == (step.name in executed), step
        if step.outcome == "run":
            assert set(step.reasons) <= set(executed[step.name].split("; "))


def files(folder: Path) -> dict[Path, tuple[int, int]]:
    """Every file and folder below a folder, with length and time of change."""
    return {path: (path.stat().st_size, path.stat().st_mtime_ns) for path in sorted(folder.rglob("*"))}


@dataclass
class World:
    """The package, its data and its lake, all of which a test may change."""

    folder: Path

    @property
    def data(self) -> Path:
        return self.folder / "data"

    @property
    def store(self) -> FeatureStore:
        return connect(self.folder / "lake")

    def groups(self) -> dict[str, FeatureGroup]:
        return {group.id: group for group in load(self.folder)}

    def refresh(self) -> dict[str, str]:
        return refresh(self.store, load(self.folder), self.data)

    def plan(self, only: Sequence[str] = ()) -> Plan:
        """What a refresh of these groups, or of all, would do."""
        groups = self.groups()
        draft = Draft(only or list(groups))
        draft_groups(draft, connect(self.folder / "lake", look_only=True), list(groups.values()), self.data)
        return Plan(draft.steps)

    def edit(self, file: str, old: str, new: str) -> None:
        path = self.folder / file
        assert old in path.read_text()
        path.write_text(path.read_text().replace(old, new))

    def decide(self, group: str) -> Decision:
        return Steps(self.store).decide(self.groups()[group], self.data)

    def rows(self, group: str) -> list[tuple[object, ...]]:
        return sorted(self.store.get_or_create_feature_group(self.groups()[group]).read().collect().rows())

    def versions(self) -> dict[str, int]:
        stored = (self.store.get_or_create_feature_group(group) for group in self.groups().values())
        return {group.name: group.history()[0].version for group in stored}
