"""`make run`: bring everything up to date from here, show what happened, and leave the dashboard running."""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from rich.console import Console
from rich.table import Table
from rich.text import Text

from deployments.command import ended, folder, served
from deployments.pipeline import Ran, Request, raw_files, run_pipeline
from deployments.server import ServerInfo, stop_server
from deployments.tables import shown
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
    engine = given.engine or load_settings().engine
    data = raw_files(given.data)
    asked = Request(data, folder(given.lake), engine, given.select, given.exclude)
    ran, parts = performed(lambda: asked)
    for part in parts:
        console.print(part, soft_wrap=not isinstance(part, Table))
    if given.data is None:
        console.print("This was generated data; for real files: make run DATA=path/to/ml-1m", style="dim")
    sys.stdout.flush()
    for error in ran.errors:
        print(f"\n{error}", file=sys.stderr)
    return 1 if ran.errors else 0


def performed(request: Callable[[], Request]) -> tuple[Ran, list[Table | Text]]:
    """Run the flows against the local or the configured server; what became of it, and what a person is shown.

    Args:
        request: Says what to run; called when the server is there.
    """
    begun = time.monotonic()
    with served() as server:
        reached = time.monotonic()
        asked = request()
        ran = run_pipeline(asked)
    spent = f"{ran.work:.1f} s of work, {reached - begun:.1f} s for the server, {ran.imports:.1f} s of imports"
    return ran, [*shown(ran, asked.data), Text(spent), *_next_steps(asked, server)]


def _next_steps(asked: Request, server: ServerInfo) -> Iterator[Text]:
    seen = f"Dashboard: {server.ui_url}" if server.ui_url else "The dashboard is at your configured Prefect server."
    yield Text(seen, style="dim")
    yield Text(f"Lake: {asked.lake or load_settings().lake_path}", style="dim")
    opened = "connect()" if asked.lake is None else f"connect({str(asked.lake)!r})"
    looked = f"Look inside, in Python: from feature_groups.store import connect; {opened}.catalogue()"
    yield Text(looked, style="dim")
    if server.managed:
        yield Text("End the local server: make stop", style="dim")


if __name__ == "__main__":
    sys.exit(main())
