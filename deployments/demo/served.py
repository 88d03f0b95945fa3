"""The processes of a demo: the deployments are served by a child, which ends with the demo."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from feature_groups.store.errors import ServerUnavailable

if TYPE_CHECKING:
    from prefect.client.orchestration import SyncPrefectClient

PATIENCE = 180.0
"""Seconds within which the deployments must be served."""

_GRACE = 15.0


@dataclass(frozen=True)
class Served:
    """The process that serves a demo's deployments, and its log.

    Attributes:
        log: What it says.
        since: When it was started.
    """

    log: Path
    since: datetime
    _child: subprocess.Popen[bytes]

    def wait(self, client: SyncPrefectClient) -> None:
        """Wait until somebody has asked for the runs of every deployment since then.

        Args:
            client: Of the server.

        Raises:
            ServerUnavailable: They are not served in time; the log says why.
        """
        begun = time.monotonic()
        while not self._polled(client):
            if self._child.poll() is not None or time.monotonic() - begun > PATIENCE:
                lines = self.log.read_text(encoding="utf-8", errors="replace").splitlines()[-6:]
                raise ServerUnavailable(
                    "the demo's deployments",
                    what="\n".join(["They are not served. Last lines of the log:", *lines]),
                    state="were not started; nothing was replayed",
                    next_step=f"read {self.log}, correct that, and run make demo again.",
                )
            time.sleep(0.5)

    def _polled(self, client: SyncPrefectClient) -> bool:
        found = client.read_deployments()
        return bool(found) and all(one.last_polled is not None and one.last_polled >= self.since for one in found)


@contextmanager
def deployments_served(home: Path) -> Iterator[Served]:
    """Serve all deployments in a process of their own, whose runs end with it.

    Args:
        home: Folder of the demo: of its server, which may still be coming up, and of the process's log.
    """
    with (home / "served.log").open("w", encoding="utf-8") as output:
        child = subprocess.Popen(
            [sys.executable, "-u", "-m", "deployments.demo.child", str(home)],
            stdin=subprocess.PIPE,
            stdout=output,
            stderr=subprocess.STDOUT,
            # Ctrl-C is the demo's to hear first: it ends the runs after it has said so.
            start_new_session=True,
        )
    with child:
        try:
            yield Served(home / "served.log", datetime.now(UTC), child)
        finally:
            _end(child)


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
