"""`make bench`: every benchmark in a process of its own, one table at the end.

ARGS="insert contract" runs some of them; ARGS=--write also writes the table to docs/benchmarks.md.
"""

from __future__ import annotations

import argparse
import os
import platform
import shutil
import subprocess
import sys
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path

from benchmarks.feature_lake import SHARED
from benchmarks.lake import scratch_home
from benchmarks.measure import Row, load
from benchmarks.report import RESULTS, flush, markdown, printed_rows, save

BENCHMARKS = (
    "insert",
    "upsert",
    "contract",
    "session",
    "change_log",
    "increments",
    "growth",
    "point_in_time",
    "point_in_time_spark",
    "join_growth",
    "training",
    "refresh",
    "plan",
    "operations",
    "rankers",
    "cascade",
)
OTHERS = ("feast",)
"""Run by name only: needs an environment of its own, see `make bench-feast`."""
PROJECT = Path(__file__).parents[1]


def main() -> int:
    """Run what was asked for; 1 when a target was missed or an answer differed."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.run", description=__doc__)
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"of {', '.join(BENCHMARKS)}; all by default")
    parser.add_argument("--write", action="store_true", help="write the table to docs/benchmarks.md")
    given = parser.parse_args()
    if unknown := [name for name in given.names if name not in BENCHMARKS + OTHERS]:
        parser.error(f"there is no benchmark {unknown[0]!r}; there are {', '.join(BENCHMARKS + OTHERS)}")
    begun, before = datetime.now(UTC), load()
    rows: list[Row] = []
    failed: list[str] = []
    with scratch_home() as shared:
        for name in given.names or BENCHMARKS:
            flush(f"{name} ...")
            command, environment = [sys.executable, "-m", f"benchmarks.{name}"], os.environ | {SHARED: str(shared.home)}
            done = subprocess.run(command, stdout=subprocess.PIPE, text=True, cwd=PROJECT, env=environment)
            if done.returncode:
                flush(f"{name} failed with exit code {done.returncode}")
                failed.append(name)
            rows += printed_rows(done.stdout)
    facts = {
        "date": f"{begun:%Y-%m-%d}",
        "load before and after": f"{before}; {load()}",
        "versions": ", ".join(f"{n} {version(n)}" for n in ("pyspark", "delta-spark", "polars", "pandera", "prefect")),
        "python": platform.python_version(),
    }
    head = "\n".join(["# Benchmarks", "", *(f"- {name}: {value}" for name, value in facts.items())])
    table = markdown(rows, head + "\n\nCPU-seconds (Python, JVM and workers) decide; the machine is shared.")
    save(rows, facts, RESULTS / f"{begun:%Y-%m-%dT%H%M%S}.json")
    if given.write:
        (PROJECT / "docs" / "benchmarks.md").write_text(table + _pictures(begun))
    print(table)
    return int(bool(failed) or any(row.met is False or row.same_answer is False for row in rows))


def _pictures(begun: datetime) -> str:
    """Copy the pictures drawn since then beside the table; the lines that show them."""
    drawn = [path for path in sorted(RESULTS.glob("*.png")) if path.stat().st_mtime >= begun.timestamp()]
    for path in drawn:
        (PROJECT / "docs" / "pictures").mkdir(exist_ok=True)
        shutil.copy(path, PROJECT / "docs" / "pictures")
    return "".join(f"\n![{path.stem}](pictures/{path.name})\n" for path in drawn)


if __name__ == "__main__":
    sys.exit(main())
