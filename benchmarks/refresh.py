"""The refresh of the real data: cold to done with the share of each step, and again when nothing has changed."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

from benchmarks.lake import scratch_home
from benchmarks.measure import Row, Spent, spend
from benchmarks.report import flush, main
from deployments.server import ensure_server, stop_server

DATA = Path(__file__).parents[2] / "shared" / "data" / "ml-1m"
NO_OP_LIMIT = 5.0
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


def rows() -> list[Row]:
    """Cold, and nothing new; none where the real files are not there."""
    if not DATA.is_dir():
        flush(f"no real data at {DATA}: skipped")
        return []
    with scratch_home() as settings:
        home = settings.home
        ensure_server(home)
        try:
            cold, (seconds, steps, starts) = spend(lambda: _run(home))
            shares = ", ".join(f"{name} {spent:.1f} s" for name, _, spent, _ in steps)
            counts = {name: count for name, _, _, count in steps}
            same = counts["ratings_v1"] == sum(1 for _ in (DATA / "ratings.dat").open("rb"))
            note = f"{seconds:.1f} s of it after imports, server up; {shares}; {starts} Spark session"
            again, (idle, skipped, none) = spend(lambda: _run(home))
            quiet = none == 0 and all(outcome == "skipped" for _, outcome, _, _ in skipped)
        finally:
            stop_server(home)
    told = f"{idle:.1f} s after imports; {none} Spark sessions"
    after = Spent(again.cpu, idle)
    return [
        Row("refresh of the real data, cold to done", "", cold.cpu, None, cold.wall, None, "", None, same, note),
        Row(
            "refresh again, nothing new",
            "",
            after.cpu,
            None,
            after.wall,
            None,
            "< 5 s after imports, no JVM",
            idle < NO_OP_LIMIT and quiet,
            quiet,
            told,
        ),
    ]


def _run(home: Path) -> tuple[float, list[tuple[str, str, float, int]], int]:
    program = [sys.executable, "-c", _PROGRAM, str(home), str(DATA)]
    environment = os.environ | {"ALLUVIA_HOME": str(home), "PYTHONPATH": str(Path(__file__).parents[1])}
    done = subprocess.run(program, env=environment, stdout=subprocess.PIPE, text=True, check=True)
    line = next(line for line in done.stdout.splitlines() if line.startswith("RESULT "))
    seconds, steps, starts = json.loads(line.removeprefix("RESULT "))
    return seconds, steps, starts


if __name__ == "__main__":
    main(rows)
