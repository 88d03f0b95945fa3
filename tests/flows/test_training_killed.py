"""Training and scoring that are killed anywhere: the next run finishes, and leaves what one run would have left."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from prefect.client.orchestration import SyncPrefectClient

import training_child
from children import start
from film_lake import FilmLake, refreshed
from training_child import left, run

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("client")]

POINTS = (
    *(f"step.before_record:kill@{number}" for number in (1, 2, 3, 7, 9, 10)),
    "model_step.logged:kill@9",
    "step.after_record:kill@9",
    "dataset.moved:kill@2",
    "write.before_commit:kill@1",
    "write.after_commit:kill@1",
    "write.before_commit:kill@2",
    "write.after_commit:kill@2",
    "release.member_stored:kill@1",
    "release.member_stored:kill@3",
    "release.written:kill@1",
    "release.recorded:kill@1",
    "release.before_switch:kill@1",
    "release.after_switch:kill@1",
)
"""The tenth step that is recorded is the scoring's first; the first write is of vectors, the second of predictions."""


@pytest.fixture(scope="module")
def fresh(tmp_path_factory: pytest.TempPathFactory) -> FilmLake:
    """A refreshed lake in which nothing was trained."""
    return refreshed(tmp_path_factory.mktemp("killed") / "fresh")


@pytest.fixture(scope="module")
def uninterrupted(
    fresh: FilmLake, tmp_path_factory: pytest.TempPathFactory, client: SyncPrefectClient
) -> Mapping[str, Any]:
    made = fresh.copy(tmp_path_factory.mktemp("whole") / "lake")
    run(made.lake)
    return left(made)


@pytest.mark.parametrize("fault", POINTS)
def test_a_run_that_is_killed_anywhere_is_finished_by_the_next_one(
    fresh: FilmLake, uninterrupted: Mapping[str, Any], tmp_path: Path, fault: str
) -> None:
    made = fresh.copy(tmp_path / "lake")
    dying = start(Path(training_child.__file__), made.lake, ALLUVIA_FAULTS=fault)
    _, said = dying.communicate(timeout=550)
    assert dying.returncode == -9, said[-3000:]

    run(made.lake)

    assert left(made) == uninterrupted
    run(made.lake)
    assert left(made) == uninterrupted
