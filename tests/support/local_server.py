"""A real Prefect server for the tests that need one, started once per test process."""

from __future__ import annotations

import contextvars
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from prefect import get_client
from prefect.client.orchestration import SyncPrefectClient
from prefect.events.worker import EventsWorker
from prefect.logging.handlers import APILogWorker

from deployments.server import ensure_server, stop_server, use_server
from feature_groups.store import Settings


@pytest.fixture(scope="session")
def user_home(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A user's folder `.alluvia` with the project's cache in it; the server that is started there is ended."""
    home = tmp_path_factory.getbasetemp() / "user" / ".alluvia"  # one path for every package of tests
    if not home.exists():
        home.mkdir(parents=True)
        (home / "cache").symlink_to(Settings().cache_path)
    yield home
    stop_server(home)


@pytest.fixture(scope="module")
def client(user_home: Path) -> Iterator[SyncPrefectClient]:
    """Asks the server of the user's home, which every flow of the module runs against."""
    with use_server(ensure_server(user_home)), get_client(sync_client=True) as asking:
        yield asking
        APILogWorker.drain_all()


def events(
    client: SyncPrefectClient, name: str, *, kind: str = "feature-group", **payload: object
) -> list[dict[str, Any]]:
    """The events about a feature group or a model that say this, at least one; the server stores them a moment late."""
    wanted = {"filter": {"resource": {"id": [f"alluvia.{kind}.{name}"]}, "order": "DESC"}, "limit": 50}

    def found() -> list[dict[str, Any]]:
        answer = client.request("POST", "/events/filter", json=wanted).json()
        return [event for event in answer["events"] if payload.items() <= event["payload"].items()]

    EventsWorker.drain_all()
    eventually(lambda: bool(found()))
    return found()


def beside(work: Callable[[], object]) -> threading.Thread:
    """Do something in a thread that talks to the same server, which a plain thread would not know."""
    thread = threading.Thread(target=contextvars.copy_context().run, args=[work])
    thread.start()
    return thread


def eventually(holds: Callable[[], bool], seconds: float = 20) -> None:
    """Wait until something holds, but not for ever."""
    patience = time.monotonic() + seconds
    while not holds() and time.monotonic() < patience:
        time.sleep(0.1)


def gone(pid: int) -> bool:
    """Whether a process has ended; one that has lost its memory, and with it its arguments, is about to."""

    def ended() -> bool:
        state = subprocess.run(["ps", "-o", "stat=", "-p", str(pid)], capture_output=True, text=True).stdout
        return not state.strip() or state.startswith("Z")

    eventually(ended, seconds=5)
    return ended()
