from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from prefect.client.orchestration import SyncPrefectClient
from prefect.states import Scheduled

from deployments.pipeline import Request, run_pipeline
from deployments.resume import resumed
from feature_groups.sources.generator import generate
from feature_groups.store import connect
from feature_groups.store.step_errors import NothingToResume
from flows import refresh as module
from flows.comparison import comparison
from flows.pipeline import pipeline

SELECT = "users, age_labels, movies"

pytestmark = pytest.mark.usefixtures("client")


@pytest.fixture(autouse=True)
def _one_session(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "stop_session", lambda: None)


@pytest.fixture
def asked(tmp_path: Path) -> Request:
    """A request whose raw users are broken."""
    generate(tmp_path / "data", events=500, users=40)
    users = tmp_path / "data" / "users.dat"
    whole = users.read_bytes()
    users.write_bytes(whole.replace(b"::F::", b"::?::", 1).replace(b"::M::", b"::?::", 1))
    (tmp_path / "whole").write_bytes(whole)
    return Request(tmp_path / "data", tmp_path / "lake", "polars", SELECT)


def test_a_failed_run_is_taken_up_with_its_own_parameters_and_does_only_what_was_left(
    asked: Request, tmp_path: Path, client: SyncPrefectClient
) -> None:
    failed = run_pipeline(asked)
    assert {one.group: one.outcome for one in failed.refreshed or ()} == {
        "movies_v1": "run",
        "users_v1": "failed",
        "age_labels_v1": "blocked",
    }
    assert len(failed.errors) == 1
    name, again = resumed("last")
    assert (name, again.first) == (f"refresh {SELECT}", "refresh")
    assert (again.data, again.lake, again.engine, again.select) == (asked.data, asked.lake, "polars", SELECT)

    (tmp_path / "data" / "users.dat").write_bytes((tmp_path / "whole").read_bytes())
    done = run_pipeline(again)
    assert {one.group: one.outcome for one in done.refreshed or ()} == {
        "movies_v1": "skipped",
        "users_v1": "run",
        "age_labels_v1": "run",
    }
    assert done.errors == []
    with pytest.raises(NothingToResume, match="It succeeded"):
        resumed("last")
    assert len(connect(asked.lake).catalogue()) == 3


def test_a_run_of_the_whole_pipeline_is_taken_up_from_its_refresh_on(asked: Request, client: SyncPrefectClient) -> None:
    tomorrow = Scheduled(scheduled_time=datetime.now(UTC) + timedelta(days=1))
    client.create_flow_run(pipeline, name="of tomorrow", state=tomorrow)
    assert pipeline(data=asked.data, lake=asked.lake, engine="polars", train=False, return_state=True).is_failed()
    name, again = resumed("last")

    assert (name, again.first, again.exclude) == ("pipeline", "refresh", "tag:dataset tag:training")
    assert (again.data, again.lake, again.engine) == (asked.data, asked.lake, "polars")


def test_what_cannot_be_taken_up_is_told(asked: Request, client: SyncPrefectClient) -> None:
    run_pipeline(asked)
    with pytest.raises(NothingToResume, match="Did you mean 'refresh users, age_labels, movies'"):
        resumed("refresh users, age_labels, movie")
    with pytest.raises(NothingToResume, match="knows no such run"):
        resumed("00000000-0000-0000-0000-000000000000")
    assert resumed(f"refresh {SELECT}")[1].lake == asked.lake
    state = comparison(variants=[], lake=asked.lake, return_state=True)
    with pytest.raises(NothingToResume, match="a run of comparison, not of pipeline, refresh, training, scoring"):
        resumed(str(state.state_details.flow_run_id))
