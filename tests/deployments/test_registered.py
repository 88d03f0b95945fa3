"""Everything is registered on a real server, once, and from one file."""

from __future__ import annotations

import http.server
import subprocess
import sys
import threading
import uuid
from collections.abc import Iterator
from contextlib import nullcontext
from pathlib import Path
from queue import Queue
from typing import Any

import pytest
import yaml
from prefect import flow
from prefect.blocks.notifications import CustomWebhookNotificationBlock
from prefect.client.orchestration import SyncPrefectClient
from prefect.client.schemas.filters import DeploymentFilter, DeploymentFilterId
from prefect.client.schemas.responses import DeploymentResponse
from prefect.exceptions import PrefectHTTPStatusError
from prefect.states import Failed

from deployments import declared, serve
from deployments.automations import automations as declared_automations
from deployments.automations import register
from deployments.register import deploy, prepare
from deployments.revision import revision
from feature_groups.store.errors import InvalidSettings
from local_server import beside, eventually
from tasks.spark_limit import SPARK, spark_slot

PROJECT = Path(__file__).parents[2]
NAMES = [
    "reconcile", "pipeline", "refresh", "training", "scoring", "monitoring", "comparison", "backfill", "step",
]  # fmt: skip
TRIGGERS = {
    "alluvia - a feature group has a new version": ("feature-group.committed", "alluvia.feature-group.*"),
    "alluvia - what the champion sees has drifted": ("feature.drifted", "alluvia.model.*"),
    "alluvia - a metric of the champion has fallen": ("metric.breached", "alluvia.model.*"),
    "alluvia - new rows are overdue": ("freshness.missed", "alluvia.feature-group.*"),
    "alluvia - somebody has delivered data": ("data.delivered", "alluvia.source.*"),
    "alluvia - a blessed release was made": ("model.released", "alluvia.model.*"),
}
ENDED = "alluvia - a run of the pipeline has ended"
WATCH = "alluvia - runs that died silently are crashed"
ALERTS = {"alluvia - a run failed or crashed", "alluvia - bad news of data or models"}


@pytest.fixture(scope="module")
def registered(client: SyncPrefectClient) -> dict[str, DeploymentResponse]:
    """The deployments by flow, after they were registered twice."""
    assert deploy() == deploy() == [f"{name}/alluvia" for name in NAMES]
    return {name: client.read_deployment_by_name(f"{name}/alluvia") for name in NAMES}


def automations(client: SyncPrefectClient) -> dict[str, dict[str, Any]]:
    found = client.request("POST", "/automations/filter", json={}).json()
    assert len(found) == len({one["name"] for one in found}), "registering again doubled one"
    return {one["name"]: one for one in found}


def test_every_deployment_runs_an_installed_flow_from_nowhere(registered: dict[str, DeploymentResponse]) -> None:
    for name, deployment in registered.items():
        assert deployment.entrypoint == f"flows.{name}.{name}"
        assert (deployment.path, deployment.pull_steps or []) == (None, [])
        assert deployment.work_pool_name == declared.pool() == "alluvia"
        assert deployment.job_variables["command"] == "python -m prefect.engine"
        assert deployment.version == revision()
        assert deployment.tags == ["alluvia"]
        assert deployment.description


def test_no_path_stands_in_the_file() -> None:
    content = declared.FILE.read_text()

    assert yaml.safe_load(content)["pull"] == []
    assert "/work" not in content
    assert "/home" not in content


def test_one_run_at_a_time_of_each_but_of_single_steps_and_of_reconciling(
    registered: dict[str, DeploymentResponse],
) -> None:
    limits = {name: one.global_concurrency_limit for name, one in registered.items()}

    assert {name: limit.limit if limit else None for name, limit in limits.items()} == dict.fromkeys(NAMES, 1) | {
        "step": 2,
        "reconcile": 4,
    }
    options = [one.concurrency_options for one in registered.values()]
    assert {option.collision_strategy.value for option in options if option} == {"ENQUEUE"}


def test_a_worker_of_a_pool_that_is_none_does_not_wait_for_ever(
    registered: dict[str, DeploymentResponse], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(serve.os, "execve", lambda *_: pytest.fail("it became a worker"))
    monkeypatch.setattr(serve, "for_runs", lambda *_: nullcontext())
    with pytest.raises(InvalidSettings, match=r"none of that name\. Did you mean 'alluvia'\?\n.*--pool aluvia"):
        serve.work("aluvia", data=tmp_path)


def test_schedules_have_a_name_and_a_time_zone(registered: dict[str, DeploymentResponse]) -> None:
    found = {
        # There is one.
        name: [(one.slug, one.schedule.cron, one.schedule.timezone) for one in deployment.schedules]  # type: ignore[union-attr]
        for name, deployment in registered.items()
        if deployment.schedules
    }

    assert found == {
        "reconcile": [("five-minutes", "*/5 * * * *", "UTC")],
        "pipeline": [("nightly", "30 3 * * *", "Europe/Berlin")],
        "refresh": [("hourly", "10 * * * *", "UTC")],
        "scoring": [("morning", "0 6 * * *", "Europe/Berlin")],
        "monitoring": [("after-scoring", "30 6 * * *", "Europe/Berlin")],
    }


def test_schedules_make_runs(registered: dict[str, DeploymentResponse], client: SyncPrefectClient) -> None:
    nightly = DeploymentFilter(id=DeploymentFilterId(any_=[registered["pipeline"].id]))

    eventually(lambda: any(run.auto_scheduled for run in client.read_flow_runs(deployment_filter=nightly)))
    runs = [run for run in client.read_flow_runs(deployment_filter=nightly) if run.auto_scheduled]
    assert {run.expected_start_time.minute for run in runs if run.expected_start_time} == {30}


def film_parameters(schema: dict[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = schema.get("definitions", {}).get("FilmParameters", {}).get("properties", {})
    return found


def test_parameters_become_forms_with_words_for_every_field(registered: dict[str, DeploymentResponse]) -> None:
    for name, deployment in registered.items():
        schema = deployment.parameter_openapi_schema
        assert schema is not None, name
        fields = {**schema["properties"], **film_parameters(schema)}
        assert [field for field, told in fields.items() if len(told.get("description", "")) < 5] == [], name
    schema = registered["training"].parameter_openapi_schema
    assert schema is not None
    assert film_parameters(schema)["miss_cost"]["exclusiveMinimum"] == 0
    form = schema["properties"]
    assert form["promote"]["enum"] == ["champion", "challenger", "none"]
    assert form["approval"]["type"] == "boolean"
    assert form["lake"]["anyOf"][0] == {"format": "path", "type": "string"}
    assert registered["training"].parameters == {"approval": True}


@pytest.mark.parametrize(
    ("name", "given", "said"),
    [
        ("training", {"parameters": {"miss_cost": -1}}, "miss_cost"),
        ("training", {"promote": "king"}, "promote"),
        ("refresh", {"engine": "duckdb"}, "engine"),
    ],
)
def test_a_wrong_parameter_is_refused_before_there_is_a_run(
    name: str, given: dict[str, Any], said: str, registered: dict[str, DeploymentResponse], client: SyncPrefectClient
) -> None:
    with pytest.raises(PrefectHTTPStatusError) as refused:
        client.create_flow_run_from_deployment(registered[name].id, parameters=given)

    assert refused.value.response.status_code == 409
    assert said in refused.value.response.text


def test_an_automation_that_is_there_just_so_is_left_alone(
    registered: dict[str, DeploymentResponse], client: SyncPrefectClient
) -> None:
    before = automations(client)[WATCH]["id"]
    deploy()

    assert automations(client)[WATCH]["id"] == before, "made anew, it would forget whose heartbeats it has heard"


def test_triggers_start_one_deployment_and_say_what_woke_it(
    registered: dict[str, DeploymentResponse], client: SyncPrefectClient
) -> None:
    found = automations(client)

    assert set(found) - ALERTS == {*TRIGGERS, ENDED, WATCH}
    for name, (event, resource) in TRIGGERS.items():
        trigger, (action,) = found[name]["trigger"], found[name]["actions"]
        labels = {"alluvia.blessed": "true"} if event == "model.released" else {}
        # What the pipeline says wakes nobody before it has ended.
        labels |= {} if event == "data.delivered" else {"alluvia.within": "!pipeline"}
        assert (trigger["expect"], trigger["match"]) == ([event], {"prefect.resource.id": resource, **labels})
        assert 0 < trigger["within"] <= 2, "a burst starts one run, which begins to look after it"
        assert action["deployment_id"] == str(registered["reconcile"].id)
        assert "event.event" in action["parameters"]["because"]["template"]
    ended = found[ENDED]["trigger"]
    assert ended["match_related"]["prefect.resource.name"] == "pipeline"
    assert 0 < ended["within"] <= 2, "what came during a run is looked at after each, once"


def test_anybody_outside_can_say_that_data_was_delivered(client: SyncPrefectClient) -> None:
    program = PROJECT / "docs" / "examples" / "deliver.py"
    source = f"test-{uuid.uuid4()}"
    done = subprocess.run([sys.executable, str(program), source], capture_output=True, text=True, check=True)
    assert done.stdout == "204\n"

    wanted = {"filter": {"resource": {"id": [f"alluvia.source.{source}"]}}, "limit": 5}
    eventually(lambda: client.request("POST", "/events/filter", json=wanted).json()["total"] == 1)
    (told,) = client.request("POST", "/events/filter", json=wanted).json()["events"]
    assert told["event"] == "data.delivered"


def test_a_run_without_a_sign_of_life_is_crashed(
    registered: dict[str, DeploymentResponse], client: SyncPrefectClient
) -> None:
    watch = automations(client)[WATCH]

    assert watch["trigger"]["posture"] == "Proactive"
    assert watch["trigger"]["after"] == ["prefect.flow-run.heartbeat"]
    beats = {int(one.job_variables["env"]["PREFECT_FLOWS_HEARTBEAT_FREQUENCY"]) for one in registered.values()}
    assert {3 * beat for beat in beats} == {int(watch["trigger"]["within"])}
    assert watch["actions"][0]["state"] == "CRASHED"


def test_tasks_that_may_start_spark_take_turns(
    registered: dict[str, DeploymentResponse], client: SyncPrefectClient
) -> None:
    assert client.read_global_concurrency_limit_by_name(SPARK).limit == 1
    inside, most, lock = 0, 0, threading.Lock()

    @flow
    def work() -> None:
        nonlocal inside, most
        with spark_slot():
            with lock:
                inside += 1
                most = max(most, inside)
            threading.Event().wait(0.2)
            with lock:
                inside -= 1

    threads = [beside(work) for _ in range(2)]
    for thread in threads:
        thread.join()
    assert most == 1


def test_without_the_limit_nothing_waits(registered: dict[str, DeploymentResponse], client: SyncPrefectClient) -> None:
    limit = client.read_global_concurrency_limit_by_name(SPARK)
    client.delete_global_concurrency_limit_by_name(SPARK)
    with spark_slot():
        pass
    prepare(client, 1)
    assert client.read_global_concurrency_limit_by_name(SPARK).id != limit.id


@pytest.fixture
def messages() -> Iterator[tuple[str, Queue[str]]]:
    """A place alerts are sent to: its address, and what came."""
    came: Queue[str] = Queue()

    class Listener(http.server.BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            came.put(self.rfile.read(int(self.headers["Content-Length"])).decode())
            self.send_response(200)
            self.end_headers()

        def log_message(self, *given: object) -> None:
            pass

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Listener) as server:
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}", came
        server.shutdown()
        thread.join()


def test_whoever_is_to_know_hears_of_a_run_that_failed(
    registered: dict[str, DeploymentResponse], client: SyncPrefectClient, messages: tuple[str, Queue[str]]
) -> None:
    url, came = messages
    block = CustomWebhookNotificationBlock(
        name="alerts", url=url, json_data={"subject": "{{subject}}", "body": "{{body}}"}
    )
    block.save("alerts", overwrite=True)
    register(client, declared_automations("custom-webhook/alerts"))
    assert set(automations(client)) == {*TRIGGERS, ENDED, WATCH, *ALERTS}

    def failed(tags: list[str]) -> None:
        run = client.create_flow_run_from_deployment(registered["scoring"].id, tags=tags)
        client.set_flow_run_state(run.id, Failed(message="a contract was broken"), force=True)

    failed([])
    said = came.get(timeout=30)
    assert "scoring run" in said
    assert "is Failed" in said
    assert "a contract was broken" in said


@pytest.mark.parametrize("name", ["custom-webhook/nobody", "secret/alerts", "alerts"])
def test_a_block_that_cannot_notify_is_named_and_nothing_changes(
    name: str, registered: dict[str, DeploymentResponse], client: SyncPrefectClient
) -> None:
    from prefect.blocks.system import Secret

    Secret(value="x").save("alerts", overwrite=True)
    before = automations(client)
    with pytest.raises(InvalidSettings, match=f"{name}[\\s\\S]*type/name"):
        deploy(alerts=name)
    assert automations(client) == before
