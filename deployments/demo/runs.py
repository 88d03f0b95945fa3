"""What a demo asks of the Prefect server: that it hears of a delivery, and which runs came of that."""

from __future__ import annotations

import time
import uuid
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from prefect.client.orchestration import SyncPrefectClient
from prefect.client.schemas.filters import (
    FlowRunFilter,
    FlowRunFilterStartTime,
    FlowRunFilterState,
    FlowRunFilterStateType,
    FlowRunFilterTags,
)
from prefect.client.schemas.objects import FlowRun, StateType

from feature_groups.store.errors import ServerUnavailable

PIPELINE, RECONCILER = "pipeline", "reconcile"
QUIET = 45.0
"""Seconds without a run after which nothing more is expected, whatever the lake says."""

PATIENCE = 120.0
"""Seconds within which an event must have started something."""

_ACTIVE = (StateType.SCHEDULED, StateType.PENDING, StateType.RUNNING, StateType.PAUSED, StateType.CANCELLING)
_TAGGED = FlowRunFilterTags(all_=["alluvia"])
_POLL = 0.5
_PAGE = 200


def deliver(client: SyncPrefectClient, source: str) -> datetime:
    """Tell the server that a source was delivered, as anybody could by HTTP; returns when.

    The request is ``POST /api/events`` with a list of events.
    """
    now = datetime.now(UTC)
    resource = {"prefect.resource.id": f"alluvia.source.{source}", "prefect.resource.name": source}
    event = {"id": str(uuid.uuid4()), "event": "data.delivered", "occurred": now.isoformat(), "resource": resource}
    client.request("POST", "/events", json=[event | {"payload": {}}])
    return now


def settled(
    client: SyncPrefectClient, since: datetime, log: Path, told: Callable[[str], None], left: Callable[[], str]
) -> list[FlowRun]:
    """Wait until everything that an event started has ended.

    Where the lake itself says that nothing is left to do, the reconciler that comes after every run of the pipeline is
    not waited for.

    Args:
        client: Of the server.
        since: When the event was sent.
        log: Of the process that serves the deployments; named when nothing starts.
        told: Hears in a line what is at work.
        left: Says what a reconciler would start a run for, nothing when idle; asked once after each pipeline.

    Returns:
        The runs that began since then, oldest first.

    Raises:
        ServerUnavailable: Nothing started.
    """
    quiet = begun = time.monotonic()
    last, asked = "", 0
    flows = {flow.id: flow.name for flow in client.read_flows()}
    while True:
        active = client.read_flow_runs(
            flow_run_filter=FlowRunFilter(
                tags=_TAGGED, state=FlowRunFilterState(type=FlowRunFilterStateType(any_=list(_ACTIVE)))
            )
        )
        began, now = _began(client, since), time.monotonic()
        # A pipeline that was started since `active` was read is among them as well.
        pipelines = [run for run in began if flows[run.flow_id] == PIPELINE and run.end_time]
        if len(pipelines) > asked and all(flows[run.flow_id] == RECONCILER for run in active):
            asked = len(pipelines)
            if not (more := left()):
                return began
            told(f"still to do: {more}")
        if active:
            quiet = now
            # Until it begins, a run that an event started has a random name.
            named = [(run.name if run.start_time else flows[run.flow_id], run.state_name) for run in active]
            line = ", ".join(sorted(f"{name} ({state})" for name, state in named))
            if line != last:
                told(line)
            last = line
        elif began and (now - quiet >= QUIET or nothing_left(began)):
            return began
        elif not last and now - begun > PATIENCE:
            raise ServerUnavailable(
                "the demo's deployments",
                what=f"Nothing started within {PATIENCE:.0f} s of a delivery.",
                state="stopped; what was committed stays",
                next_step=f"read {log}, then run make demo again.",
            )
        time.sleep(_POLL)


def seconds_by_flow(client: SyncPrefectClient) -> dict[str, float]:
    """Wall time of all runs so far by flow, the most first; a run of the pipeline contains those of its parts."""
    names = {flow.id: flow.name for flow in client.read_flows()}
    found = dict.fromkeys(names.values(), 0.0)
    offset = 0
    while page := client.read_flow_runs(limit=_PAGE, offset=offset):
        offset += len(page)
        for run in page:
            found[names[run.flow_id]] += run.total_run_time.total_seconds()
    return dict(sorted(found.items(), key=lambda one: -one[1]))


def nothing_left(runs: list[FlowRun]) -> bool:
    """Whether the newest run looked at what all the others have left, and found nothing to do."""
    newest = runs[-1]
    begun = newest.start_time
    after_all = begun is not None and all(run.end_time is not None and run.end_time <= begun for run in runs[:-1])
    return after_all and newest.name.startswith(RECONCILER) and newest.state_name == "Skipped"


def _began(client: SyncPrefectClient, since: datetime) -> list[FlowRun]:
    begun: Any = since
    started = FlowRunFilterStartTime(after_=begun)
    found = client.read_flow_runs(flow_run_filter=FlowRunFilter(tags=_TAGGED, start_time=started))
    return sorted(found, key=lambda run: str(run.start_time))
