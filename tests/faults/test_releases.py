"""Releases under load and under kills: whole ones only, whoever reads, wherever the maker dies."""

from __future__ import annotations

import json
import shutil
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from pathlib import Path

import pytest

import released
from children import start
from feature_groups.store import faults
from models.errors import NotBlessed
from models.model_steps import ModelSteps
from released import names, registry, release

PROGRAM = Path(released.__file__)
POINTS = [point for point in faults.POINTS if point.startswith("release.")]
SWITCHES = 300


def test_three_readers_of_hundreds_of_switches_never_see_a_mix(lake: Path) -> None:
    made = registry(lake)
    ids = [made.release(release(made, number)) for number in range(6)]
    made.promote(ids[0])
    readers = [start(PROGRAM, lake, "read") for _ in range(3)]
    for reader in readers:
        assert reader.stdout is not None
        assert reader.stdout.readline() == "ready\n"
    for number in range(1, SWITCHES + 1):
        if number % 10 == 9:
            made.rollback()
        else:
            made.promote(next(i for i in (ids[number % 6], ids[(number + 1) % 6]) if i != made.state().champion))
    said = []
    for reader in readers:
        out, err = reader.communicate("stop\n", timeout=60)
        assert reader.returncode == 0, err
        said.append(json.loads(out))
    assert made.state().number == SWITCHES + 1
    for told in said:
        assert told["mixed"] == told["backwards"] == 0
        assert told["reads"] > 20
        assert told["releases"] == 6


@pytest.fixture(scope="module")
def lakes(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """``plain``: release 1 is champion; three earlier ones and a member of none lie beside it."""
    folder = tmp_path_factory.mktemp("released")
    made = registry(folder / "plain")
    for number in (5, 4, 3, 1):
        last = made.release(release(made, number))
    made.promote(last)
    made.put(released.weights(77))
    return folder


@pytest.fixture(scope="module")
def killed(lakes: Path) -> dict[str, tuple[Path, int]]:
    """Per point the lake in which a process was killed there, and what it ended with; two at a time."""

    def run(point: str) -> tuple[Path, int]:
        lake = lakes / point
        shutil.copytree(lakes / "plain", lake)
        verb = "collect" if point == "release.collecting" else "release"
        child = start(PROGRAM, lake, verb, ALLUVIA_FAULTS=f"{point}:kill@{2 if 'member' in point else 1}")
        child.communicate(timeout=120)
        return lake, child.returncode

    with ThreadPoolExecutor(2) as threads:
        return dict(zip(POINTS, threads.map(run, POINTS), strict=True))


@pytest.mark.parametrize("point", POINTS)
def test_a_release_that_is_killed_anywhere_is_whole_or_not_there(
    killed: dict[str, tuple[Path, int]], point: str
) -> None:
    lake, code = killed[point]
    assert code == -9
    made = registry(lake)
    champion = made.champion()
    assert champion is not None
    assert names(made, champion) == ({"2"} if point == "release.after_switch" else {"1"})
    recorded = point in ("release.recorded", "release.before_switch", "release.after_switch")
    assert len(made.releases()) == 4 + recorded
    if point != "release.collecting":
        for entry in made.releases():
            assert len(names(made, made.get(entry.id))) == 1
    # The same again does what is left to do.
    released.run(lake, "collect" if point == "release.collecting" else "release")
    again = registry(lake)
    if point == "release.collecting":
        assert len(again.metadata.names(f"{again.root}/objects")) == 3
        assert len(again.metadata.names(f"{again.root}/members")) == 3
        assert again.collect(parents=0, younger=timedelta(0)).objects == ()
        return
    champion = again.champion()
    assert champion is not None
    assert names(again, champion) == {"2"}
    assert len({entry.id for entry in again.releases()}) == len(again.releases())
    assert len(again.metadata.names(f"{again.root}/objects")) == 3 * 5 + 1


def test_a_training_that_is_killed_between_its_release_and_its_record_finds_the_release_that_it_made(
    lakes: Path, tmp_path: Path
) -> None:
    lake = tmp_path / "lake"
    shutil.copytree(lakes / "plain", lake)
    dying = start(PROGRAM, lake, "step", "monday", ALLUVIA_FAULTS="step.before_record:kill@1")
    dying.communicate(timeout=120)
    assert dying.returncode == -9
    made = registry(lake)
    orphan = made.releases()[-1].id
    assert ModelSteps(made.metadata, "training/recommender").records("release") == []

    assert released.release_as_step(made, "tuesday") == orphan
    assert released.release_as_step(made, "wednesday") == orphan
    assert len(made.releases()) == 5
    assert made.get(orphan).flow_run == "monday"
    assert len(made.metadata.names(f"{made.root}/manifests")) == 5


@pytest.mark.parametrize("point", [p for p in POINTS if p != "release.collecting"])
@pytest.mark.parametrize("mode", ["raise", "lost_ack", "enospc"])
def test_a_release_that_fails_anywhere_is_done_by_the_next_attempt(
    lakes: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, point: str, mode: str
) -> None:
    lake = tmp_path / "lake"
    shutil.copytree(lakes / "plain", lake)
    monkeypatch.setenv("ALLUVIA_FAULTS", f"{point}:{mode}@1")
    monkeypatch.setattr(faults, "_passages", type(faults._passages)())
    with pytest.raises(OSError, match=r"release\.|No space"):
        released.run(lake, "release")
    released.run(lake, "release")
    made = registry(lake)
    champion = made.champion()
    assert champion is not None
    assert names(made, champion) == {"2"}
    assert [s.action for s in made.switches()] in (["promote"] * 2, ["promote"] * 3)


def test_a_refused_release_changes_nothing_for_readers(lakes: Path, tmp_path: Path) -> None:
    lake = tmp_path / "lake"
    shutil.copytree(lakes / "plain", lake)
    made = registry(lake)
    before = made.state()
    with pytest.raises(NotBlessed):
        made.promote(made.release(release(made, 8, blessed=False)))
    assert registry(lake).state() == before
