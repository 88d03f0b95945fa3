"""`python -m deployments.serve`: every deployment on this machine, without a work pool; Ctrl-C ends it.

Schedules and events start runs here as they would on a worker. The local Prefect server is started when none is
configured, and left running.
"""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Sequence

from deployments.server import ensure_server, use_server
from feature_groups.store.connect import load_settings
from feature_groups.store.errors import AlluviaError

os.environ.setdefault("DO_NOT_TRACK", "1")


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line; returns the exit code."""
    parser = argparse.ArgumentParser(prog="python -m deployments.serve", description=__doc__)
    parser.add_argument("--alerts", metavar="TYPE/NAME", help="notification block that alerts go through")
    parser.add_argument("--limit", type=int, default=2, help="runs at once")
    parser.add_argument("--paused", action="store_true", help="start without schedules; events start runs all the same")
    given = parser.parse_args(arguments)
    try:
        serve(alerts=given.alerts, limit=given.limit, paused=given.paused)
    except AlluviaError as error:
        print(error, file=sys.stderr)
        return 1
    return 0


def serve(*, alerts: str | None = None, limit: int = 2, paused: bool = False) -> None:
    """Serve all deployments until the process is stopped.

    Args:
        alerts: Notification block that alerts go through, as ``type/name``.
        limit: Runs at once.
        paused: Whether schedules stay off.

    Raises:
        ServerUnavailable: The server did not come up.
        InvalidSettings: There is no such notification block.
    """
    with use_server(ensure_server(load_settings().home)) as server:
        from prefect import get_client
        from prefect import serve as serve_all

        from deployments.automations import HEARTBEAT, automations, register
        from deployments.declared import declared
        from deployments.register import prepare

        # The runs are processes of their own, which read it from their environment.
        os.environ.setdefault("PREFECT_FLOWS_HEARTBEAT_FREQUENCY", str(int(HEARTBEAT.total_seconds())))
        with get_client(sync_client=True) as client:
            wanted = automations(alerts)
            prepare(client, 1)
            register(client, wanted)
        deployments = declared()
        for deployment in deployments:
            deployment.paused = paused
            # They are for the processes of a work pool.
            deployment.job_variables = {}
        print(f"Serving {len(deployments)} deployments; Ctrl-C ends it. Dashboard: {server.ui_url or server.url}")
        serve_all(*deployments, limit=limit, print_starting_message=False)


if __name__ == "__main__":
    sys.exit(main())
