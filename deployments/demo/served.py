"""The processes of a demo: the deployments are served by a child, which ends with the demo."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path

from prefect.client.orchestration import SyncPrefectClient

from feature_groups.store.errors import ServerUnavailable

PATIENCE = 180.0
"""Seconds within which the deployments must be served."""

_GRACE = 15.0


@contextmanager
def deployments_served(client: SyncPrefectClient, folder: Path, environment: Mapping[str, str]) -> Iterator[Path]:
    """Serve all deployments in a process of their own, whose runs end with it; yields its log.

    Args:
        client: Of the server.
        folder: Where the log is written.
        environment: Of the process and its runs, beside what this process has.

    Raises:
        ServerUnavailable: They are not served in time; the log says why.
    """
    log, begun = folder / "served.log", datetime.now(UTC)
    with log.open("w", encoding="utf-8") as output:
        child = subprocess.Popen(
            [sys.executable, "-u", "-m", "deployments.demo.child"],
            env={**os.environ, **environment},
            stdin=subprocess.PIPE,
            stdout=output,
            stderr=subprocess.STDOUT,
            # Ctrl-C is the demo's to hear first: it ends the runs after it has said so.
            start_new_session=True,
        )
    with child:
        try:
            _await(child, log, lambda: _polled(client, begun))
            yield log
        finally:
            _end(child)


def _polled(client: SyncPrefectClient, since: datetime) -> bool:
    """Whether somebody has asked for the runs of every deployment since then."""
    found = client.read_deployments()
    return bool(found) and all(one.last_polled is not None and one.last_polled >= since for one in found)


def _await(child: subprocess.Popen[bytes], log: Path, ready: Callable[[], bool]) -> None:
    begun = time.monotonic()
    while not ready():
        if child.poll() is not None or time.monotonic() - begun > PATIENCE:
            lines = log.read_text(encoding="utf-8", errors="replace").splitlines()[-6:]
            raise ServerUnavailable(
                "the demo's deployments",
                what="\n".join(["They are not served. Last lines of the log:", *lines]),
                state="were not started; nothing was replayed",
                next_step=f"read {log}, correct that, and run make demo again.",
            )
        time.sleep(0.5)


def _end(child: subprocess.Popen[bytes]) -> None:
    """End the process and every run that it started."""
    for how in (signal.SIGINT, signal.SIGTERM, signal.SIGKILL):
        with suppress(ProcessLookupError):
            os.killpg(child.pid, how)
        with suppress(subprocess.TimeoutExpired):
            child.wait(_GRACE)
            break
    with suppress(ProcessLookupError):
        os.killpg(child.pid, signal.SIGKILL)
