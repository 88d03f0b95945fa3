from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from uuid import UUID

import pytest
from prefect.client.orchestration import SyncPrefectClient

from feature_groups import predictions
from feature_groups.store import connect
from feature_groups.views import age_gate
from film_lake import FilmLake, film_lake
from flows import scoring as module
from flows.scoring import Scored, scoring
from local_server import events
from models.errors import NothingServes
from models.film_reaction import unanswered
from refreshing import Run

PROJECT = Path(__file__).parents[2]

pytestmark = pytest.mark.usefixtures("client")


@pytest.fixture(autouse=True)
def _one_session(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "stop_session", lambda: None)


@pytest.fixture(scope="module")
def lake(client: SyncPrefectClient, tmp_path_factory: pytest.TempPathFactory) -> FilmLake:
    """A lake with a champion, which the tests of this module ask one after another."""
    return film_lake(tmp_path_factory.getbasetemp()).copy(tmp_path_factory.mktemp("scoring") / "copy")


@pytest.fixture(scope="module")
def first(lake: FilmLake, client: SyncPrefectClient) -> tuple[Scored, Run]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(module, "stop_session", lambda: None)
        return watched(lake, client)


def watched(lake: FilmLake, client: SyncPrefectClient) -> tuple[Scored, Run]:
    """What a run of the flow returned, and the run."""
    ids: list[UUID] = []
    made = scoring.with_options(on_completion=[lambda flow, flow_run, state: ids.append(flow_run.id)])(lake=lake.lake)
    return made, Run(ids[0], {}, None, client)


def test_the_first_scoring_writes_everybody_and_tells_the_dashboard(
    first: tuple[Scored, Run], lake: FilmLake, client: SyncPrefectClient
) -> None:
    made, run = first
    champion = lake.registry.champion()
    assert champion is not None
    log = lake.predictions()

    assert (made.outcome, made.why, made.release) == ("run", "first run", champion.id)
    assert made.users == made.new == log.height == 100
    assert sum(route["users"] for route in made.routes) == sum(made.reasons.values()) == 100
    assert made.score == pytest.approx(log["score"].mean())
    assert made.outcomes == []
    states = {name: task.state_name for name, task in run.tasks().items()}
    assert states == {"scoring/films/predictions": "Completed", "scoring/films/outcomes": "Completed"}
    artifacts = run.artifacts()
    assert set(artifacts) == {"commits-predictions-v1", "contract-predictions-v1", "outcomes-films"}
    assert "100 rows received: 100 inserted" in str(artifacts["commits-predictions-v1"].description)
    store = lake.store
    table_id = store.writer.states.at(store.get_or_create_feature_group(predictions.v1).table).table_id
    (told,) = events(client, "predictions_v1", version=1, table_id=table_id)
    assert told["payload"]["inserted"] == 100


def test_scoring_again_commits_nothing_and_starts_no_jvm(
    first: tuple[Scored, Run], lake: FilmLake, client: SyncPrefectClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(settings: object) -> None:
        raise AssertionError("Spark was asked for")

    monkeypatch.setattr("feature_groups.store.engines.session.spark_session", refuse)
    again, run = watched(lake, client)

    assert again.outcome == "skipped"
    assert again.why.startswith("unchanged since ")
    assert (again.users, again.routes, again.new) == (first[0].users, first[0].routes, 0)
    assert [c.version for c in connect(lake.lake).get_or_create_feature_group(predictions.v1).history()] == [1, 0]
    states = {name: task.state_name for name, task in run.tasks().items()}
    assert states == {"skip scoring/films/predictions": "Skipped", "skip scoring/films/outcomes": "Skipped"}
    assert run.artifacts() == {}


def test_a_champion_that_has_answered_waits_for_no_scoring(first: tuple[Scored, Run], lake: FilmLake) -> None:
    assert unanswered(lake.store, lake.registry.champion()) == []


def test_new_ratings_are_the_outcomes_of_what_was_said_before_and_ask_anew(
    first: tuple[Scored, Run], lake: FilmLake, client: SyncPrefectClient, tmp_path: Path
) -> None:
    made = lake.copy(tmp_path / "copy")
    log = made.predictions().head(10)
    liked = [(row["user_id"], row["movies"][0], 5) for row in log.rows(named=True)]
    made.rate(liked, age_gate.now(made.store) + timedelta(hours=1))
    later, run = watched(made, client)

    assert later.why == "parameter changed: asked_at; ratings_v1 moved from v1 to v2"
    assert (later.new, later.version, made.predictions().height) == (100, 2, 200)
    assert sum(row["judged"] for row in later.outcomes) == 10
    assert {row["hit_rate"] for row in later.outcomes if row["judged"]} == {1.0}
    assert "Of 10 of 100 predictions" in str(run.artifacts()["outcomes-films"].description)


def test_predictions_that_went_are_made_again(first: tuple[Scored, Run], lake: FilmLake, tmp_path: Path) -> None:
    made = lake.copy(tmp_path / "copy")
    log = made.predictions()
    made.store.get_or_create_feature_group(predictions.v1).delete_rows(log.head(3).select("prediction_id"))
    again = scoring(lake=made.lake)

    assert again.why == "its predictions are gone or were made from other versions since"
    assert again.new == 3
    assert made.predictions().equals(log)


def test_without_a_champion_it_says_what_to_run(lake: FilmLake, tmp_path: Path) -> None:
    made = lake.copy(tmp_path / "copy")
    for switch in (made.lake / "metadata" / "registries" / "films" / "switches").iterdir():
        switch.unlink()

    with pytest.raises(NothingServes, match="make run"):
        scoring(lake=made.lake)
