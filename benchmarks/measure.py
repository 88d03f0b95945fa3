"""CPU-seconds and wall seconds of a piece of work, with all it starts: the JVM and Spark's Python workers.

CPU-seconds decide, because other work on the machine stretches wall time but hardly CPU time. They are summed over
this process and all its descendants, the dead ones included, as Linux counts them (``/proc``, in hundredths).
"""

from __future__ import annotations

import gc
import os
import statistics
import time
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

REPEATS = 3
_TICK = os.sysconf("SC_CLK_TCK")
_QUIET, _LONGEST = 0.15, 6.0

Work = Callable[[], Any]
Preparation = Callable[[int], Work]
"""Gets one repetition's work ready, untimed."""


@dataclass(frozen=True)
class Spent:
    """What a piece of work took, in seconds; the CPU seconds of everything it left running shortly after it too."""

    cpu: float
    wall: float


@dataclass(frozen=True)
class Row:
    """One line of the table of results.

    Attributes:
        what: What was done.
        against: What a user would do instead; empty where there is nothing to compare with.
        ours_cpu: CPU-seconds, median.
        theirs_cpu: Likewise; None where there is nothing to compare with.
        ours_wall: Wall seconds, median.
        theirs_wall: Likewise.
        target: What it should be, in words.
        met: Whether it is; None for a line that only informs.
        same_answer: Whether both sides ended with the same rows or findings, checked in the same run.
        note: What one must know to read the line.
    """

    what: str
    against: str
    ours_cpu: float
    theirs_cpu: float | None
    ours_wall: float
    theirs_wall: float | None
    target: str
    met: bool | None
    same_answer: bool | None
    note: str = ""

    @property
    def ratio(self) -> float | None:
        """Our CPU-seconds as a share of theirs."""
        return self.ours_cpu / self.theirs_cpu if self.theirs_cpu else None

    def to_json(self) -> dict[str, Any]:
        """The line as plain JSON."""
        return {**asdict(self), "ratio": self.ratio}

    @classmethod
    def from_json(cls, stored: Mapping[str, Any]) -> Row:
        """A stored line."""
        return cls(**{k: v for k, v in stored.items() if k != "ratio"})


def versus(
    what: str, ours: Spent, against: str, theirs: Spent, *, limit: float | None, same: bool, note: str = ""
) -> Row:
    """A line that compares: met when our CPU-seconds are at most `limit` times theirs and the answers agree."""
    met = None if limit is None else ours.cpu <= limit * theirs.cpu and same
    target = "" if limit is None else f"<= {limit:.3g}x"
    return Row(what, against, ours.cpu, theirs.cpu, ours.wall, theirs.wall, target, met, same, note)


def spend(work: Work) -> tuple[Spent, Any]:
    """Do the work once and tell what it took, and what it returned."""
    gc.collect()
    settle()
    before = _others()
    own, started = _own(), time.perf_counter()
    result = work()
    wall, own = time.perf_counter() - started, _own() - own
    settle()
    return Spent(own + _others() - before, wall), result


def alternate(ways: Mapping[str, Preparation], repeats: int = REPEATS) -> dict[str, Spent]:
    """Do the same work in several ways in turn, so that each meets the same weather; the medians by way."""
    spent: dict[str, list[Spent]] = {name: [] for name in ways}
    names = list(ways)
    for repeat in range(repeats):
        for name in names[repeat % len(names) :] + names[: repeat % len(names)]:
            spent[name].append(spend(ways[name](repeat))[0])
    return {name: median(found) for name, found in spent.items()}


def median(found: list[Spent]) -> Spent:
    """The median of each figure."""
    return Spent(statistics.median(s.cpu for s in found), statistics.median(s.wall for s in found))


def cheapest(found: Mapping[str, Spent]) -> str:
    """The way with the fewest CPU-seconds."""
    return min(found, key=lambda name: found[name].cpu)


def settle() -> None:
    """Wait until nothing of ours computes any more: a JVM compiles and tidies up after its work, too."""
    before, deadline = _others(), time.monotonic() + _LONGEST
    while time.monotonic() < deadline:
        time.sleep(_QUIET)
        now = _others()
        if now - before <= 0.1 * _QUIET:
            return
        before = now


def _own() -> float:
    """CPU-seconds of this process and of its children that have ended."""
    reaped = os.times()
    return time.process_time() + reaped.children_user + reaped.children_system


def load() -> str:
    """The machine's load averages, for the reader of wall times."""
    return " ".join(f"{value:.1f}" for value in os.getloadavg())


def _others() -> float:
    """CPU-seconds of the living descendants, and of those that these have reaped."""
    return sum(sum(int(f) for f in fields[11:15]) for _, fields in descendants()) / _TICK


def descendants() -> list[tuple[int, list[str]]]:
    """Every living descendant with the fields of its ``/proc/<id>/stat`` from the third on, the state."""
    parents: dict[int, list[tuple[int, list[str]]]] = {}
    for folder in Path("/proc").iterdir():
        if folder.name.isdigit():
            try:
                fields = (folder / "stat").read_text().rpartition(")")[2].split()
            except (FileNotFoundError, ProcessLookupError):
                continue
            parents.setdefault(int(fields[1]), []).append((int(folder.name), fields))
    found: list[tuple[int, list[str]]] = []
    below = [os.getpid()]
    while below:
        children = parents.get(below.pop(), [])
        found += children
        below += [child for child, _ in children]
    return found
