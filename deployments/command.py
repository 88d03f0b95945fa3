"""What the commands that run flows do alike: their server, their lake, and one line for what stops them."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from deployments.server import ServerInfo
    from feature_groups.store.errors import ServerUnavailable

STOPPED = "Stopped. What was committed stays; run the same again to go on."
INTERRUPTED = 130
"""Exit code after Ctrl-C."""

# Before Prefect is imported: it reports to its makers from a terminal, and logs every line to it.
os.environ.setdefault("DO_NOT_TRACK", "1")
# Everything of the project is imported late: `alluvia --help` imports this module as well.


def ended(work: Callable[[], int]) -> int:
    """The exit code of a command; what stops it is told in a message on standard error."""
    from feature_groups.store.errors import AlluviaError

    try:
        return work()
    except AlluviaError as error:
        print(error, file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print(STOPPED, file=sys.stderr)
        return INTERRUPTED


@contextmanager
def served() -> Iterator[ServerInfo]:
    """Within, flows run against the configured server, or else the project's own, and their progress is shown.

    Raises:
        ServerUnavailable: It does not come up, is not one, or is lost on the way.
    """
    from deployments.progress import progress_shown
    from deployments.server import ensure_server, use_server
    from feature_groups.store.connect import load_settings

    home = load_settings().home
    try:
        with progress_shown(), use_server(ensure_server(home)) as server:
            if not server.managed:
                _reach(server)
            yield server
    except Exception as error:
        if type(error).__module__.partition(".")[0] not in ("httpx", "httpcore"):
            raise
        raise _lost(error) from error


def folder(given: Path | None) -> Path | None:
    """A folder as it was typed, absolute: flows may run elsewhere."""
    return given.expanduser().resolve() if given else None


def _lost(error: Exception) -> ServerUnavailable:
    from feature_groups.store.errors import ServerUnavailable

    return ServerUnavailable(
        "the Prefect server",
        what=f"It stopped answering during the run: {type(error).__name__} {error}",
        state="was lost; what was committed stays",
        next_step="see that it runs, then run the same again to go on.",
    )


def _reach(server: ServerInfo) -> None:
    """Ask the configured server something, so that a wrong address is told in a line."""
    from prefect import get_client

    from feature_groups.store.errors import ServerUnavailable

    try:
        with get_client(sync_client=True) as client:
            client.read_flows(limit=1)
    except Exception as error:
        raise ServerUnavailable(
            f"the configured Prefect server {server.url}",
            what=f"It does not answer as one: {type(error).__name__}: {(str(error).splitlines() or [''])[0][:200]}",
            state="was not used; nothing was run",
            next_step="start it, correct PREFECT_API_URL (and its key or password), or unset it to use a local one.",
        ) from error
