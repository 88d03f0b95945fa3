"""A run that did not succeed, taken up again: what failed and what waited on it, with the parameters that it had."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any
from uuid import UUID

from deployments.pipeline import FLOWS, Request
from feature_groups.store.errors import did_you_mean
from feature_groups.store.step_errors import NothingToResume

if TYPE_CHECKING:
    from prefect.client.orchestration import SyncPrefectClient
    from prefect.client.schemas.objects import FlowRun

LAST, WHOLE = "last", "pipeline"
"""The newest run, and the flow that runs all others."""
_RECENT = 50
_TRAINING = ("parameters", "promote", "approval", "approval_hours")


def resumed(run: str) -> tuple[str, Request]:
    """A run by its name, and the request that takes it up again: its flow with its parameters, then what follows.

    What the run finished is skipped by its records; `deployments.pipeline.run_pipeline` does the rest.

    Args:
        run: Id of a flow run, its name (the newest run of that name), or ``last`` for the newest run of a flow that
            can be taken up.

    Raises:
        NothingToResume: There is no such run, it succeeded, or it has not ended.
    """
    from prefect import get_client

    with get_client(sync_client=True) as client:
        found = _found(client, run)
        flow = client.read_flow(found.flow_id).name
    where, state = f"run {found.name!r}", found.state
    if flow not in (WHOLE, *FLOWS):
        what = f"It is a run of {flow}, not of {', '.join((WHOLE, *FLOWS))}."
        raise _nothing(where, what, "start it anew: steps that it finished are skipped.")
    if state is None or not state.is_final():
        raise _nothing(where, "It has not ended.", "wait for it, or cancel it in the dashboard.")
    if state.is_completed():
        raise _nothing(
            where, "It succeeded: nothing of it is left to do.", "see what a new run would do: alluvia plan."
        )
    return found.name, _request(flow, found.parameters)


def _found(client: SyncPrefectClient, run: str) -> FlowRun:
    from datetime import UTC, datetime

    from prefect.client.schemas.filters import (
        FlowFilter,
        FlowFilterName,
        FlowRunFilter,
        FlowRunFilterExpectedStartTime,
        FlowRunFilterName,
        FlowRunFilterParentTaskRunId,
        FlowRunFilterState,
        FlowRunFilterStateType,
    )
    from prefect.client.schemas.objects import StateType
    from prefect.client.schemas.sorting import FlowRunSort
    from prefect.exceptions import ObjectNotFound

    newest = FlowRunSort.EXPECTED_START_TIME_DESC
    try:
        return client.read_flow_run(UUID(run))
    except (ValueError, ObjectNotFound):
        pass  # no id: then it is a name
    ours = FlowFilter(name=FlowFilterName(any_=[WHOLE, *FLOWS]))
    # Schedules have made runs of the days to come.
    begun: dict[str, Any] = {
        "expected_start_time": FlowRunFilterExpectedStartTime.model_validate({"before_": datetime.now(UTC)}),
        "state": FlowRunFilterState(type=FlowRunFilterStateType(not_any_=[StateType.SCHEDULED])),
    }
    own = FlowRunFilter(parent_task_run_id=FlowRunFilterParentTaskRunId(is_null_=True), **begun)
    recent = client.read_flow_runs(flow_filter=ours, flow_run_filter=own, sort=newest, limit=_RECENT)
    if run == LAST and recent:
        return recent[0]
    named = FlowRunFilter(name=FlowRunFilterName(any_=[run]), **begun)
    if run != LAST and (found := client.read_flow_runs(flow_run_filter=named, sort=newest, limit=1)):
        return found[0]
    what = f"The server knows no such run. {did_you_mean(run, {one.name for one in recent})}"
    raise _nothing(f"run {run[:80]!r}", what, "give a name or an id from the dashboard, or 'last'.")


def _request(flow: str, parameters: Mapping[str, Any]) -> Request:
    """The request of a run's parameters, which the server keeps as JSON."""
    from datetime import datetime

    from models.film_parameters import FilmParameters

    given = {name: value for name, value in parameters.items() if value is not None}
    own: dict[str, Any] = {name: Path(given.pop(name)) for name in ("data", "lake") if name in given}
    own |= {name: given.pop(name) for name in ("engine", "select", "exclude") if name in given}
    if "parameters" in given:
        given["parameters"] = FilmParameters(**given["parameters"])
    if flow == WHOLE:
        if given.get("train") is False:
            own["exclude"] = "tag:dataset tag:training"
        return Request(**own, more={"training": {name: given[name] for name in _TRAINING if name in given}})
    if flow == "scoring" and "at" in given:
        given["at"] = datetime.fromisoformat(given["at"])
    return Request(**own, first=flow, more={flow: given})


def _nothing(where: str, what: str, next_step: str) -> NothingToResume:
    return NothingToResume(where, what=what, state="was not taken up again", next_step=next_step)
