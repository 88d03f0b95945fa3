"""Every step in a process of its own, from references alone: a process work pool runs single steps as deployments."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from prefect.client.orchestration import SyncPrefectClient
from prefect.client.schemas.actions import WorkPoolCreate
from prefect.deployments import run_deployment
from prefect.settings import PREFECT_API_URL
from prefect.utilities.callables import parameter_schema

from feature_groups.sources.generator import generate
from feature_groups.store import FeatureStore, Settings, connect
from feature_groups.store.discovery import discover
from feature_groups.store.steps import Steps
from flows.step import step
from small_world import refresh

PROJECT = Path(__file__).parents[2]
NAMES = ["movies_v1", "users_v1", "age_labels_v1", "ratings_v1", "user_history_v1"]
POOL = "single-steps"

pytestmark = pytest.mark.slow


@pytest.fixture
def deployment(client: SyncPrefectClient, user_home: Path) -> Iterator[str]:
    """The flow as a deployment on a process work pool with a worker."""
    client.create_work_pool(WorkPoolCreate(name=POOL, type="process"), overwrite=True)
    environment = {
        **os.environ,
        "PYTHONPATH": str(PROJECT),
        "ALLUVIA_HOME": str(user_home),
        "PREFECT_API_URL": PREFECT_API_URL.value(),
        "PREFECT_WORKER_QUERY_SECONDS": "1",
    }
    client.create_deployment(
        flow_id=client.create_flow(step),
        name="step",
        work_pool_name=POOL,
        entrypoint="flows.step.step",
        pull_steps=[],
        parameter_openapi_schema=parameter_schema(step).model_dump_for_openapi(),
        job_variables={"command": f"{sys.executable} -m prefect.engine"},
    )
    command = [sys.executable, "-m", "prefect", "worker", "start", "--pool", POOL, "--type", "process", "--limit", "1"]
    with subprocess.Popen(command, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as worker:
        yield "step/step"
        worker.terminate()


def contents(store: FeatureStore) -> dict[str, str]:
    """The content fingerprint of every table."""
    groups = {group.id: group for group in discover("feature_groups")}
    outputs = {name: Steps(store).output(groups[name]) for name in NAMES}
    return {name: str(output["content"]) for name, output in outputs.items() if output is not None}


def test_steps_in_processes_of_their_own_make_what_one_process_makes(
    deployment: str, client: SyncPrefectClient, tmp_path: Path
) -> None:
    data, lake = tmp_path / "data", tmp_path / "lake"
    generate(data, events=500, users=40)
    ids = []
    for name in NAMES:
        references = {"name": name, "data": str(data), "lake": str(lake), "engine": "polars"}
        run = run_deployment(deployment, parameters=references, timeout=300, poll_interval=1, as_subflow=False)
        assert run.state is not None
        assert run.state.is_completed(), run.state
        ids.append(run.id)

    here = connect(tmp_path / "here", settings=Settings(engine="polars"))
    refresh(here, [group for group in discover("feature_groups") if group.id in NAMES], data)
    apart = connect(lake)
    assert contents(apart) == contents(here)
    assert set(contents(here)) == set(NAMES)
    processes = {client.read_flow_run(one).infrastructure_pid for one in ids}
    assert len(processes) == len(NAMES)
