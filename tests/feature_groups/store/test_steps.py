from __future__ import annotations

import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import polars as pl
import pytest

import small_world
from feature_groups.store import connect, step_changes
from feature_groups.store import steps as steps_module
from feature_groups.store.errors import NothingWritten
from feature_groups.store.faults import POINTS
from feature_groups.store.receipts import Receipt
from feature_groups.store.step_changes import lock_hash
from feature_groups.store.steps import Decision, Steps
from small_world import FILES, PACKAGE, World, files, foretold

PROJECT = Path(__file__).parents[3]
UNCHANGED = "unchanged since"


@pytest.fixture(scope="module")
def refreshed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    """A world after its first refresh."""
    folder = tmp_path_factory.mktemp("refreshed")
    small_world.write(folder / "world", PACKAGE)
    small_world.write(folder / "data", FILES)
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(str(folder))
        patch.setattr(sys, "dont_write_bytecode", True)
        world = World(folder)
        assert world.refresh() == dict.fromkeys(["points_v1", "things_v1", "scores_v1"], "first run")
    yield world
    small_world.forget("world")


@pytest.fixture
def world(refreshed: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> World:
    """A copy of it."""
    shutil.copytree(refreshed.folder, tmp_path / "copy")
    monkeypatch.syspath_prepend(str(tmp_path / "copy"))
    monkeypatch.setattr(sys, "dont_write_bytecode", True)
    return World(tmp_path / "copy")


@pytest.fixture
def no_spark(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever asks for Spark fails."""

    def refuse(settings: object) -> None:
        raise AssertionError("Spark was asked for")

    monkeypatch.setattr("feature_groups.store.engines.session.spark_session", refuse)


def by_hand(world: World, rows: dict[str, list[int]]) -> None:
    world.store.get_or_create_feature_group(world.groups()["points_v1"]).insert(pl.DataFrame(rows))


def add_and_remove(world: World) -> None:
    by_hand(world, {"point": [9], "thing": [2], "value": [1]})
    world.store.get_or_create_feature_group(world.groups()["points_v1"]).delete_rows([{"point": 9}])


def remove_table(world: World) -> None:
    stored = world.store.get_or_create_feature_group(world.groups()["things_v1"])
    shutil.rmtree(stored.table.path)


def touch(world: World) -> None:
    os.utime(world.data / "points.csv", (time.time(), time.time() + 10))


# No change of these makes new rows, so none of these refreshes needs Spark.
IDLE: dict[str, tuple[Callable[[World, pytest.MonkeyPatch], None], dict[str, str]]] = {
    "nothing": (lambda w, p: None, {}),
    "a helper": (
        lambda w, p: w.edit("world/helpers.py", "value * FACTOR", "FACTOR * value + 0"),
        {"points_v1": "code changed: world.helpers.scaled"},
    ),
    "a comment in a helper": (lambda w, p: w.edit("world/helpers.py", "FACTOR\n", "FACTOR  # times\n"), {}),
    "a contract": (
        lambda w, p: w.edit("world/things.py", "ge=0", "ge=-1"),
        {
            "things_v1": "contract changed: things_v1 thing greater_than_or_equal_to(-1); "
            "contract changed: things_v1 thing greater_than_or_equal_to(0)"
        },
    ),
    "a raw contract": (
        lambda w, p: w.edit("world/raw.py", "colour: str", "colour: str = pa.Field(nullable=True)"),
        {"things_v1": "contract changed: raw_things colour; contract changed: raw_things colour not null"},
    ),
    "the words of a contract": (lambda w, p: w.edit("world/things.py", "ge=0", "ge=0, description='Number.'"), {}),
    "a declaration": (
        lambda w, p: w.edit("world/things.py", "static=True,", "static=True, policy='quarantine',"),
        {"things_v1": "declaration changed: policy"},
    ),
    "a description": (lambda w, p: w.edit("world/things.py", "Things.", "Some things."), {}),
    "the lock": (
        lambda w, p: p.setattr(steps_module, "lock_hash", lambda: "other"),
        dict.fromkeys(["points_v1", "things_v1", "scores_v1"], "requirements.lock changed"),
    ),
    "the store": (
        lambda w, p: p.setattr(steps_module, "REVISION", 1000),
        dict.fromkeys(["points_v1", "things_v1", "scores_v1"], "the store moved from revision 1 to 1000"),
    ),
    "a file's order": (
        lambda w, p: w.edit("data/points.csv", "1,1,10\n2,1,20\n", "2,1,20\n1,1,10\n"),
        {"points_v1": "points.csv changed"},
    ),
    "a file's time": (lambda w, p: touch(w), {}),
    "the code and the file of one step": (
        lambda w, p: (
            w.edit("world/helpers.py", "FACTOR = 2", "FACTOR = 1 + 1"),
            w.edit("data/points.csv", "1,1,10\n2,1,20\n", "2,1,20\n1,1,10\n"),
        )[0],
        {"points_v1": "code changed: world.helpers.FACTOR; points.csv changed"},
    ),
}

# These make new rows.
BUSY: dict[str, tuple[Callable[[World], None], dict[str, str]]] = {
    "a file": (
        lambda w: w.edit("data/points.csv", "3,2,30\n", "3,2,30\n4,2,40\n"),
        {"points_v1": "points.csv changed", "scores_v1": "points_v1 moved from v1 to v2"},
    ),
    "the table, by hand": (
        lambda w: by_hand(w, {"point": [9], "thing": [2], "value": [1]}),
        {"points_v1": "its table was changed from v1 to v2", "scores_v1": "points_v1 moved from v1 to v2"},
    ),
    "the table, by hand and back": (add_and_remove, {}),
    "the table is removed": (remove_table, {"things_v1": "its table is gone"}),
}


@pytest.mark.parametrize("change", IDLE)
def test_a_change_runs_exactly_the_steps_that_depend_on_it(
    change: str, world: World, monkeypatch: pytest.MonkeyPatch, no_spark: None
) -> None:
    act, expected = IDLE[change]
    act(world, monkeypatch)
    before, plan = world.versions(), world.plan()

    assert world.refresh() == expected
    foretold(plan, expected)
    assert world.versions() == before
    assert world.refresh() == {}


@pytest.mark.parametrize("change", BUSY)
def test_a_change_of_rows_also_runs_the_steps_that_read_them(change: str, world: World) -> None:
    act, expected = BUSY[change]
    act(world)
    plan = world.plan()

    assert world.refresh() == expected
    foretold(plan, expected)
    assert world.refresh() == {}


def test_a_plan_decides_no_step_that_needs_what_is_made_anew_and_shows_what_stands_already(world: World) -> None:
    world.edit("data/points.csv", "3,2,30\n", "3,2,30\n4,2,40\n")
    waits = "may run: waits for points_v1 (its content may move)"
    told = world.plan()

    assert [(step.name, step.outcome) for step in told] == [
        ("points_v1", "run"),
        ("things_v1", "skip"),
        ("scores_v1", "depends"),
    ]
    assert (told.step("points_v1").why, told.step("scores_v1").why) == ("points.csv changed", waits)
    assert "Plan of 3 steps: 1 run, 1 skip, 1 depends" in repr(told)
    assert waits in told._repr_html_()
    world.edit("world/scores.py", ".sum()", ".max()")
    assert world.plan().step("scores_v1").why == "code changed: world.scores.transform"  # whatever its points will be
    assert world.plan(["scores_v1", "things_v1"]).step("scores_v1").outcome == "run"


def test_a_plan_of_a_lake_that_is_not_there_makes_none_and_says_first_run(world: World) -> None:
    shutil.rmtree(world.folder / "lake")
    told = world.plan()

    assert {step.why for step in told} == {"first run"}
    assert not (world.folder / "lake").exists()


def test_a_plan_leaves_no_trace(world: World) -> None:
    world.edit("world/helpers.py", "FACTOR = 2", "FACTOR = 3")
    before = files(world.folder)
    assert world.plan().step("points_v1").why == "code changed: world.helpers.FACTOR"
    assert files(world.folder) == before


def test_what_fails_as_things_stand_blocks_what_needs_it(world: World) -> None:
    (world.data / "things.csv").unlink()
    told = world.plan()

    assert [step.outcome for step in told] == ["skip", "fails", "blocked"]
    assert told.step("things_v1").why.startswith("FG501 source missing: There is no file")
    assert told.step("scores_v1").why == "waits for things_v1"


def test_rows_that_changed_code_no_longer_makes_go_and_rows_missing_from_a_delivery_stay(world: World) -> None:
    world.edit("data/things.csv", "3,green\n", "")
    assert world.refresh() == {"things_v1": "things.csv changed"}
    world.edit("world/things.py", "lambda rows: rows", "lambda rows: rows.head(100)")
    assert world.refresh() == {"things_v1": "code changed: world.things.<lambda>"}
    assert len(world.rows("things_v1")) == 3  # the source may shrink

    world.edit(
        "world/points.py", 'return rows.select("point"', 'return rows.filter(nw.col("point") > 1).select("point"'
    )
    assert set(world.refresh()) == {"points_v1", "scores_v1"}
    assert world.rows("points_v1") == [(2, 1, 40), (3, 2, 60)]
    assert world.rows("scores_v1") == [(1, 40), (2, 60)]
    newest = world.store.get_or_create_feature_group(world.groups()["points_v1"]).history()[0]
    assert (newest.version, newest.inserted, newest.updated, newest.deleted) == (2, 0, 0, 1)
    assert newest.why == "code changed: world.points.transform"


def test_the_reason_says_since_when_nothing_changed(world: World) -> None:
    decision = world.decide("points_v1")

    assert not decision.run
    assert decision.why == f"{UNCHANGED} {decision.previous['recorded_at'][:16].replace('T', ' ')} UTC"


def test_a_decision_names_what_it_will_consume(world: World) -> None:
    inputs = world.decide("scores_v1").inputs

    assert {name: found["version"] for name, found in inputs.items()} == {"points_v1": 1, "things_v1": 1}
    assert world.decide("points_v1").inputs["points.csv"]["bytes"] == len(FILES["points.csv"])


def test_every_retry_of_a_decision_has_one_batch_key_and_any_other_decision_another(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    keys = [world.decide("points_v1").batch_key]
    assert world.decide("points_v1").batch_key == keys[0]
    world.edit("data/points.csv", "3,2,30\n", "3,2,30\n4,2,40\n")
    keys.append(world.decide("points_v1").batch_key)
    world.edit("world/helpers.py", "FACTOR = 2", "FACTOR = 3")
    keys.append(world.decide("points_v1").batch_key)
    monkeypatch.setattr(steps_module, "lock_hash", lambda: "other")
    keys.append(world.decide("points_v1").batch_key)
    by_hand(world, {"point": [9], "thing": [2], "value": [1]})
    keys.append(world.decide("points_v1").batch_key)

    assert len(set(keys)) == 5
    assert all(key.startswith("points_v1-") and len(key) < 200 for key in keys)


def test_a_record_tells_what_the_step_wrote_and_not_what_somebody_wrote_after_it(world: World) -> None:
    world.edit("data/points.csv", "1,1,10\n2,1,20\n", "2,1,20\n1,1,10\n")
    group, steps = world.groups()["points_v1"], Steps(world.store)
    decision = steps.decide(group, world.data)
    receipt = world.store.get_or_create_feature_group(group).history()[0]
    by_hand(world, {"point": [9], "thing": [2], "value": [1]})
    steps.record(group, decision, _receipt_at(decision, receipt.version), source_rows=3)

    assert world.decide("points_v1").why == "its table was changed from v1 to v2"
    assert [record["source_rows"] for record in steps.records(group)] == [3, 3]


def _receipt_at(decision: Decision, version: int) -> Receipt:
    """The receipt of a write that found nothing new."""
    earlier = Receipt.from_json({**decision.previous["receipt"], "statistics": None})
    return replace(earlier, version=version, committed=False, inserted=0, unchanged=3)


def test_an_input_without_rows_stops_the_step_before_it_starts(world: World, tmp_path: Path) -> None:
    empty = connect(tmp_path / "empty")

    with pytest.raises(NothingWritten, match=r"It needs points_v1 and things_v1, which have no rows yet") as caught:
        Steps(empty).decide(world.groups()["scores_v1"], world.data)
    assert caught.value.next_step == "refresh them as well: SELECT=points_v1,things_v1,scores_v1"


CHILD = """
import sys
from pathlib import Path
from small_world import World

sys.path.insert(0, sys.argv[1])
World(Path(sys.argv[1])).refresh()
"""


@pytest.mark.parametrize("point", [point for point in POINTS if point.startswith("step.")])
def test_a_step_killed_around_its_record_is_taken_up_again_and_nothing_is_doubled(point: str, world: World) -> None:
    if point == "step.before_record":  # a commit lies before it
        world.edit("data/points.csv", "3,2,30\n", "3,2,30\n4,2,40\n")
        reasons = {"points_v1": "its table was changed from v1 to v2; points.csv changed"}
        reasons["scores_v1"] = "points_v1 moved from v1 to v2"
    else:
        world.edit("data/points.csv", "1,1,10\n2,1,20\n", "2,1,20\n1,1,10\n")
        reasons = {}
    paths = os.pathsep.join([str(PROJECT), str(PROJECT / "tests" / "support")])
    environment = {**os.environ, "PYTHONPATH": paths, "ALLUVIA_FAULTS": f"{point}:kill@1"}
    command = [sys.executable, "-B", "-c", CHILD, str(world.folder)]
    killed = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert killed.returncode == -9, killed.stderr

    written = world.versions()["points"]
    assert world.refresh() == reasons
    assert world.versions()["points"] == written
    assert world.refresh() == {}
    assert len(world.rows("points_v1")) == (4 if reasons else 3)
    assert len(Steps(world.store).records(world.groups()["points_v1"])) == 2


def test_the_lock_is_what_it_pins(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def hashed(text: str | None) -> str:
        if text is not None:
            (tmp_path / "requirements.lock").write_text(text)
        lock_hash.cache_clear()
        return lock_hash()

    monkeypatch.setattr(step_changes, "__file__", str(tmp_path / "store" / "steps.py"))
    monkeypatch.chdir(tmp_path)
    installed = hashed(None)
    pinned = hashed("polars==2.1.0\n    # via alluvia\n")
    assert pinned == hashed("# made by pip-compile\npolars==2.1.0\n")
    assert len({installed, pinned, hashed("polars==2.1.1\n")}) == 3
    lock_hash.cache_clear()
