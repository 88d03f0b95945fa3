from __future__ import annotations

from pathlib import Path

from prefect.client.orchestration import SyncPrefectClient
from prefect.client.schemas.filters import FlowRunFilter, FlowRunFilterParentFlowRunId
from prefect.events.worker import EventsWorker
from prefect.settings import PREFECT_FLOWS_HEARTBEAT_FREQUENCY, temporary_settings

from flows.pipeline import pipeline
from local_server import eventually


def test_a_pipeline_gives_the_sign_of_life_for_all_that_runs_within_it(
    client: SyncPrefectClient, tmp_path: Path
) -> None:
    (tmp_path / "data").mkdir()

    def beats() -> set[str]:
        wanted = {"filter": {"event": {"name": ["prefect.flow-run.heartbeat"]}, "order": "DESC"}, "limit": 50}
        found = client.request("POST", "/events/filter", json=wanted).json()["events"]
        return {event["resource"]["prefect.resource.id"] for event in found}

    # There is nothing to read: its first part fails at once.
    with temporary_settings({PREFECT_FLOWS_HEARTBEAT_FREQUENCY: 30}):
        state = pipeline(data=tmp_path / "data", lake=tmp_path / "lake", return_state=True)

    assert state.is_failed()
    whole = state.state_details.flow_run_id
    within = FlowRunFilter(parent_flow_run_id=FlowRunFilterParentFlowRunId(any_=[whole]))
    (part,) = client.read_flow_runs(flow_run_filter=within)
    EventsWorker.drain_all()
    eventually(lambda: f"prefect.flow-run.{whole}" in beats())
    assert f"prefect.flow-run.{part.id}" not in beats()
