"""`make run`: bring everything up to date from here, show what happened, and leave the dashboard running."""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Sequence
from pathlib import Path

from rich.console import Console

from deployments.command import ended, folder, served
from deployments.pipeline import Ran, Request, raw_files, run_pipeline
from deployments.server import ServerInfo, stop_server
from deployments.tables import (
    candidate_lines,
    outcomes_table,
    refresh_table,
    scoring_lines,
    scoring_table,
    training_table,
)
from feature_groups.store.connect import load_settings

_WIDTH = 120


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line; returns the exit code: 0 when every group is up to date."""
    given = _parse(arguments)
    console = Console()
    if not console.is_terminal:
        console = Console(width=_WIDTH)
    return ended(lambda: _stop(console) if given.stop else _run(given, console))


def _stop(console: Console) -> int:
    stopped = stop_server(load_settings().home)
    console.print("The local Prefect server was stopped." if stopped else "No local Prefect server was running.")
    return 0


def _parse(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m deployments.run", description=__doc__)
    parser.add_argument("--data", type=Path, help="folder with ratings.dat, users.dat and movies.dat")
    parser.add_argument("--lake", type=Path, help="folder of the lake")
    parser.add_argument("--engine", choices=["auto", "polars", "spark"], help="which engine computes")
    parser.add_argument("--select", default="", help="steps to do: names, +name, name+, tag:word, patterns with *")
    parser.add_argument("--exclude", default="", help="steps to leave out, likewise")
    parser.add_argument("--stop", action="store_true", help="end the local Prefect server")
    return parser.parse_args(arguments)


def _run(given: argparse.Namespace, console: Console) -> int:
    settings = load_settings()
    engine = given.engine or settings.engine
    asked = Request(raw_files(given.data), folder(given.lake), engine, given.select, given.exclude)
    begun = time.monotonic()
    with served() as server:
        reached = time.monotonic()
        ran = run_pipeline(asked)
    show(ran, asked, console)
    console.print(f"{ran.work:.1f} s of work, {reached - begun:.1f} s for the server, {ran.imports:.1f} s of imports")
    lake = settings.lake_path if given.lake is None else given.lake
    for line in _next_steps(given, lake, server):
        console.print(line, style="dim", soft_wrap=True)
    sys.stdout.flush()
    for error in ran.errors:
        print(f"\n{error}", file=sys.stderr)
    return 1 if ran.errors else 0


def show(ran: Ran, asked: Request, console: Console) -> None:
    """Print what became of every step that was reached."""
    if ran.refreshed:
        console.print(refresh_table(ran.refreshed, asked.data))
    elif ran.refreshed is not None:
        console.print("Nothing to refresh: these feature groups get their rows by insert, not from files.")
    if ran.trained is not None:
        console.print(training_table(ran.trained))
        if ran.trained.candidate:
            console.print(candidate_lines(ran.trained), soft_wrap=True)
    if ran.scored is not None:
        console.print(scoring_table(ran.scored))
        console.print(scoring_lines(ran.scored), soft_wrap=True)
        if ran.scored.outcomes:
            console.print(outcomes_table(ran.scored))


def _next_steps(given: argparse.Namespace, lake: Path, server: ServerInfo) -> list[str]:
    lines = [f"Dashboard: {server.ui_url}" if server.ui_url else "The dashboard is at your configured Prefect server."]
    lines.append(f"Lake: {lake}")
    if given.data is None:
        lines.append("This was generated data; for real files: make run DATA=path/to/ml-1m")
    opened = "connect()" if given.lake is None else f"connect({str(lake)!r})"
    lines.append(f"Look inside, in Python: from feature_groups.store import connect; {opened}.catalogue()")
    if server.managed:
        lines.append("End the local server: make stop")
    return lines


if __name__ == "__main__":
    sys.exit(main())
