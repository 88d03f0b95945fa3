"""Every fault point of a write, in every kind of write: interrupted there, sent again, it is done once."""

from __future__ import annotations

import os
import shutil
import time
import uuid
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import pytest

from batches import START, audit, batch, matches, opened
from children import start
from feature_groups.store import FeatureStore, Settings, StoredFeatureGroup, connect, faults
from feature_groups.store.engine import is_transient
from feature_groups.store.errors import NothingWritten
from feature_groups.store.lock import table_lock
from visits import Rows, rows_of

CHILD = Path(__file__).parent / "child.py"

POINTS = [point for point in faults.POINTS if point.startswith("write.")]
LAST = ["write.after_commit", "write.before_receipt", "write.after_receipt"]
"""Where the commit is in the log: the next attempt finds it, so a write meets one of these at most."""
OPERATIONS = ["first", "append", "merge", "overwrite", "delete", "quarantine"]


def on_the_way(operation: str) -> list[str]:
    """The points a write passes before it is committed."""
    others = {"write.created": "first", "write.quarantined": "quarantine"}
    return [p for p in POINTS if p not in LAST and others.get(p, operation) == operation]


def failing(
    monkeypatch: pytest.MonkeyPatch, group: StoredFeatureGroup, operation: str, number: int, last: str, before: Rows
) -> Rows:
    """Send one batch again and again; it fails once at every point, the state of the table is looked at each time."""
    points = [*on_the_way(operation), last]
    mode = "lost_ack" if last == "write.after_commit" else "raise"
    plan = ";".join(f"{point}:{mode if point == last else 'raise'}@1" for point in points)
    monkeypatch.setenv("ALLUVIA_FAULTS", plan)
    monkeypatch.setattr(faults, "_passages", type(faults._passages)())
    given, key = batch(operation, number), f"{operation} {number} {last}"
    after = given.after(before)
    for point in points:
        with pytest.raises(ConnectionError, match=point) as caught:
            given.write(group, key)
        assert is_transient(caught.value)
        there = after if point == last else before
        try:
            assert rows_of(group.read()) == there
        except NothingWritten:
            assert there == {}
    receipt = given.write(group, key)
    matches(receipt, before, after, given)
    assert given.write(group, key) == receipt
    monkeypatch.delenv("ALLUVIA_FAULTS")
    return after


def test_all_points_are_tried() -> None:
    assert {p for operation in OPERATIONS for p in on_the_way(operation)} | set(LAST) == set(POINTS)


def test_a_write_that_fails_at_every_point_is_done_once(
    light_store: FeatureStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    group, rows, keys, rejected = opened(light_store), {}, [], {}
    for number, operation in enumerate(OPERATIONS):
        last = LAST[number % 3]
        rows = dict(failing(monkeypatch, group, operation, number, last, rows))
        keys.append(f"{operation} {number} {last}")
        if operation == "quarantine":
            rejected[keys[-1]] = 2
        audit(group, rows, keys, rejected)
    assert not list((light_store.lake / "spool").iterdir())


@pytest.mark.slow
@pytest.mark.parametrize("operation", OPERATIONS[1:])
def test_every_write_fails_at_every_last_point_as_well(
    filled: FeatureStore, operation: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    group, rows, keys, rejected = opened(filled), dict(START), ["first"], {}
    for number, last in enumerate(LAST):
        rows = dict(failing(monkeypatch, group, operation, number, last, rows))
        keys.append(f"{operation} {number} {last}")
        if operation == "quarantine":
            rejected[keys[-1]] = 2
    audit(group, rows, keys, rejected)


KILLS = {
    "write.created": "first",
    "write.quarantined": "quarantine",
    **dict.fromkeys(LAST, "append"),
    "write.before_lock": "append",
    "write.locked": "merge",
    "write.classified": "delete",
    "write.spooled": "append",
    "write.before_commit": "overwrite",
}
"""The write that is killed at each point; only the first five have a JVM running by then."""


@dataclass(frozen=True)
class Killed:
    """A child that was killed."""

    lake: Path
    operation: str
    code: int
    said: str
    jvms: int


def _kill(lake: Path, point: str, operation: str, mark: str) -> Killed:
    child = start(CHILD, lake, operation, "0", "the batch", ALLUVIA_FAULTS=f"{point}:kill@1", ALLUVIA_TEST_MARK=mark)
    _, said = child.communicate(timeout=300)
    deadline = time.monotonic() + 30
    while (left := sum(1 for _ in _marked(mark))) and time.monotonic() < deadline:
        time.sleep(0.1)
    return Killed(lake, operation, child.returncode, said, left)


def _marked(mark: str) -> Iterator[str]:
    """Processes that inherited a variable from the child, as its JVM does."""
    for entry in Path("/proc").iterdir():
        if not entry.name.isdigit():
            continue
        try:
            if mark.encode() in (entry / "environ").read_bytes():
                yield entry.name
        except OSError:
            continue


@pytest.fixture(scope="module")
def killed(filled_lake: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Killed]:
    """One killed child per point, two at a time."""
    folder = tmp_path_factory.mktemp("killed")

    def run(item: tuple[str, str]) -> tuple[str, Killed]:
        point, operation = item
        lake = folder / point
        if operation != "first":
            shutil.copytree(filled_lake, lake)
        return point, _kill(lake, point, operation, uuid.uuid4().hex)

    with ThreadPoolExecutor(2) as threads:
        return dict(threads.map(run, KILLS.items()))


@pytest.mark.parametrize("point", POINTS)
def test_a_write_that_is_killed_and_sent_again_is_done_once(killed: dict[str, Killed], point: str) -> None:
    found = killed[point]
    assert found.code == -9, found.said
    assert found.jvms == 0
    group = opened(connect(found.lake, settings=Settings(engine="polars", lock_timeout=1)))
    given = batch(found.operation, 0)
    before = {} if found.operation == "first" else START
    keys = [] if found.operation == "first" else ["first"]
    committed = point in LAST
    if found.operation != "first":
        assert rows_of(group.read()) == (given.after(before) if committed else before)
    receipt = given.write(group, "the batch")
    matches(receipt, before, given.after(before), given)
    audit(group, given.after(before), [*keys, "the batch"], {"the batch": 2} if given.rejected else {})
    assert not list((found.lake / "spool").iterdir())


def test_a_dead_holder_of_the_lock_blocks_nobody(killed: dict[str, Killed]) -> None:
    lake = killed["write.locked"].lake
    with table_lock(lake / "locks" / "visits_v1.lock", timeout=0.1, who="the next one", where="a test"):
        pass


@pytest.mark.slow
@pytest.mark.timeout(3600)
@pytest.mark.parametrize("number", range(20))
def test_a_write_killed_at_any_moment_is_done_once(filled: FeatureStore, number: int) -> None:
    """The whole process group dies, JVM and all, or Python alone; at moments spread over the life of a write."""
    operation = ["append", "merge", "overwrite", "delete"][number % 4]
    mark = uuid.uuid4().hex
    child = start(CHILD, filled.lake, operation, "0", "the batch", ALLUVIA_TEST_MARK=mark)
    time.sleep(2 + number * 0.6)
    victims = [child.pid, *(map(int, _marked(mark)) if number % 2 else ())]
    for victim in victims:
        try:
            os.kill(victim, 9)
        except ProcessLookupError:
            continue
    child.communicate()
    deadline = time.monotonic() + 30
    group, given = opened(filled), batch(operation, 0)
    receipt = given.write(group, "the batch")
    matches(receipt, START, given.after(START), given)
    audit(group, given.after(START), ["first", "the batch"], {})
    while list(_marked(mark)) and time.monotonic() < deadline:
        time.sleep(0.1)
    assert not list(_marked(mark))
