"""What each kind of change executes, of datasets, training and scoring; and what the plan said of it before."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pandera.polars as pa
import polars as pl
import pytest
from prefect.client.orchestration import SyncPrefectClient
from prefect.client.schemas.filters import ArtifactFilter, ArtifactFilterKey
from prefect.client.schemas.sorting import ArtifactSort

from feature_groups import predictions, user_activity
from feature_groups.store import connect
from feature_groups.store.step_errors import NoSuchStep, StepNotReady
from feature_groups.store.step_plan import Plan
from feature_groups.views import age_gate
from film_lake import QUICK, FilmLake, film_lake
from flows import refresh as refresh_module
from flows import scoring as scoring_module
from flows import training as training_module
from flows.refresh import refresh
from flows.scoring import scoring
from flows.step import step
from flows.training import training
from models import cascade_fit, film_rows, model_steps
from models.errors import WrongView
from models.film_names import TRAINING
from models.film_parameters import FilmParameters
from models.film_pipeline import plan
from models.film_replay import replay
from models.model_steps import ModelSteps
from released import BLESSED
from small_world import files, foretold

VARIANT = QUICK.model_copy(update={"miss_cost": 3.0})
"""Another one than the champion's, so that judging it is not left out."""
BRANCHES = ["branch_adults", "branch_minors", "branch_popular"]
TRAINED = ["rated", "router", "rankings", *BRANCHES, "film_vectors", "evaluation", "release"]
SCORED = ["predictions", "outcomes"]
PLANNED = "tag:dataset tag:training tag:scoring"

pytestmark = pytest.mark.usefixtures("client")


@pytest.fixture(autouse=True)
def _one_session(monkeypatch: pytest.MonkeyPatch) -> None:
    for module in (refresh_module, training_module, scoring_module):
        monkeypatch.setattr(module, "stop_session", lambda: None)


@pytest.fixture(scope="module")
def finished(client: SyncPrefectClient, tmp_path_factory: pytest.TempPathFactory) -> FilmLake:
    """A lake with a champion after a training of another variant and a scoring."""
    made = film_lake(tmp_path_factory.getbasetemp()).copy(tmp_path_factory.mktemp("changes") / "copy")
    with pytest.MonkeyPatch.context() as patch:
        for module in (training_module, scoring_module):
            patch.setattr(module, "stop_session", lambda: None)
        assert list(executed(made)) == [*TRAINED, *SCORED]
    return made


@pytest.fixture
def lake(finished: FilmLake, tmp_path: Path) -> FilmLake:
    return finished.copy(tmp_path / "copy")


def executed(made: FilmLake, parameters: FilmParameters = VARIANT) -> dict[str, str]:
    """The steps that a training and a scoring executed, and why."""
    trained = training(lake=made.lake, engine="polars", parameters=parameters, promote="none")
    scored = scoring(lake=made.lake, engine="polars")
    return {one.name: one.why for one in (*trained.steps, *scored.steps) if one.outcome == "run"}


def planned(made: FilmLake, parameters: FilmParameters = VARIANT, wanted: str = PLANNED) -> Plan:
    return plan(connect(made.lake, look_only=True), made.data, wanted=wanted, parameters=parameters)


def own(*given: object) -> object:
    return cascade_fit_own(*given)  # type: ignore[operator]  # it was a function


def rows_again(*given: object) -> object:
    return router_rows(*given)  # type: ignore[operator]  # it was a function


cascade_fit_own: object = cascade_fit._own
router_rows: object = film_rows.router_rows


def change_code(made: FilmLake, patch: pytest.MonkeyPatch) -> None:
    patch.setattr(cascade_fit, "_own", own)  # called by what fits a branch
    patch.setattr(film_rows, "router_rows", rows_again)  # called by what predicts


class Stricter(user_activity.Contract):
    """One row per user and instant."""

    user_id: int = pa.Field(ge=0)


def change_a_contract(made: FilmLake, patch: pytest.MonkeyPatch) -> None:
    changed = replace(user_activity.v1, contract=Stricter)
    for name in ("contract", "spec"):
        patch.setitem(vars(user_activity.v1), name, getattr(changed, name))


def move_an_input_that_changes_nothing(made: FilmLake, patch: pytest.MonkeyPatch) -> None:
    made.rate([(1, made.restricted()[0], 1)], age_gate.now(made.store) + timedelta(hours=1))


def lose_outputs(made: FilmLake, patch: pytest.MonkeyPatch) -> None:
    member = ModelSteps(made.store.metadata, TRAINING).last("router")
    assert member is not None
    made.store.metadata.remove(f"registries/films/objects/{member['router']['sha256']}")
    shutil.rmtree(next((made.lake / "training_datasets" / "ranking_v1").iterdir()) / "parts" / "train")
    log = made.predictions()
    made.store.get_or_create_feature_group(predictions.v1).delete_rows(log.head(1).select("prediction_id"))


Act = Callable[[FilmLake, pytest.MonkeyPatch], None]
CHANGES: dict[str, tuple[Act, FilmParameters, dict[str, str]]] = {
    "nothing": (lambda made, patch: None, VARIANT, {}),
    # The branches are made again as they were, so what judges them is skipped.
    "code": (change_code, VARIANT, dict.fromkeys([*BRANCHES, "predictions"], "code changed: ")),
    # The datasets are made again as they were; the champion, asked by the same columns, goes on answering.
    "a contract": (
        change_a_contract,
        VARIANT,
        dict.fromkeys(["age_gate_v1", "ranking_v1"], "contract changed: user_activity_v1"),
    ),
    "a parameter": (
        lambda made, patch: None,
        VARIANT.model_copy(update={"ece": 0.5}),
        {"release": "parameter changed: variant"},
    ),
    "the lock": (
        lambda made, patch: patch.setattr(model_steps, "lock_hash", lambda: "other"),
        VARIANT,
        dict.fromkeys([*TRAINED, *SCORED], "requirements.lock changed"),
    ),
    # Of the same content: what is trained on the new dataset would be what is there.
    "an input's version": (
        move_an_input_that_changes_nothing,
        VARIANT,
        {
            "age_gate_v1": "ratings_v1 moved from v1 to v2",
            "rated": "ratings_v1 moved from v1 to v2",
            "predictions": "parameter changed: asked_at; ratings_v1 moved from v1 to v2",
            "outcomes": "parameter changed: until; predictions_v1 moved from v1 to v2",
        },
    ),
    # All of them are made again as they were, so nothing that needs them runs.
    "outputs that are gone": (
        lose_outputs,
        VARIANT,
        {
            "router": "its router is gone",
            "ranking_v1": "The file parts/train/",
            "predictions": "its predictions are gone",
        },
    ),
}


@pytest.mark.parametrize("change", CHANGES)
def test_a_change_executes_what_depends_on_it_as_the_plan_said(
    change: str, lake: FilmLake, monkeypatch: pytest.MonkeyPatch
) -> None:
    act, parameters, expected = CHANGES[change]
    act(lake, monkeypatch)
    before = files(lake.lake)
    told = planned(lake, parameters)
    assert files(lake.lake) == before

    made = executed(lake, parameters)
    assert set(made) == set(expected), made
    assert {name: why[: len(expected[name])] for name, why in made.items()} == expected
    foretold(told, made)
    assert executed(lake, parameters) == {}


def test_where_the_champion_cannot_be_asked_any_more_a_training_makes_one_that_can(lake: FilmLake) -> None:
    champion = lake.registry.champion()
    assert champion is not None
    before = replace(champion, datasets=tuple(replace(used, contract="0" * 64) for used in champion.datasets))
    lake.registry.promote(lake.registry.release(before))
    with pytest.raises(WrongView):
        scoring(lake=lake.lake, engine="polars")
    made = lake.registry.get(training(lake=lake.lake, engine="polars", parameters=QUICK).candidate)

    assert (made.parent, made.members["router"]) == (before.id, champion.members["router"]), "of what is there already"
    # So few ratings bless nothing by themselves.
    lake.registry.promote(lake.registry.release(replace(made, verdict=BLESSED)))
    assert [one.outcome for one in scoring(lake=lake.lake, engine="polars").steps] == ["run", "run"]


def test_who_plans_hears_of_groups_that_will_be_written_and_of_nothing_else(
    finished: FilmLake, monkeypatch: pytest.MonkeyPatch
) -> None:
    heard: list[str] = []

    def plan_with(now: str) -> None:
        wanted = "user_activity tag:training"  # the training is another one than the lake's
        looking = connect(finished.lake, look_only=True)
        plan(looking, finished.data, wanted=wanted, on_work=lambda: heard.append(now))

    plan_with("the group as it is")
    change_a_contract(finished, monkeypatch)
    plan_with("the group has another contract")

    assert heard == ["the group has another contract"]


def test_steps_are_done_one_by_one_and_say_what_they_still_need(lake: FilmLake) -> None:
    other = VARIANT.model_copy(update={"penalties": (50.0,)})
    with pytest.raises(StepNotReady, match=r"rankings.*\n.*parameter changed: rankers"):
        training(lake=lake.lake, engine="polars", parameters=other, select="branch_adults")
    assert planned(lake, other, "branch_adults").step("branch_adults").outcome == "fails"
    for name in ("rankings", "branch_adults"):
        done = training(lake=lake.lake, engine="polars", parameters=other, select=name)
        assert [(one.name, one.outcome) for one in done.steps] == [(name, "run")]
        # There is one.
        assert (done.candidate, done.release) == ("", lake.registry.champion().id)  # type: ignore[union-attr]
    done = training(lake=lake.lake, engine="polars", parameters=other, select="+branch_minors", exclude="tag:dataset")
    assert [(one.name, one.outcome) for one in done.steps] == [
        ("rated", "skipped"),
        ("router", "skipped"),
        ("rankings", "skipped"),
        ("branch_minors", "run"),
    ]


def test_a_step_is_a_flow_of_its_own(lake: FilmLake) -> None:
    for name in ("movies", "age_gate", "router", "outcomes"):
        expected = "run" if name == "router" else "skipped"  # the default variant was never trained
        assert step(name, lake.data, lake.lake, "polars") == expected
    with pytest.raises(NoSuchStep, match="Did you mean 'router'"):
        step("rooter", lake.data, lake.lake)


@pytest.mark.parametrize(
    "name",
    ["rated", "router", "rankings", "branch_minors", "film_vectors", "evaluation", "release", "age_gate", *SCORED],
)
def test_a_step_replayed_on_what_its_record_names_is_what_it_was_and_leaves_no_trace(
    name: str, finished: FilmLake
) -> None:
    before = files(finished.lake)
    made = replay(connect(finished.lake, look_only=True), name, data=finished.data, parameters=VARIANT)

    assert made.equal, made
    assert (made.record, made.changed) == (1, ())
    assert files(finished.lake) == before


def test_a_replay_by_other_code_says_that_it_differs_and_what_changed(
    lake: FilmLake, monkeypatch: pytest.MonkeyPatch
) -> None:
    def older(*given: object) -> pl.DataFrame:
        rows: pl.DataFrame = router_rows(*given)  # type: ignore[operator]  # it was a function
        return rows.with_columns(year_mean=pl.col("year_mean") + 5)

    monkeypatch.setattr(film_rows, "router_rows", older)
    lake.rate([(1, lake.restricted()[0], 1)], age_gate.now(lake.store) + timedelta(hours=1))
    made = replay(connect(lake.lake, look_only=True), "predictions")

    assert not made.equal
    assert "of 100 predictions" in made.said
    assert made.inputs["ratings_v1"] == "v1"
    assert any(line.startswith("code changed: ") for line in made.changed)


def test_the_plan_that_a_run_leaves_is_of_what_that_run_will_train(
    finished: FilmLake, client: SyncPrefectClient
) -> None:
    # No group is selected: the refresh itself has nothing to do.
    refresh(data=finished.data, lake=finished.lake, select=PLANNED, parameters=VARIANT)

    newest = ArtifactFilter(key=ArtifactFilterKey(any_=["plan"]))
    (left,) = client.read_artifacts(artifact_filter=newest, sort=ArtifactSort.UPDATED_DESC, limit=1)
    assert {step["step"]: step["outcome"] for step in json.loads(str(left.data))} == dict.fromkeys(
        [step.name for step in planned(finished)], "skip"
    )
