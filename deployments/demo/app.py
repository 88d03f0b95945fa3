"""`make demo`: a year replayed month by month, as a team would live it; Ctrl-C ends it and all that it started.

Each month is a delivery: the raw files as they stood at its end, and an event that says so. Everything else follows
from events: the pipeline is started, a damaged delivery is refused while the champion goes on answering, drift asks for
a training, gates decide about its candidate, one switch moves all models. The instant that is replayed is the clock.
"""

from __future__ import annotations

import argparse
import os
import shutil
import signal
import sys
import time
from collections.abc import Sequence
from pathlib import Path

from rich.console import Console

from deployments.command import ended
from deployments.demo.timeline import timeline_table
from feature_groups.store.connect import load_settings

BROKEN = 5
"""In which month a damaged delivery comes first."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line; returns the exit code."""
    parser = argparse.ArgumentParser(prog="python -m deployments.demo.app", description=__doc__)
    parser.add_argument("--data", type=Path, help="folder with ratings.dat, users.dat and movies.dat; else generated")
    parser.add_argument("--months", type=int, default=12, help="how many months from the first event on")
    parser.add_argument("--exit", action="store_true", help="end when the year is over, and do not wait for Ctrl-C")
    given = parser.parse_args(arguments)
    # Whoever ends a demo so wants all of it ended, as with Ctrl-C.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    return ended(lambda: replay(given.data, given.months, stay=not given.exit))


def replay(data: Path | None, months: int, *, stay: bool) -> int:
    """Replay the months of an archive.

    Args:
        data: Folder of the archive; a year is generated when None.
        months: How many, from the month of the first event on.
        stay: Whether to go on serving until Ctrl-C.

    Returns:
        The exit code.

    Raises:
        SourceMissing, SourceDamaged, InvalidDeclaration: There is nothing to replay; the last demo stays as it is.
        ServerUnavailable: The server or the deployments did not come up.
    """
    from deployments.demo.served import deployments_served
    from deployments.server import ensure_server, stop_server, use_server
    from feature_groups.sources.generator_year import generate_year
    from feature_groups.sources.replay import Replay, check_months

    console, begun = Console(width=None if sys.stdout.isatty() else 140), time.monotonic()
    # A demo is a world of its own: no configured server hears of it.
    for name in [name for name in os.environ if name.startswith("PREFECT_API_")]:
        del os.environ[name]
    home = load_settings().home.expanduser().resolve() / "demo"
    # What the last demo made is forgotten only when there is something to replay.
    check_months(months)
    archive = None if data is None else Replay(data.expanduser().resolve(), months)
    _emptied(home)
    if archive is None:
        console.print("Generating a year of ratings ...")
        generate_year(home / "archive")
        archive = Replay(home / "archive", months)
    os.environ.update(_world(home))
    try:
        with deployments_served(home) as served, use_server(ensure_server(home, own_only=True)) as server:
            from deployments.demo.story import Story

            console.print(f"Dashboard: {server.ui_url}")
            with Story.begun(home, console, served) as story:
                for month in archive.months:
                    if month.number == BROKEN:
                        story.damaged(archive, month)
                    story.month(archive, month)
                console.print(timeline_table(story.timeline))
                for line in story.addresses(server.ui_url or server.url):
                    console.print(line, soft_wrap=True)
                took = time.monotonic() - begun
                console.print(f"{took:.0f} s for {len(archive.months)} months: {story.where_time_went(took)}.")
                if stay:
                    console.print("Everything stays up until Ctrl-C.")
                    _wait()
    except KeyboardInterrupt:
        console.print("Ending what was started ...")
    finally:
        stop_server(home)
    return 0


def _emptied(home: Path) -> None:
    """Forget what the last demo made, and end the server that it left running when it was killed."""
    from deployments.server import stop_server

    stop_server(home)
    shutil.rmtree(home, ignore_errors=True)
    (home / "delivered").mkdir(parents=True)


def _world(home: Path) -> dict[str, str]:
    """The settings of the demo and of all that it starts."""
    return {
        "ALLUVIA_LAKE": str(home / "lake"),
        "ALLUVIA_DATA": str(home / "delivered"),
        "ALLUVIA_CLOCK": str(home / "now"),
        # Prefect is imported before a server is looked for, which would say so.
        "DO_NOT_TRACK": "1",
        # A month is a minute here.
        "PREFECT_RUNNER_POLL_FREQUENCY": "1",
    }


def _wait() -> None:
    while True:
        time.sleep(3600)


if __name__ == "__main__":
    sys.exit(main())
