"""Two processes write one group at the same time; a checker of histories looks for lost and doubled batches."""

from __future__ import annotations

import json
import threading
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import polars as pl

import two_writers
from children import start
from feature_groups.store import Settings, StoredFeatureGroup, connect
from feature_groups.store.errors import NothingWritten
from two_writers import SHARED, write
from visits import frame, in_memory, visits

COUNT = 6


@dataclass
class Checker:
    """What clients saw, and what it says about the table.

    Attributes:
        invoked: Batches that were sent.
        acknowledged: Version by batch.
        seen: Versions a reader saw, in its order.
        torn: Batches of which a reader saw one row without the other.
    """

    invoked: list[str] = field(default_factory=list)
    acknowledged: dict[str, int] = field(default_factory=dict)
    seen: list[int] = field(default_factory=list)
    torn: list[str] = field(default_factory=list)

    def read(self, group: StoredFeatureGroup) -> None:
        """Look at the newest version."""
        try:
            version = group.history(1)[0].version
            rows = in_memory(group.read(version))
        except NothingWritten:
            return
        self.seen.append(version)
        pairs = rows.filter(pl.col("user_id") != SHARED[0]).group_by("name").len()
        self.torn += pairs.filter(pl.col("len") != 2)["name"].to_list()

    def verdict(self, present: Sequence[str]) -> dict[str, list[str]]:
        """Batches by what is wrong with them."""
        times = Counter(present)
        return {
            "lost": sorted(set(self.acknowledged) - set(present)),
            "doubled": sorted(name for name, n in times.items() if n > 1),
            "unexplained": sorted(set(present) - set(self.invoked)),
            "torn": self.torn,
            "two batches one version": [n for v, n in Counter(self.acknowledged.values()).items() if n > 1],
            "backwards": [str(a) for a, b in zip(self.seen, self.seen[1:], strict=False) if b < a],
        }


def test_the_checker_finds_what_it_looks_for() -> None:
    checker = Checker(["a", "b", "c"], {"a": 1, "b": 2, "c": 2}, seen=[1, 3, 2], torn=["c"])
    assert checker.verdict(["a", "a", "c", "d"]) == {
        "lost": ["b"],
        "doubled": ["a"],
        "unexplained": ["d"],
        "torn": ["c"],
        "two batches one version": [2],
        "backwards": ["3"],
    }


def test_two_processes_lose_and_double_nothing(tmp_path: Path) -> None:
    lake, checker = tmp_path / "lake", Checker()
    child = start(Path(two_writers.__file__), lake, "child", "1000", str(COUNT))
    group = connect(lake, settings=Settings(engine="polars")).get_or_create_feature_group(visits())
    group.insert(frame({SHARED: (0.0, "start", None)}))
    assert child.stdin is not None
    assert child.stdout is not None
    assert json.loads(child.stdout.readline()) == "ready"
    done = threading.Event()

    def watch() -> None:
        while not done.wait(0.2):
            checker.read(group)

    watcher = threading.Thread(target=watch)
    watcher.start()
    child.stdin.write("go\n")
    child.stdin.flush()
    for number in range(2000, 2000 + COUNT):
        checker.invoked.append(f"main {number}")
        name, version = write(group, "main", number)
        checker.acknowledged[name] = version
    said, complaints = child.communicate(timeout=300)
    done.set()
    watcher.join()
    assert child.returncode == 0, complaints
    for kind, *what in map(json.loads, said.splitlines()):
        if kind == "invoke":
            checker.invoked.append(what[0])
        else:
            checker.acknowledged[what[0]] = what[1]

    assert len(checker.acknowledged) == 2 * COUNT
    changes = in_memory(group.read_changes(1))
    present = changes.filter((pl.col("user_id") != SHARED[0]) & (pl.col("_change_type") == "insert"))["name"]
    assert not {k: v for k, v in checker.verdict(present.to_list()[::2]).items() if v}
    rows = in_memory(group.read())
    assert rows.height == 1 + 2 * len(checker.acknowledged)
    shared = [name for name in checker.acknowledged if int(name.split()[1]) % 6 == 0]
    last = max(shared, key=lambda name: checker.acknowledged[name])
    assert rows.filter(pl.col("user_id") == SHARED[0])["name"].item() == last
    versions = sorted(checker.acknowledged.values())
    assert versions == list(range(2, 2 + len(versions)))
    assert {c.batch_key: c.version for c in group.history(len(versions))} == checker.acknowledged
    state = group._store.writer.states
    assert state.at(group.table).fingerprint == state.computed(group.table, versions[-1]).fingerprint
