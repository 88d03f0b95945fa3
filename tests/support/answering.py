"""Whoever answers a run that waits for a person: what they are shown, and what they say."""

from __future__ import annotations

import contextlib
from typing import Any

from prefect.client.orchestration import SyncPrefectClient
from prefect.client.schemas.filters import FlowRunFilter, FlowRunFilterName, FlowRunFilterState, FlowRunFilterStateType
from prefect.client.schemas.objects import FlowRun, StateType
from prefect.exceptions import PrefectHTTPStatusError
from prefect.flow_runs import resume_flow_run

from local_server import eventually


def paused(client: SyncPrefectClient, name: str) -> FlowRun:
    wanted = FlowRunFilter(
        name=FlowRunFilterName(any_=[name]),
        state=FlowRunFilterState(type=FlowRunFilterStateType(any_=[StateType.PAUSED])),
    )
    eventually(lambda: bool(client.read_flow_runs(flow_run_filter=wanted)), seconds=300)
    (run,) = client.read_flow_runs(flow_run_filter=wanted)
    return run


def form(client: SyncPrefectClient, run: FlowRun) -> dict[str, Any]:
    """What the person sees; it is stored a moment after the run has paused."""
    assert run.state is not None
    keys: dict[str, str] = run.state.state_details.run_input_keyset or {}
    found: dict[str, Any] = {}

    def is_there() -> bool:
        with contextlib.suppress(PrefectHTTPStatusError):
            for part in ("schema", "description"):
                found[part] = client.request("GET", f"/flow_runs/{run.id}/input/{keys[part]}").json()
        return len(found) == 2

    eventually(is_there)
    return found


def answered(client: SyncPrefectClient, name: str, **given: str) -> dict[str, Any]:
    """Answer in the place of a person, as soon as the run waits; the form it showed."""
    run = paused(client, name)
    read = form(client, run)
    resume_flow_run(run.id, run_input=given)
    return read
