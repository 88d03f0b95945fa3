"""The refresh of everything on the real data: cold, with one day more, and again when nothing has changed."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

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
_PROGRAM = """
import json, sys, time
from pathlib import Path
from deployments.server import ensure_server, use_server
home, data = Path(sys.argv[1]), Path(sys.argv[2])
with use_server(ensure_server(home)):
    from flows.refresh import refresh
    from feature_groups.store import engines
    from feature_groups.store.engines import session
    starts = []
    start = session.start_session
    session.start_session = lambda *a, **k: starts.append(1) or start(*a, **k)
    begun = time.perf_counter()
    done = refresh(data=data, lake=home / "lake")
    seconds = time.perf_counter() - begun
print("RESULT " + json.dumps([seconds, [[d.group, d.outcome, d.seconds, d.rows] for d in done], len(starts)]))
"""


@dataclass(frozen=True)
class _Run:
    """What a refresh took in a process of its own.

    Attributes:
        spent: The whole process.
        seconds: Wall time after imports.
        steps: Group, outcome, seconds and rows of each step.
        sessions: Spark sessions started.
    """

    spent: Spent
    seconds: float
    steps: list[tuple[str, str, float, int]]
    sessions: int

    @property
    def ratings(self) -> int:
        """Rows of the ratings."""
        return next(rows for group, _, _, rows in self.steps if group == "ratings_v1")

    @property
    def told(self) -> str:
        """Seconds and the share of each step."""
        total = max(sum(seconds for _, _, seconds, _ in self.steps), 0.01)
        shares = ", ".join(
            f"{group} {seconds:.1f} s ({seconds / total:.0%})" if outcome == "run" else f"{group} {outcome}"
            for group, outcome, seconds, _ in self.steps
        )
        return f"{self.seconds:.1f} s after imports, server up; {shares}; {self.sessions} Spark sessions"


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
            cold = _refresh(home, before)
            more = _refresh(home, after)
            again = _refresh(home, after)
        finally:
            stop_server(home)
    lines = sum(1 for _ in (DATA / "ratings.dat").open("rb"))
    increments = {group for group, outcome, _, _ in more.steps if outcome == "run"}
    quiet = again.sessions == 0 and all(outcome == "skipped" for _, outcome, _, _ in again.steps)
    derived = {"ratings_v1", "user_activity_v1", "user_history_v1", "movie_stats_v1"}
    return [
        _row("refresh of the real data, cold to done", cold, COLD_LIMIT, same=cold.ratings == lines - NEWEST),
        _row(
            f"refresh with one day more, the newest {NEWEST} ratings",
            more,
            DAY_LIMIT,
            same=more.ratings == lines and increments == derived,
        ),
        Row(
            "refresh again, nothing new",
            "",
            again.spent.cpu,
            None,
            again.seconds,
            None,
            f"< {NO_OP_LIMIT:.0f} s after imports, no JVM",
            again.seconds < NO_OP_LIMIT and quiet,
            quiet,
            f"{again.seconds:.1f} s after imports; {again.sessions} Spark sessions",
        ),
    ]


def _row(what: str, run: _Run, limit: float, *, same: bool) -> Row:
    met = run.spent.wall < limit and same
    return Row(what, "", run.spent.cpu, None, run.spent.wall, None, f"< {limit:.0f} s", met, same, run.told)


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


def _refresh(home: Path, data: Path) -> _Run:
    program = [sys.executable, "-c", _PROGRAM, str(home), str(data)]
    environment = os.environ | {"ALLUVIA_HOME": str(home), "PYTHONPATH": str(Path(__file__).parents[1])}
    spent, done = spend(lambda: subprocess.run(program, env=environment, stdout=subprocess.PIPE, text=True, check=True))
    line = next(line for line in done.stdout.splitlines() if line.startswith("RESULT "))
    seconds, steps, sessions = json.loads(line.removeprefix("RESULT "))
    return _Run(spent, seconds, [tuple(step) for step in steps], sessions)


if __name__ == "__main__":
    main(rows)
