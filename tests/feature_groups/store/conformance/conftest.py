"""The story: one history of writes per engine, made once, that the tests of writing, reading and changes look at."""

from __future__ import annotations

import functools
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import polars as pl
import pytest

from feature_groups.store import FeatureStore, Receipt, Settings, StoredFeatureGroup, connect
from visits import Rows, frame, keys, users, visits

A: Rows = {
    (1, 0): (1.0, "Ada", ["x", "y"]),
    (1, 5): (2.0, None, []),
    (2, 0): (None, "Bob", None),
    (2, 7): (0.1, "", [""]),
    (3, 60): (-0.0, "Çetin \x00 '\"", ["ü", "\x00"]),
    (4, 0): (5.0, "Dan", ["only"]),
}
MIXED: Rows = {
    (1, 5): (2.5, None, []),  # another score
    (2, 0): (None, "Bob", ["now"]),  # NULL becomes a list
    (3, 60): (0.0, "Çetin \x00 '\"", ["ü", "\x00"]),  # -0.0 and 0.0 are the same number
    (4, 0): (5.0, "Dan", ["only"]),
    (5, -90): (7.0, "Eve", ["new"]),
}
B: Rows = {(9, 30): (9.0, "Ian", None), (4, 0): (4.5, "Dan", ["only"]), (5, -90): (7.0, "Eve", ["new"])}


@dataclass(frozen=True)
class Step:
    """One write of the story.

    Attributes:
        operation: insert, overwrite or delete.
        given: The frame handed over.
        receipt: What the store answered.
        rows: What the table holds afterwards.
        counts: Rows inserted, updated, unchanged, deleted.
    """

    operation: str
    given: pl.DataFrame
    receipt: Receipt
    rows: Rows
    counts: tuple[int, int, int, int]


@dataclass(frozen=True)
class Story:
    """A group and everything that was done to it."""

    store: FeatureStore
    group: StoredFeatureGroup
    steps: tuple[Step, ...]

    @property
    def versions(self) -> dict[int, Rows]:
        """The rows at every version."""
        return {0: {}} | {step.receipt.version: step.rows for step in self.steps}

    @property
    def rows(self) -> Rows:
        """The rows of the newest version."""
        return self.steps[-1].rows


@pytest.fixture(scope="session")
def stories(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Story]:
    """The story by engine, made when first asked for."""
    return functools.cache(lambda engine: tell(tmp_path_factory.mktemp("story"), engine))


@pytest.fixture
def story(stories: Callable[[str], Story], engine: str) -> Story:
    """A, A again, changes, deletions, B in A's place, then some of A beside it; written with every engine."""
    return stories(engine)


@pytest.fixture
def light_story(stories: Callable[[str], Story]) -> Story:
    """The same, for what does not depend on the engine that wrote it."""
    return stories("polars")


@pytest.fixture
def copied(light_story: Story, tmp_path: Path) -> tuple[StoredFeatureGroup, Path]:
    """The group in a copy of the story's lake, without statistics, and its table's folder; to be damaged."""
    shutil.copytree(light_story.store.lake, tmp_path / "lake")
    shutil.rmtree(tmp_path / "lake" / "metadata" / "groups" / "visits_v1" / "statistics", ignore_errors=True)
    group = connect(tmp_path / "lake", settings=Settings(engine="polars")).get_or_create_feature_group(visits())
    return group, Path(group.table.path)


def tell(lake: Path, engine: str) -> Story:
    """Make the story."""
    store = connect(lake, settings=Settings(engine=engine))
    group = store.get_or_create_feature_group(visits())
    steps: list[Step] = []

    def step(operation: str, given: pl.DataFrame, rows: Rows, *counts: int) -> None:
        reason = f"step {len(steps)}"
        if operation == "delete":
            receipt = group.delete_rows(given, batch_key=reason, reason=reason)
        else:
            receipt = group.insert(given, overwrite=operation == "overwrite", batch_key=reason, reason=reason)
        steps.append(Step(operation, given, receipt, rows, (counts[0], counts[1], counts[2], counts[3])))

    step("insert", frame(A), A, 6, 0, 0, 0)
    step("insert", frame(A).reverse(), A, 0, 0, 6, 0)
    mixed = {**A, **MIXED}
    step("insert", frame(MIXED), mixed, 1, 2, 2, 0)
    left = {key: values for key, values in mixed.items() if key[0] != 1 and key != (2, 7)}
    if engine == "polars":
        by_user = {key: values for key, values in mixed.items() if key[0] != 1}
        step("delete", users([1, 1, 77]), by_user, 0, 0, 1, 2)
        step("delete", keys([(2, 7), (2, 8)]), left, 0, 0, 1, 1)
    else:
        step("delete", keys([(1, 0), (1, 5), (2, 7), (2, 8)]), left, 0, 0, 1, 3)
    step("overwrite", frame(B), B, 1, 1, 1, 2)
    step(
        "insert", frame({key: A[key] for key in [(1, 0), (2, 7)]}), {**B, (1, 0): A[1, 0], (2, 7): A[2, 7]}, 2, 0, 0, 0
    )
    return Story(store, group, tuple(steps))
