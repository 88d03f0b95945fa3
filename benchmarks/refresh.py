"""`make run` on the real data: cold, with one day more, and again when nothing has changed; its refresh by itself."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import polars as pl

from benchmarks.lake import scratch_home
from benchmarks.measure import Row, Spent, spend
from benchmarks.report import flush, main
from deployments.server import ensure_server, stop_server
from feature_groups.sources.movielens_files import read_ratings, write_ratings

DATA = Path(__file__).parents[2] / "shared" / "data" / "ml-1m"
NEWEST = 600
"""Ratings held back: about a day's worth of a busy time."""

COLD_LIMIT, DAY_LIMIT, NO_OP_LIMIT = 120.0, 20.0, 5.0
"""Seconds of the refresh alone."""
RUN_COLD_LIMIT, RUN_DAY_LIMIT = 240.0, 45.0
"""Seconds of everything."""

_PROGRAM = """
import json, sys, time
from dataclasses import asdict
from pathlib import Path
from benchmarks.measure import spend
from deployments.server import ensure_server, use_server
home, data = Path(sys.argv[1]), Path(sys.argv[2])
with use_server(ensure_server(home)):
    from flows.refresh import refresh
    from flows.scoring import scoring
    from flows.training import training
    from feature_groups.store import engines
    from feature_groups.store.engines import session
    starts = []
    start = session.start_session
    session.start_session = lambda *a, **k: starts.append(1) or start(*a, **k)
    begun = time.perf_counter()
    done = refresh(data=data, lake=home / "lake")
    refreshed = time.perf_counter() - begun
    sessions = len(starts)
    lake = home / "lake"
    def after():
        trained = training(lake=lake)
        return trained, scoring(lake=lake) if trained.release else None
    spent, (trained, scored) = spend(after)
groups = [[d.group, d.outcome, d.seconds, d.rows] for d in done]
models = [[s.name, s.outcome, s.seconds] for s in trained.steps]
models += [["scoring", scored.outcome, scored.seconds]] if scored else []
told = {"seconds": refreshed, "steps": groups, "sessions": sessions, "after": [spent.cpu, spent.wall]}
told |= {"models": models, "release": trained.release}
print("RESULT " + json.dumps(told | {"blessed": trained.blessed, "reasons": trained.reasons, "started": len(starts)}))
"""


@dataclass(frozen=True)
class Run:
    """What a refresh, a training and a scoring took in a process of their own.

    Attributes:
        spent: The whole process.
        told: What it printed: of the refresh wall ``seconds`` after imports, ``steps`` (group, outcome, seconds, rows)
            and Spark ``sessions``; of what came ``after`` it CPU-seconds and wall seconds, the steps of the ``models``
            (name, outcome, seconds), the ``release`` that serves, and whether this one was ``blessed``, else
            ``reasons``; Spark sessions ``started`` by all.
    """

    spent: Spent
    told: Mapping[str, Any]

    @property
    def ratings(self) -> int:
        """Rows of the ratings."""
        return int(next(rows for group, _, _, rows in self.told["steps"] if group == "ratings_v1"))

    @property
    def refresh(self) -> Spent:
        """The process without what came after the refresh."""
        cpu, wall = self.told["after"]
        return Spent(self.spent.cpu - cpu, self.spent.wall - wall)

    @property
    def refreshed(self) -> str:
        """Seconds of the refresh and the share of each group."""
        shares = _shares([step[:3] for step in self.told["steps"]])
        seconds, sessions = self.told["seconds"], self.told["sessions"]
        return f"{seconds:.1f} s after imports, server up; {shares}; {sessions} Spark sessions"

    @property
    def whole(self) -> str:
        """Seconds of everything and the share of each step."""
        steps = [["refresh", "run", self.told["seconds"]], *self.told["models"]]
        verdict = "blessed" if self.told["blessed"] else f"refused: {'; '.join(self.told['reasons'])}"
        return f"{sum(step[2] for step in steps):.1f} s after imports, server up; {_shares(steps)}; {verdict}"

    def quiet(self, what: str) -> bool:
        """Whether every step of the refresh (``steps``) or of the ``models`` was skipped."""
        return all(step[1] == "skipped" for step in self.told[what])


def rows() -> list[Row]:
    """Cold, one day more, nothing new; none where the real files are not there."""
    if not DATA.is_dir():
        flush(f"no real data at {DATA}: skipped")
        return []
    with scratch_home() as settings:
        home = settings.home
        before, after = _deliveries(home)
        ensure_server(home)
        try:
            cold = made_up_to_date(home, before)
            more = made_up_to_date(home, after)
            again = made_up_to_date(home, after)
        finally:
            stop_server(home)
    lines = sum(1 for _ in (DATA / "ratings.dat").open("rb"))
    increments = {group for group, outcome, _, _ in more.told["steps"] if outcome == "run"}
    derived = {"ratings_v1", "user_activity_v1", "user_history_v1", "movie_stats_v1"}
    day = f"one day more, the newest {NEWEST} ratings"
    whole, caught_up = cold.ratings == lines - NEWEST, more.ratings == lines and increments == derived
    released = bool(cold.told["blessed"] and cold.told["release"]), bool(more.told["release"])
    return [
        _row("refresh of the real data, cold to done", cold.refresh, COLD_LIMIT, cold.refreshed, same=whole),
        _row(f"refresh with {day}", more.refresh, DAY_LIMIT, more.refreshed, same=caught_up),
        _nothing_new(again),
        _row(
            "make run on the real data, cold: refresh, training, release, scoring",
            cold.spent,
            RUN_COLD_LIMIT,
            cold.whole,
            same=whole and released[0],
        ),
        _row(f"make run with {day}", more.spent, RUN_DAY_LIMIT, more.whole, same=caught_up and released[1]),
        _nothing_trained(more, again),
    ]


def _nothing_new(again: Run) -> Row:
    seconds, sessions = again.told["seconds"], again.told["sessions"]
    quiet = sessions == 0 and again.quiet("steps")
    return Row(
        "refresh again, nothing new",
        "",
        again.refresh.cpu,
        None,
        seconds,
        None,
        f"< {NO_OP_LIMIT:.0f} s after imports, no JVM",
        seconds < NO_OP_LIMIT and quiet,
        quiet,
        f"{seconds:.1f} s after imports; {sessions} Spark sessions",
    )


def _nothing_trained(before: Run, again: Run) -> Row:
    started = again.told["started"]
    quiet = started == 0 and again.quiet("steps") and again.quiet("models")
    same = quiet and again.told["release"] == before.told["release"]
    after = f"{again.told['after'][1]:.1f} s of it after the refresh"
    note = f"{again.whole}; {after}; {started} Spark sessions; the same release serves"
    what, target = "make run again, nothing new", "no step runs, no JVM"
    return Row(what, "", again.spent.cpu, None, again.spent.wall, None, target, same, same, note)


def _row(what: str, spent: Spent, limit: float, note: str, *, same: bool) -> Row:
    met = spent.wall < limit and same
    return Row(what, "", spent.cpu, None, spent.wall, None, f"< {limit:.0f} s", met, same, note)


def _shares(steps: list[list[Any]]) -> str:
    total = max(sum(seconds for _, _, seconds in steps), 0.01)
    return ", ".join(
        f"{name} {seconds:.1f} s ({seconds / total:.0%})" if outcome == "run" else f"{name} {outcome}"
        for name, outcome, seconds in steps
    )


def _deliveries(home: Path) -> tuple[Path, Path]:
    """The files without the newest ratings, and with these at the end, as a later delivery appends them."""
    ratings = read_ratings(DATA / "ratings.dat")
    newest = ratings.sort("timestamp", "source_row_id").tail(NEWEST)
    older = ratings.join(newest.select("source_row_id"), on="source_row_id", how="anti", maintain_order="left")
    folders = home / "before", home / "after"
    for folder, rows in zip(folders, (older, pl.concat([older, newest])), strict=True):
        folder.mkdir()
        write_ratings(rows, folder / "ratings.dat")
        for name in ("users.dat", "movies.dat"):
            (folder / name).symlink_to(DATA / name)
    return folders


def made_up_to_date(home: Path, data: Path) -> Run:
    """What `make run` does, in a process of its own; a Prefect server of that home is up."""
    program = [sys.executable, "-c", _PROGRAM, str(home), str(data)]
    environment = os.environ | {"ALLUVIA_HOME": str(home), "PYTHONPATH": str(Path(__file__).parents[1])}
    spent, done = spend(lambda: subprocess.run(program, env=environment, stdout=subprocess.PIPE, text=True, check=True))
    line = next(line for line in done.stdout.splitlines() if line.startswith("RESULT "))
    return Run(spent, json.loads(line.removeprefix("RESULT ")))


if __name__ == "__main__":
    main(rows)
