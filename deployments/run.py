"""`make run`: bring everything up to date from here, show what happened, and leave the dashboard running."""

from __future__ import annotations

import argparse
import os
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from rich.console import Console

from deployments.progress import progress_shown
from deployments.server import ServerInfo, ensure_server, stop_server, use_server
from deployments.tables import (
    candidate_lines,
    outcomes_table,
    refresh_table,
    scoring_lines,
    scoring_table,
    training_table,
)
from feature_groups.store.connect import load_settings
from feature_groups.store.errors import AlluviaError, ServerUnavailable, SourceMissing, StepFailed

if TYPE_CHECKING:
    from flows.refresh import Refreshed
    from flows.scoring import Scored
    from flows.training import Trained

GENERATED_EVENTS, GENERATED_USERS = 40_000, 1_000
# Before Prefect is imported: it reports to its makers from a terminal, and logs every line to it.
os.environ.setdefault("DO_NOT_TRACK", "1")
_WIDTH = 120


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line; returns the exit code: 0 when every group is up to date."""
    given = _parse(arguments)
    console = Console()
    if not console.is_terminal:
        console = Console(width=_WIDTH)
    try:
        settings = load_settings()
        if given.stop:
            ended = stop_server(settings.home)
            console.print("The local Prefect server was stopped." if ended else "No local Prefect server was running.")
            return 0
        return _run(given, settings.home, console)
    except AlluviaError as error:
        print(error, file=sys.stderr)
        return 1
    except Exception as error:
        if type(error).__module__.partition(".")[0] not in ("httpx", "httpcore"):
            raise
        print(_server_lost(error), file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("Stopped. What was committed stays; run the same again to go on.", file=sys.stderr)
        return 130


def _server_lost(error: Exception) -> ServerUnavailable:
    return ServerUnavailable(
        "the Prefect server",
        what=f"It stopped answering during the run: {type(error).__name__} {error}",
        state="was lost; what was committed stays",
        next_step="see that it runs, then run the same again to go on.",
    )


def _parse(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m deployments.run", description=__doc__)
    parser.add_argument("--data", type=Path, help="folder with ratings.dat, users.dat and movies.dat")
    parser.add_argument("--lake", type=Path, help="folder of the lake")
    parser.add_argument("--engine", choices=["auto", "polars", "spark"], help="which engine computes")
    parser.add_argument("--only", default="", help="names of feature groups, separated by commas")
    parser.add_argument("--stop", action="store_true", help="end the local Prefect server")
    return parser.parse_args(arguments)


def _run(given: argparse.Namespace, home: Path, console: Console) -> int:
    settings = load_settings()
    data = _data(given.data or settings.data, home)
    begun = time.monotonic()
    with progress_shown(), use_server(ensure_server(home)) as server:
        served = time.monotonic()
        if not server.managed:
            _reach(server)
        from flows.refresh import refresh
        from flows.scoring import scoring
        from flows.training import training

        imported = time.monotonic()
        state = refresh(
            data=data,
            lake=_lake(given),
            engine=given.engine or settings.engine,
            only=[name for name in map(str.strip, given.only.split(",")) if name],
            return_state=True,
        )
        trained: Trained | None = None
        scored: Scored | None = None
        stopped: AlluviaError | None = None
        if state.is_completed() and not given.only:
            trained, stopped = _attempted(training, given, settings.engine)
        if trained is not None and trained.release is not None:
            scored, stopped = _attempted(scoring, given, settings.engine)
        ended = time.monotonic()
    result = state.result(raise_on_failure=False)
    if isinstance(result, BaseException) and not isinstance(result, StepFailed):
        raise result
    failed = result if isinstance(result, StepFailed) else None
    done = cast("Sequence[Refreshed]", failed.done if failed else result)
    if done:
        console.print(refresh_table(done, data))
    else:
        console.print("Nothing to refresh: these feature groups get their rows by insert, not from files.")
    if trained is not None:
        console.print(training_table(trained))
        console.print(candidate_lines(trained), soft_wrap=True)
    if scored is not None:
        console.print(scoring_table(scored))
        console.print(scoring_lines(scored), soft_wrap=True)
        if scored.outcomes:
            console.print(outcomes_table(scored))
    console.print(
        f"{ended - imported:.1f} s of work, {served - begun:.1f} s for the server, {imported - served:.1f} s of imports"
    )
    lake = settings.lake_path if given.lake is None else given.lake
    for line in _next_steps(given, lake, server):
        console.print(line, style="dim", soft_wrap=True)
    sys.stdout.flush()
    errors = [one.error for one in done if one.error] + ([str(stopped)] if stopped else [])
    for error in errors:
        print(f"\n{error}", file=sys.stderr)
    return 1 if failed or stopped else 0


def _attempted(flow: Any, given: argparse.Namespace, engine: str) -> tuple[Any, AlluviaError | None]:
    """What became of a flow that follows the refresh; what stops it does not hide what was done before."""
    try:
        return flow(lake=_lake(given), engine=given.engine or engine), None
    except AlluviaError as error:
        return None, error


def _lake(given: argparse.Namespace) -> Path | None:
    return given.lake.expanduser().resolve() if given.lake else None


def _reach(server: ServerInfo) -> None:
    """Ask the configured server something, so that a wrong address is told in a line."""
    from prefect import get_client

    try:
        with get_client(sync_client=True) as client:
            client.read_flows(limit=1)
    except Exception as error:
        raise ServerUnavailable(
            f"the configured Prefect server {server.url}",
            what=f"It does not answer as one: {type(error).__name__}: {(str(error).splitlines() or [''])[0][:200]}",
            state="was not used; nothing was refreshed",
            next_step="start it, correct PREFECT_API_URL (and its key or password), or unset it to use a local one.",
        ) from error


def _data(given: Path | None, home: Path) -> Path:
    if given is None:
        from feature_groups.sources.generator import generate

        folder = home.resolve() / "data" / "generated"
        generate(folder, events=GENERATED_EVENTS, users=GENERATED_USERS)
        return folder
    folder = given.expanduser().resolve()
    if not folder.is_dir():
        raise SourceMissing(
            f"data folder {str(given)!r}",
            what="There is no such folder.",
            state="was not read; the lake is as it was",
            next_step="give the folder with ratings.dat, users.dat and movies.dat; without DATA it is generated.",
        )
    return folder


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
