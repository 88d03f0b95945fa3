"""Reconciling on a real server: what was not heard is told again, and what is new starts one run."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from prefect import State, flow, tags
from prefect import task as prefect_task
from prefect.client.orchestration import SyncPrefectClient
from prefect.client.schemas.filters import DeploymentFilter, DeploymentFilterId
from prefect.client.schemas.objects import FlowRun
from prefect.events.worker import EventsWorker
from prefect.states import Cancelled, Crashed, Failed, Running

from feature_groups.store import FeatureStore, Settings, connect
from feature_groups.store.errors import ServerUnavailable
from feature_groups.store.outbox import Outbox
from flows.reconcile import reconcile
from local_server import events, eventually
from models.reaction import handled
from other_writers import things, write
from tasks.events import PART, FeatureDrifted, FeatureGroupCommitted, emit
from tasks.reactions import TRIES

RATINGS = things("ratings")
"""A table of that name, which the models are made from; what is in it does not matter here."""
DEPLOYMENT = "pipeline/of the test"

pytestmark = pytest.mark.usefixtures("client")


@flow(name="pipeline")
def pipeline(train: bool = True, lake: str = "", data: str = "") -> None:
    raise AssertionError("no worker runs it")


@pytest.fixture
def store(lake: Path) -> FeatureStore:
    return connect(lake, settings=Settings(engine="polars"))


@pytest.fixture
def deployed(client: SyncPrefectClient) -> Iterator[uuid.UUID]:
    made: Any = pipeline.to_deployment("of the test").apply()  # type: ignore[union-attr]  # no loop runs here
    yield made
    client.delete_deployment(made)


def woken(lake: Path, because: str = "a test") -> State[str]:
    state: Any = reconcile(because=because, lake=lake, deployment=DEPLOYMENT, package="models", return_state=True)
    assert state.is_completed(), state.message
    return state


def runs(client: SyncPrefectClient, deployment: uuid.UUID) -> list[FlowRun]:
    return client.read_flow_runs(deployment_filter=DeploymentFilter(id=DeploymentFilterId(any_=[deployment])))


def heard(client: SyncPrefectClient, ids: list[str]) -> list[str]:
    EventsWorker.drain_all()
    found: list[str] = []

    def all_heard() -> bool:
        answer = client.request("POST", "/events/filter", json={"filter": {"id": {"id": ids}}, "limit": 50}).json()
        found[:] = [event["id"] for event in answer["events"]]
        return set(ids) <= set(found)

    eventually(all_heard)
    return sorted(found)


def test_what_the_pipeline_says_is_told_from_what_others_say(client: SyncPrefectClient) -> None:
    @flow
    def says(version: int) -> None:
        emit(FeatureGroupCommitted("told_v1", "0f7e", version, 1, 0, 0, "f1"))

    with tags(PART):
        says(1)
    says(2)

    (within,), (beside,) = (events(client, "told_v1", version=version) for version in (1, 2))
    assert within["resource"]["alluvia.within"] == "pipeline"
    assert beside["resource"]["alluvia.within"] == "nothing"


def test_several_that_wake_it_start_one_run_of_the_pipeline(
    store: FeatureStore, lake: Path, client: SyncPrefectClient, deployed: uuid.UUID
) -> None:
    version = write(store, RATINGS)
    states = [woken(lake, because) for because in ("data.delivered", "feature.drifted", "metric.breached")]

    (run,) = runs(client, deployed)
    assert [state.name for state in states] == ["Completed", "Skipped", "Skipped"]
    assert f"ratings_v1 moved to v{version}" in str(states[0].message)
    assert f"run {run.name} was started for the same and is Scheduled" in str(states[1].message)
    assert run.parameters == {"train": True, "lake": str(lake)}
    assert str(run.idempotency_key).endswith("-1")

    client.set_flow_run_state(run.id, Running(), force=True)
    write(store, RATINGS)
    assert f"run {run.name} is at work" in str(woken(lake).message)
    handled(store, *Outbox(store, "pipeline").newest(), trained=True)
    assert woken(lake).message == "nothing new since the last run"
    assert len(runs(client, deployed)) == 1


def test_a_run_that_crashed_is_started_again_a_few_times_and_one_that_failed_is_not(
    store: FeatureStore, lake: Path, client: SyncPrefectClient, deployed: uuid.UUID
) -> None:
    write(store, RATINGS)
    for number in range(1, TRIES + 1):
        assert woken(lake).name == "Completed"
        assert len(runs(client, deployed)) == number
        for run in runs(client, deployed):
            client.set_flow_run_state(run.id, Crashed(message="killed"), force=True)
    said = str(woken(lake).message)
    assert "is Crashed; what went wrong is a person's to look at" in said
    assert len(runs(client, deployed)) == TRIES

    write(store, RATINGS)
    woken(lake)
    for run in runs(client, deployed):
        client.set_flow_run_state(run.id, Failed(message="a contract was broken"), force=True)
    assert "is Failed; what went wrong" in str(woken(lake).message)
    assert len(runs(client, deployed)) == TRIES + 1


@pytest.mark.parametrize("end", [Crashed, Cancelled])
def test_what_was_left_running_within_a_run_that_was_ended_has_crashed(
    end: Callable[..., State[Any]], store: FeatureStore, lake: Path, client: SyncPrefectClient, deployed: uuid.UUID
) -> None:
    @flow
    def part() -> None: ...

    def begun(whole: FlowRun) -> uuid.UUID:
        """A run within another, as it stands after its process was killed."""
        task = client.create_task_run(a_task, whole.id, dynamic_key="0", state=Running())
        return client.create_flow_run(part, parent_task_run_id=task.id, state=Running()).id

    @prefect_task
    def a_task() -> None: ...

    write(store, RATINGS)
    woken(lake)
    (died,) = runs(client, deployed)
    inner, other = begun(died), client.create_flow_run(part, state=Running()).id
    client.set_flow_run_state(died.id, end(message="killed"), force=True)
    write(store, RATINGS)  # something else is new by now
    woken(lake)

    found = {run: client.read_flow_run(run).state for run in (inner, other)}
    assert found[inner] is not None
    assert found[inner].is_crashed()
    assert found[other] is not None
    assert found[other].is_running()


def test_events_that_nobody_heard_are_sent_again_once(
    store: FeatureStore, lake: Path, client: SyncPrefectClient, deployed: uuid.UUID
) -> None:
    """F10: five commits and an alarm while no server listened; 6 of 6 are heard after one period, and no more then."""
    write(store, RATINGS)
    woken(lake)
    write(store, RATINGS, times=5)
    drift = FeatureDrifted("films", "r1", "2026-01-01", ("age",), "high")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("tasks.events.emit_event", lambda **given: None)  # the server is away
        emit(drift, store.metadata)
    lost = [str(FeatureGroupCommitted.of_version(v).id) for v in Outbox(store, "events").pending()] + [str(drift.id)]
    assert len(lost) == 6

    assert "6 events sent again" in str(woken(lake).message)
    assert heard(client, lost) == sorted(lost)
    assert "sent again" not in str(woken(lake).message)
    assert heard(client, lost) == sorted(lost)


def test_events_that_were_heard_are_not_sent_again(
    store: FeatureStore, lake: Path, client: SyncPrefectClient, deployed: uuid.UUID
) -> None:
    write(store, RATINGS)
    woken(lake)
    write(store, RATINGS, times=3)
    told = [FeatureGroupCommitted.of_version(version) for version in Outbox(store, "events").pending()]
    for event in [*told, *reversed(told), *told]:
        emit(event)
    ids = [str(event.id) for event in told]

    assert heard(client, ids) == sorted(ids)
    assert "sent again" not in str(woken(lake).message)


def test_rows_that_are_overdue_are_told_once_and_looked_for(
    lake: Path, client: SyncPrefectClient, deployed: uuid.UUID
) -> None:
    store = connect(lake, settings=Settings(engine="polars"))
    write(store, things("ratings", freshness=timedelta(microseconds=1)))
    handled(store, *Outbox(store, "pipeline").newest(), trained=True)
    first = woken(lake)

    (run,) = runs(client, deployed)
    assert "1 overdue" in str(first.message)
    assert "freshness.missed of feature-group.ratings_v1" in str(first.message)
    assert run.parameters["train"] is False
    assert woken(lake).name == "Skipped"
    (kept,) = store.metadata.entries("notices")
    assert heard(client, [kept["id"]]) == [kept["id"]]


def test_without_the_deployment_it_says_how_to_make_it(store: FeatureStore, lake: Path) -> None:
    write(store, RATINGS)
    with pytest.raises(ServerUnavailable, match=r"'pipeline/none'[\s\S]*alluvia deploy"):
        reconcile(lake=lake, deployment="pipeline/none", package="models")
    assert Outbox(store, "pipeline").pending() != []
