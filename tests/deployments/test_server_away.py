"""F10 with a server that is really gone: what happened meanwhile is made up for when it is back, once."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from prefect import flow, get_client
from prefect.client.orchestration import SyncPrefectClient
from prefect.events.worker import EventsWorker
from prefect.settings import PREFECT_API_URL, temporary_settings

from deployments.server import ensure_server, server_status, stop_server, use_server
from feature_groups.store import Settings, connect
from feature_groups.store.outbox import Outbox
from flows.reconcile import reconcile
from local_server import eventually
from other_writers import things, write
from tasks.events import FeatureGroupCommitted, emit

RATINGS = things("ratings")
DEPLOYMENT = "pipeline/of a server that goes"


@flow(name="pipeline")
def pipeline(train: bool = True, lake: str = "") -> None:
    raise AssertionError("no worker runs it")


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    monkeypatch.delenv("PREFECT_API_URL", raising=False)
    made = tmp_path / "home"
    with temporary_settings(restore_defaults={PREFECT_API_URL}):
        yield made
    EventsWorker.drain_all()
    stop_server(made)


def woken(lake: Path) -> str:
    state: Any = reconcile(lake=lake, deployment=DEPLOYMENT, package="models", return_state=True)
    assert state.is_completed(), state.message
    return str(state.message)


def heard(client: SyncPrefectClient, ids: list[str]) -> list[str]:
    wanted = {"filter": {"id": {"id": ids}}, "limit": 50}
    return sorted(event["id"] for event in client.request("POST", "/events/filter", json=wanted).json()["events"])


@pytest.mark.slow
def test_five_of_five_commits_are_heard_after_the_server_was_away(home: Path, lake: Path) -> None:
    store = connect(lake, settings=Settings(engine="polars"))
    with use_server(ensure_server(home, own_only=True)):
        pipeline.to_deployment("of a server that goes").apply()  # type: ignore[union-attr]  # no loop runs here
        write(store, RATINGS)
        woken(lake)
        stop_server(home)
        assert server_status(home) is None

        for _ in range(5):
            write(store, RATINGS)
        missed = [FeatureGroupCommitted.of_version(version) for version in Outbox(store, "events").pending()]
        for event in missed:
            emit(event)
        EventsWorker.drain_all()
    ids = [str(event.id) for event in missed]
    assert len(ids) == 5

    with use_server(ensure_server(home, own_only=True)), get_client(sync_client=True) as client:
        assert heard(client, ids) == []
        assert "5 events sent again" in woken(lake)
        EventsWorker.drain_all()
        eventually(lambda: heard(client, ids) == sorted(ids))
        assert heard(client, ids) == sorted(ids)
        assert "sent again" not in woken(lake)
        assert heard(client, ids) == sorted(ids)
