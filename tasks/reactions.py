"""Make up for events that were lost, and start the pipeline once for what is new."""

from __future__ import annotations

import logging
import uuid
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from prefect import get_client
from prefect.client.orchestration import SyncPrefectClient
from prefect.client.schemas.filters import (
    DeploymentFilter,
    DeploymentFilterId,
    FlowRunFilter,
    FlowRunFilterIdempotencyKey,
    FlowRunFilterParentFlowRunId,
    FlowRunFilterState,
    FlowRunFilterStateType,
)
from prefect.client.schemas.objects import FlowRun, StateType
from prefect.client.schemas.sorting import FlowRunSort
from prefect.deployments import run_deployment
from prefect.exceptions import ObjectNotFound
from prefect.states import Crashed

from feature_groups.store import FeatureStore
from feature_groups.store.errors import ServerUnavailable
from feature_groups.store.outbox import Notice, Outbox, TableVersion
from feature_groups.store.overdue import overdue
from models.reaction import Reaction
from tasks.events import FeatureGroupCommitted, FreshnessMissed, emit, send
from tasks.retries import retried

TRIES = 3
"""How often a run is started for the same thing, when it crashes."""

_AT_WORK = (StateType.PENDING, StateType.RUNNING, StateType.PAUSED, StateType.CANCELLING)
_ON_ITS_WAY = ("Scheduled", "Late", "AwaitingConcurrencySlot", "AwaitingRetry", "Completed", "Skipped")
_PAGE = 50

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Started:
    """What became of starting a run.

    Attributes:
        run: Id of the run that was started; None when none was needed.
        told: Which run it is, or why there is none.
    """

    run: str | None
    told: str


@retried("notice what is overdue")
def notice_overdue(store: FeatureStore) -> int:
    """Tell which feature groups have not changed for longer than they declare; returns how many have not."""
    late = overdue(store)
    for one in late:
        emit(FreshnessMissed.of(one), store.metadata)
    return len(late)


@retried("tell again what was not heard")
def tell_again(store: FeatureStore) -> int:
    """Send the events that happened since the last time and that the server has not heard of; returns how many.

    At the very first time it only begins to listen: what happened before is nobody's news.
    """
    outbox = Outbox(store, "events")
    if outbox.skip():
        return 0
    events = [FeatureGroupCommitted.of_version(version) for version in outbox.pending()]
    ids = [str(event.id) for event in events] + [noticed.id for noticed in outbox.notices()]
    if not ids:
        return 0
    told = _heard(ids)
    sent = 0

    def committed(version: TableVersion) -> None:
        nonlocal sent
        event = FeatureGroupCommitted.of_version(version)
        if str(event.id) not in told:
            emit(event)
            sent += 1

    def noticed(found: Notice) -> None:
        nonlocal sent
        if found.id not in told:
            send(found.name, found.about, found.payload, uuid.UUID(found.id))
            sent += 1

    outbox.deliver(committed, noticed)
    return sent


@retried("start {deployment} once")
def start_once(deployment: str, reaction: Reaction, parameters: Mapping[str, Any]) -> Started:
    """Start a run for what is new, unless one is at work or has been started for it.

    The key of the reaction is the run's idempotency key, so that two who decide at once start one run. A run that
    crashed is started again, `TRIES` times in all, and what was left running within it has crashed too; one that failed
    is a person's to look at, until something moves.

    Raises:
        ServerUnavailable: The server has no such deployment.
    """
    with get_client(sync_client=True) as client:
        only = _deployment(client, deployment)
        _crash_parts(client, only)
        if busy := _at_work(client, only):
            return Started(None, f"run {busy.name} is at work; what it leaves comes after it")
        known = _started(client, [f"{reaction.key}-{attempt}" for attempt in range(1, TRIES + 1)])
    last = known[-1] if known else None
    if last is not None and not (last.state and last.state.is_crashed() and len(known) < TRIES):
        hint = "" if last.state_name in _ON_ITS_WAY else "; what went wrong is a person's to look at"
        return Started(None, f"run {last.name} was started for the same and is {last.state_name}{hint}")
    key = f"{reaction.key}-{len(known) + 1}"
    made: Any = run_deployment(
        deployment, parameters=dict(parameters), idempotency_key=key, timeout=0, as_subflow=False
    )
    return Started(str(made.id), f"started run {made.name}")


def _heard(ids: Iterable[str]) -> set[str]:
    """Which of these events the server has."""
    wanted, found = list(ids), set()
    with get_client(sync_client=True) as client:
        for first in range(0, len(wanted), _PAGE):
            page = {"filter": {"id": {"id": wanted[first : first + _PAGE]}}, "limit": _PAGE}
            answer = client.request("POST", "/events/filter", json=page).json()
            found |= {str(event["id"]) for event in answer["events"]}
    return found


def _deployment(client: SyncPrefectClient, name: str) -> DeploymentFilter:
    """Of the runs of this deployment."""
    try:
        deployment = client.read_deployment_by_name(name)
    except ObjectNotFound as error:
        raise ServerUnavailable(
            f"deployment {name!r}",
            what="The Prefect server has none of that name.",
            state="was not started; what is new stays pending",
            next_step="make it with: alluvia deploy (or alluvia serve), or name another one.",
        ) from error
    return DeploymentFilter(id=DeploymentFilterId(any_=[deployment.id]))


def _in_state(*types: StateType) -> FlowRunFilterState:
    return FlowRunFilterState(type=FlowRunFilterStateType(any_=list(types)))


def _at_work(client: SyncPrefectClient, only: DeploymentFilter) -> FlowRun | None:
    """A run of the deployment that has begun and not ended."""
    begun = FlowRunFilter(state=_in_state(*_AT_WORK))
    found = client.read_flow_runs(flow_run_filter=begun, deployment_filter=only, limit=1)
    return found[0] if found else None


def _crash_parts(client: SyncPrefectClient, only: DeploymentFilter) -> None:
    """End the runs within runs that crashed or were cancelled: they have no heartbeat, so nobody else misses them."""
    newest = FlowRunSort.EXPECTED_START_TIME_DESC
    dead = FlowRunFilter(state=_in_state(StateType.CRASHED, StateType.CANCELLED))
    ended = client.read_flow_runs(flow_run_filter=dead, deployment_filter=only, sort=newest, limit=_PAGE)
    if not ended:
        return
    within = FlowRunFilter(
        parent_flow_run_id=FlowRunFilterParentFlowRunId(any_=[run.id for run in ended]), state=_in_state(*_AT_WORK)
    )
    for part in client.read_flow_runs(flow_run_filter=within):
        client.set_flow_run_state(part.id, Crashed(message="The run that it was part of has ended."))


def _started(client: SyncPrefectClient, keys: list[str]) -> list[FlowRun]:
    """The runs that have these idempotency keys, in the order of the keys."""
    found = client.read_flow_runs(flow_run_filter=FlowRunFilter(idempotency_key=FlowRunFilterIdempotencyKey(any_=keys)))
    return sorted(found, key=lambda run: str(run.idempotency_key))
