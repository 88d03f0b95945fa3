"""`alluvia serve` as its user meets it: real events, real runs, processes that are killed."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

import pytest
from prefect import get_client
from prefect.client.orchestration import SyncPrefectClient
from prefect.client.schemas.filters import FlowFilter, FlowFilterName
from prefect.client.schemas.objects import FlowRun, StateType

from deployments.server import ServerInfo, ensure_server, stop_server, use_server
from feature_groups.sources.generator import generate
from feature_groups.store import Settings
from local_server import eventually

PROJECT = Path(__file__).parents[2]
PATIENCE = 600

pytestmark = [pytest.mark.slow, pytest.mark.timeout(1200)]


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    folder = tmp_path_factory.mktemp("served") / ".alluvia"
    folder.mkdir()
    (folder / "cache").symlink_to(Settings().cache_path)
    yield folder
    stop_server(folder)


@contextmanager
def asked(home: Path) -> Iterator[tuple[SyncPrefectClient, ServerInfo]]:
    with use_server(ensure_server(home)) as server, get_client(sync_client=True) as client:
        yield client, server


@contextmanager
def serving(home: Path, data: Path) -> Iterator[subprocess.Popen[bytes]]:
    kept = {name: value for name, value in os.environ.items() if not name.startswith("PREFECT_")}
    given = {**kept, "ALLUVIA_HOME": str(home), "PYTHONPATH": str(PROJECT)}
    command = [sys.executable, "-m", "deployments.serve", "--paused", "--data", str(data)]
    log = (home.parent / "serve.log").open("ab")
    with log, subprocess.Popen(command, env=given, stdout=log, stderr=log, start_new_session=True) as process:
        try:
            yield process
        finally:
            if process.poll() is None:
                os.killpg(process.pid, signal.SIGKILL)


def post(client: SyncPrefectClient, event: str, about: str) -> None:
    """What anybody outside can send."""
    told = {
        "id": str(uuid.uuid4()),
        "event": event,
        "occurred": datetime.now(UTC).isoformat(),
        "resource": {
            "prefect.resource.id": f"alluvia.{about}",
            "prefect.resource.name": about,
            "alluvia.within": "nothing",
        },
        "payload": {},
    }
    assert client.request("POST", "/events", json=[told]).status_code == 204


def runs(client: SyncPrefectClient, flow: str) -> list[FlowRun]:
    return client.read_flow_runs(flow_filter=FlowFilter(name=FlowFilterName(any_=[flow])))


def states(client: SyncPrefectClient, flow: str) -> list[str]:
    return sorted(str(run.state_name) for run in runs(client, flow))


def registered(client: SyncPrefectClient) -> bool:
    return len(client.read_deployments()) >= 8


def ended(client: SyncPrefectClient, flow: str, number: int) -> bool:
    found = [run for run in runs(client, flow) if run.state and run.state.is_final()]
    return len(found) >= number


def test_three_triggers_make_one_run_and_one_that_was_killed_is_started_again(home: Path, tmp_path: Path) -> None:
    data = tmp_path / "data"
    generate(data, events=4_000, minors_share=0.2)
    with asked(home) as (client, _):
        with serving(home, data) as process:
            eventually(lambda: registered(client), PATIENCE)
            for event, about in (
                ("data.delivered", "source.ratings"),
                ("feature.drifted", "model.films"),
                ("metric.breached", "model.films"),
            ):
                post(client, event, about)
            eventually(lambda: StateType.RUNNING in {run.state_type for run in runs(client, "refresh")}, PATIENCE)
            assert len(runs(client, "pipeline")) == 1
            os.killpg(process.pid, signal.SIGKILL)  # and with it every run: nobody is left to say so
        assert states(client, "pipeline") == ["Running"]

        with serving(home, data):
            eventually(lambda: states(client, "pipeline") == ["Crashed"], PATIENCE)
            eventually(lambda: "Crashed" in states(client, "refresh"), PATIENCE)
            post(client, "data.delivered", "source.ratings")
            eventually(lambda: ended(client, "pipeline", 2), PATIENCE)
            assert states(client, "pipeline") == ["Completed", "Crashed"]
            keys = sorted(str(run.idempotency_key)[-2:] for run in runs(client, "pipeline"))
            assert keys[0] == "-1"
            post(client, "data.delivered", "source.ratings")
            before = len(runs(client, "reconcile"))
            eventually(lambda: ended(client, "reconcile", before + 1), PATIENCE)
            eventually(lambda: all(run.state and run.state.is_final() for run in runs(client, "reconcile")), PATIENCE)
            assert len(runs(client, "pipeline")) == 2, "nothing was new"
