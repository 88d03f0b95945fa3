"""Every fault point of a training dataset: killed there, nothing is half-made, and the next creation makes it."""

from __future__ import annotations

import json
import shutil
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

import dataset_maker
from children import start
from dataset_maker import SPLIT, make
from feature_groups.store import TrainingDataset, faults
from feature_groups.store.errors import DatasetDamaged
from feature_groups.store.pins import Pins
from shop import fill, minors, opened, spine

PROGRAM = Path(dataset_maker.__file__)
POINTS = [point for point in faults.POINTS if point.startswith("dataset.")]
REBUILDING = ["dataset.restoring", "dataset.restored"]
CREATING = [point for point in POINTS if point not in REBUILDING]


@pytest.fixture(scope="module")
def lakes(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """``plain``, with groups only, and ``made``, with a dataset of which two parts are damaged."""
    folder = tmp_path_factory.mktemp("killed")
    fill(folder / "plain")
    shutil.copytree(folder / "plain", folder / "made")
    dataset = make(folder / "made")
    dataset.paths("parts/train")[0].unlink()
    dataset.paths("histories/bought")[0].write_bytes(b"nothing")
    return folder


@pytest.fixture(scope="module")
def killed(lakes: Path) -> dict[str, tuple[Path, int]]:
    """Per point the lake in which a process was killed there, and what it ended with; two at a time."""

    def run(point: str) -> tuple[Path, int]:
        lake = lakes / point
        shutil.copytree(lakes / ("made" if point in REBUILDING else "plain"), lake)
        verb = "rebuild" if point in REBUILDING else "create"
        child = start(PROGRAM, lake, verb, ALLUVIA_FAULTS=f"{point}:kill@1")
        child.communicate("go\n", timeout=300)
        return lake, child.returncode

    with ThreadPoolExecutor(2) as threads:
        return dict(zip(POINTS, threads.map(run, POINTS), strict=True))


def contents(dataset: TrainingDataset) -> list[str]:
    manifest = dataset.manifest
    return [part["content"] for part in (*manifest["parts"].values(), *manifest["histories"].values())]


def audit(lake: Path) -> None:
    """One dataset, whole and pinned once; nothing else lies about."""
    view = opened(lake).get_or_create_feature_view(minors())
    (dataset,) = view.training_datasets()
    assert dataset.number == 1
    assert all(dataset.is_whole(name) for name in dataset.files)
    assert set(dataset.files) == {"spine", "histories/bought", *(f"parts/{name}" for name in SPLIT.names)}
    assert [p.name for p in (lake / "training_datasets" / "minors_v1").iterdir()] == [dataset.folder.name]
    for group in minors().groups:
        pinned = Pins(opened(lake).metadata).pinned(group.id)
        assert list(pinned.values()) == [["training dataset minors_v1/1"]]
    assert not list((lake / "spool").iterdir())
    assert contents(view.rebuild(1)) == contents(dataset)


@pytest.mark.parametrize("point", CREATING)
def test_a_creation_that_is_killed_leaves_all_or_nothing_and_the_next_one_makes_it(
    killed: dict[str, tuple[Path, int]], point: str
) -> None:
    lake, code = killed[point]
    assert code == -9
    view = opened(lake).get_or_create_feature_view(minors())
    assert [dataset.number for dataset in view.training_datasets()] == [1] * (point == "dataset.recorded")
    assert make(lake).number == 1
    audit(lake)


@pytest.mark.parametrize("point", REBUILDING)
def test_a_rebuild_that_is_killed_is_done_by_the_next_one(killed: dict[str, tuple[Path, int]], point: str) -> None:
    lake, code = killed[point]
    assert code == -9
    dataset = opened(lake).get_or_create_feature_view(minors()).get_training_dataset(1)
    if point == "dataset.restoring":
        with pytest.raises(DatasetDamaged, match=r"fv.rebuild\(1\)"):
            dataset.history("bought")
    assert dataset.frame("test").height
    assert contents(make(lake, "rebuild")) == contents(dataset)
    audit(lake)


def test_a_creation_that_fails_leaves_nothing_and_is_tried_again(
    lakes: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    lake = tmp_path / "lake"
    shutil.copytree(lakes / "plain", lake)
    monkeypatch.setenv("ALLUVIA_FAULTS", ";".join(f"{point}:raise@1" for point in CREATING))
    monkeypatch.setattr(faults, "_passages", type(faults._passages)())
    for point in CREATING:
        with pytest.raises(ConnectionError, match=point):
            make(lake)
        assert not list((lake / "spool").iterdir())
    monkeypatch.delenv("ALLUVIA_FAULTS")
    assert make(lake).number == 1
    audit(lake)
    (manifest,) = (lake / "metadata/views/minors_v1/datasets").iterdir()
    assert json.loads(manifest.read_text())["number"] == 1


def test_pins_of_a_creation_that_died_do_not_stay_with_the_next_number(lakes: Path, tmp_path: Path) -> None:
    lake = tmp_path / "lake"
    shutil.copytree(lakes / "plain", lake)
    store = opened(lake)
    visited = store.get_feature_group("visits", 1).table
    table_id = store.writer.states.at(visited).table_id
    pins = Pins(store.metadata)
    pins.pin("visits_v1", table_id, 0, "training dataset minors_v1/1")
    pins.pin("visits_v1", table_id, 0, "somebody else")
    store.get_or_create_feature_view(minors()).create_training_dataset(spine())
    assert pins.pinned("visits_v1") == {
        (table_id, 0): ["somebody else"],
        (table_id, 1): ["training dataset minors_v1/1"],
    }
