"""`python -m deployments.serve`: every deployment on this machine, without a work pool; Ctrl-C ends it.

Schedules and events start runs here as they would on a worker. The local Prefect server is started when none is
configured, and left running.
"""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import NoReturn

from deployments.command import ended
from deployments.pipeline import raw_files
from deployments.server import ServerInfo, ensure_server, use_server
from feature_groups.store.connect import load_settings
from feature_groups.store.errors import InvalidSettings, did_you_mean

HEARTBEAT_SECONDS = 30
"""How often a run says that it lives; as in `prefect.yaml`."""
_LOOK_SECONDS = "1"
"""How often runs that are due are looked for, unless the user has set it."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line; returns the exit code."""
    parser = argparse.ArgumentParser(prog="python -m deployments.serve", description=__doc__)
    parser.add_argument("--data", type=Path, help="folder of the raw files; without it they are generated")
    parser.add_argument("--lake", type=Path, help="folder of the lake")
    parser.add_argument("--alerts", metavar="TYPE/NAME", help="notification block that alerts go through")
    parser.add_argument("--limit", type=int, default=2, help="runs at once")
    parser.add_argument("--paused", action="store_true", help="leave schedules off; events start runs all the same")
    given = parser.parse_args(arguments)

    def work() -> int:
        serve(data=given.data, lake=given.lake, alerts=given.alerts, limit=given.limit, paused=given.paused)
        return 0

    return ended(work)


def serve(
    *,
    data: Path | None = None,
    lake: Path | None = None,
    alerts: str | None = None,
    limit: int = 2,
    paused: bool = False,
) -> None:
    """Serve all deployments until the process is stopped.

    Args:
        data: Folder of the raw files; by default the one in the settings, else they are generated.
        lake: Folder of the lake; by default the one in the settings.
        alerts: Notification block that alerts go through, as ``type/name``.
        limit: Runs at once.
        paused: Whether schedules stay off.

    Raises:
        SourceMissing: There is no such folder.
        ServerUnavailable: The server did not come up.
        InvalidSettings: There is no such notification block.
    """
    with for_runs(data, lake) as server:
        from prefect import get_client
        from prefect import serve as serve_all

        from deployments.automations import automations, register
        from deployments.declared import declared
        from deployments.register import prepare

        with get_client(sync_client=True) as client:
            wanted = automations(alerts)
            prepare(client, 1)
            register(client, wanted)
        deployments = declared()
        for deployment in deployments:
            deployment.paused = paused
            # They are for the processes of a work pool.
            deployment.job_variables = {}
        names = ", ".join(str(deployment.flow_name) for deployment in deployments)
        print(f"Serving {names}; Ctrl-C ends it. Dashboard: {server.ui_url or server.url}", flush=True)
        serve_all(*deployments, limit=limit, print_starting_message=False)


def work(pool: str, *, data: Path | None = None, lake: Path | None = None, limit: int = 2) -> NoReturn:
    """Become a worker that takes runs from a work pool of type process, until the process is stopped.

    Args:
        pool: Its name.
        data: As in `serve`.
        lake: As in `serve`.
        limit: Runs at once.

    Raises:
        SourceMissing: There is no such folder.
        ServerUnavailable: The server did not come up.
        InvalidSettings: There is no such pool; Prefect would make it, and wait for runs that nobody sends there.
    """
    with for_runs(data, lake):
        _require_pool(pool)
        command = [sys.executable, "-m", "prefect", "worker", "start", "--pool", pool, "--limit", str(limit)]
        # The deployments' command is plain `python`: this one, whether its environment is activated or not.
        path = os.pathsep.join([str(Path(sys.executable).parent), os.environ.get("PATH", "")])
        # In place of this process, so that whoever ends it ends the worker.
        os.execve(sys.executable, command, {"PREFECT_WORKER_QUERY_SECONDS": _LOOK_SECONDS, **os.environ, "PATH": path})


def _require_pool(name: str) -> None:
    from prefect import get_client

    with get_client(sync_client=True) as client:
        known = [pool.name for pool in client.read_work_pools()]
    if name not in known:
        raise InvalidSettings(
            f"work pool {name!r}",
            what=f"The server has none of that name. {did_you_mean(name, known)}",
            state="got no worker",
            next_step=f"name another, or make it with the deployments on it: alluvia deploy --pool {name}",
        )


@contextmanager
def for_runs(data: Path | None, lake: Path | None) -> Iterator[ServerInfo]:
    """Within, processes that are started run flows against the server in use, wherever their working folder is."""
    settings = load_settings()
    folders = {"HOME": settings.home, "LAKE": lake or settings.lake_path, "DATA": raw_files(data)}
    os.environ.update({f"ALLUVIA_{name}": str(path.expanduser().resolve()) for name, path in folders.items()})
    os.environ.setdefault("PREFECT_RUNNER_POLL_FREQUENCY", _LOOK_SECONDS)  # before the first import of Prefect
    with use_server(ensure_server(settings.home)) as server:
        # The runs are processes of their own, which read it from their environment.
        os.environ.setdefault("PREFECT_FLOWS_HEARTBEAT_FREQUENCY", str(HEARTBEAT_SECONDS))
        yield server


if __name__ == "__main__":
    sys.exit(main())
