from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import polars as pl
import pytest
from prefect.client.orchestration import SyncPrefectClient
from prefect.client.schemas.filters import ArtifactFilter, ArtifactFilterKey

from answering import answered
from feature_groups import movies
from feature_groups.sources.generator import generate
from feature_groups.store import connect
from feature_groups.views import age_gate, ranking
from flows import refresh as refreshing
from flows import training as module
from flows.comparison import comparison
from flows.training import Trained, training
from local_server import beside
from models.catalogue import Catalogue
from models.experiments import experiments
from models.film_names import NAME, TRAINING
from models.film_parameters import FilmParameters
from models.film_release import load_films
from models.registry import Registry
from models.router import router_rows
from refreshing import Place

PROJECT = Path(__file__).parents[2]
DATASETS = ["age_gate_v1", "ranking_v1"]
RIDGE = {"tau": (5.0,), "length": (20,), "penalty": (200.0,)}
SMALL = FilmParameters(margin=-0.2, ece=0.2, exposure=0.5, penalties=(500.0, 2000.0), ridge=RIDGE, strengths=(0.03,))
"""Few users: little can be asked of what is learnt from them."""
BRANCHES = ["branch_adults", "branch_minors", "branch_popular"]

pytestmark = pytest.mark.usefixtures("client")


@pytest.fixture(scope="module")
def place(client: SyncPrefectClient, tmp_path_factory: pytest.TempPathFactory) -> Place:
    """A refreshed lake with enough minors for five folds."""
    place = Place(tmp_path_factory.mktemp("trained"), client)
    generate(place.data, events=12_000)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(refreshing, "stop_session", lambda: None)
        place.refresh()
    return place


@pytest.fixture(autouse=True)
def _one_session(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "stop_session", lambda: None)


@pytest.fixture(scope="module")
def trained(place: Place) -> Trained:
    """The first training on that lake, which a person approved."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(module, "stop_session", lambda: None)
        return asked_for(place, "promote")


def asked_for(place: Place, decision: str) -> Trained:
    """What comes of a training that asks a person."""
    given = {"decision": decision, "by": "ada", "reason": "looked at it"}
    person = beside(lambda: answered(place.client, "training of films", **given))
    made = training(lake=place.lake, parameters=SMALL, approval=True)
    person.join()
    return made


def outcomes(trained: Trained) -> dict[str, str]:
    return {step.name: step.outcome for step in trained.steps}


def ran(trained: Trained) -> set[str]:
    return {name for name, outcome in outcomes(trained).items() if outcome == "run"}


def registry(place: Place) -> Registry:
    return Registry(connect(place.lake), NAME)


def test_the_first_run_does_every_step_releases_what_it_judged_and_shows_it(place: Place, trained: Trained) -> None:
    steps = [*DATASETS, "rated", "router", "rankings", *BRANCHES, "film_vectors", "evaluation", "release"]
    assert list(outcomes(trained)) == steps
    assert set(outcomes(trained).values()) == {"run"}
    assert trained.blessed, trained.reasons
    champion = registry(place).champion()
    assert champion is not None
    assert champion.id == trained.release
    assert set(champion.members) == {"router", "routing", "out_of_fold", "profile", "adults", "minors", "popular"}
    assert {used.view for used in champion.datasets} == {"age_gate_v1", "ranking_v1"}
    assert champion.trained_on["minors"] == {"router": champion.members["router"].content}
    page = Path(trained.card).read_text()
    assert champion.id in page
    assert "blessed" in page
    for key in ("dataset-age-gate-v1", "evaluation-films", "model-card-films"):
        wanted = ArtifactFilter(key=ArtifactFilterKey(any_=[key]))
        left = place.client.read_artifacts(artifact_filter=wanted)
        assert left, key
    # No browser follows a link from the dashboard to a file.
    assert any(trained.card in str(card.description) for card in left)
    wanted = ArtifactFilter(key=ArtifactFilterKey(any_=["training-progress"]))
    assert {bar.data for bar in place.client.read_artifacts(artifact_filter=wanted)} == {100}


def test_a_second_run_trains_nothing_asks_nobody_and_the_champion_stays(place: Place, trained: Trained) -> None:
    again = training(lake=place.lake, parameters=SMALL, approval=True)

    assert ran(again) == set()
    assert (again.release, again.blessed) == (trained.release, True)
    assert len(registry(place).releases()) == 1
    assert registry(place).state().number == 1


@pytest.mark.slow
def test_what_a_person_rejects_does_not_serve_and_is_not_asked_about_again(place: Place, tmp_path: Path) -> None:
    untrained = Place(tmp_path, place.client)
    generate(untrained.data, events=12_000)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(refreshing, "stop_session", lambda: None)
        untrained.refresh()
    rejected = asked_for(untrained, "reject")

    assert (rejected.release, rejected.blessed) == (None, False)
    (why,) = rejected.reasons
    assert "rejected by ada" in why
    assert why.endswith(": looked at it")
    assert registry(untrained).champion() is None
    again = training(lake=untrained.lake, parameters=SMALL, approval=True)
    assert (ran(again), again.reasons, again.release) == (set(), (why,), None)


def test_another_parameter_of_the_rankers_leaves_datasets_and_router_alone(place: Place, trained: Trained) -> None:
    other = training(lake=place.lake, parameters=SMALL.model_copy(update={"penalties": (30.0,)}), promote="challenger")

    assert ran(other) == {"rankings", *BRANCHES[:2], "evaluation", "release"}
    assert registry(place).champion().id == trained.release  # type: ignore[union-attr]  # there is one
    if other.blessed:
        assert registry(place).challenger() is not None
    back = training(lake=place.lake, parameters=SMALL)
    assert ran(back) == set()


def test_a_candidate_that_fails_a_gate_is_kept_with_the_reason_and_does_not_serve(
    place: Place, trained: Trained
) -> None:
    refused = training(
        lake=place.lake, parameters=FilmParameters(penalties=(40.0,), rankers=("ease",), exposure=0.0, ece=1e-9)
    )

    assert not refused.blessed
    assert any("expected calibration error" in reason for reason in refused.reasons)
    # There is one.
    assert refused.release == trained.release == registry(place).champion().id  # type: ignore[union-attr]
    kept = registry(place).get(registry(place).releases()[-1].id)
    assert kept.verdict["blessed"] is False
    assert kept.parent == trained.release


def test_variants_are_compared_in_one_table_and_none_of_them_serves(place: Place, trained: Trained) -> None:
    before = registry(place).state()
    variants = [SMALL, SMALL.model_copy(update={"miss_cost": 2.0})]
    table = comparison(variants, lake=place.lake)

    assert table["with_miss_cost"].to_list() == ["7.0", "2.0"]
    assert table["ndcg@10"].null_count() == 0
    assert table["release"][0] == trained.release
    assert registry(place).state() == before
    whole = experiments(connect(place.lake), TRAINING)
    assert set(table["release"]) <= set(whole["release"])
    assert whole.height > table.height


def test_what_a_person_rolled_back_is_not_put_back_by_the_next_run(place: Place, trained: Trained) -> None:
    other = SMALL.model_copy(update={"miss_cost": 4.0})
    assert training(lake=place.lake, parameters=other).release != trained.release
    registry(place).rollback(reason="complaints")
    again = training(lake=place.lake, parameters=other)

    assert again.release == trained.release == registry(place).champion().id  # type: ignore[union-attr]  # there is one
    assert "complaints" in again.reasons[0]
    assert ran(again) == set()


def test_whoever_is_policed_is_never_shown_a_restricted_film(place: Place, trained: Trained) -> None:
    store = connect(place.lake)
    released = load_films(registry(place), registry(place).champion())  # type: ignore[arg-type]  # there is one
    view = store.get_or_create_feature_view(age_gate.v1)
    gate = view.get_training_dataset(1)
    features = pl.concat([gate.frame(name) for name in gate.parts])
    made = released.model.decide(router_rows(features, gate.history("rated")))
    films = store.get_or_create_feature_group(movies.v1).read().collect()
    restricted = set(Catalogue.from_movies(films).items[Catalogue.from_movies(films).restricted].tolist())

    policed = made.filter(pl.col("route") == "minors")
    assert policed.height
    assert not {film for shown in policed["answer"] for film in shown} & restricted
    assert {film for shown in made.filter(pl.col("route") == "adults")["answer"] for film in shown} & restricted


def test_the_age_gate_is_split_by_user_and_never_sees_age_or_occupation(place: Place, trained: Trained) -> None:
    dataset = connect(place.lake).get_or_create_feature_view(age_gate.v1).get_training_dataset(1)
    users = [set(dataset.split(name).spine["user_id"]) for name in dataset.parts]

    assert not set.intersection(*users)
    part = dataset.split("fold_0")
    features, labels = part
    assert not {"user_id", "asked_at", "age_band", "is_under_18", "occupation"} & set(features.columns)
    assert labels.columns == ["is_under_18"]
    assert part.helpers.columns == ["age_band", "gender"]
    rated = dataset.history("rated").group_by("__row").len()["len"].sort().to_list()
    counts = pl.concat([dataset.frame(name) for name in dataset.parts])["count_all"].sort().to_list()
    assert rated == counts


def test_the_ranking_trains_on_the_past_and_no_history_holds_the_film_to_be_found(
    place: Place, trained: Trained
) -> None:
    dataset = connect(place.lake).get_or_create_feature_view(ranking.v1).get_training_dataset(1)
    train, test = dataset.frame("train"), dataset.frame("test")

    assert train["rated_at"].max() < test["rated_at"].min()  # type: ignore[operator]  # instants
    gate = connect(place.lake).get_or_create_feature_view(age_gate.v1).get_training_dataset(1)
    assert gate.frame("fold_0")["asked_at"].unique().item() <= test["rated_at"].min()
    for part in (train, test):
        assert not part.select(pl.col("last_movies").list.contains(pl.col("movie_id")).any()).item()


def test_the_example_of_the_documents_runs_on_the_lake_of_a_run(place: Place, trained: Trained) -> None:
    program = [sys.executable, str(PROJECT / "docs" / "examples" / "latest_row.py"), str(place.lake)]
    said = subprocess.run(program, capture_output=True, text=True, cwd=place.folder, timeout=300)

    assert said.returncode == 0, said.stderr
    figures = [float(text) for text in re.findall(r"(\d\.\d{3})$", said.stdout, flags=re.MULTILINE)]
    assert len(figures) == 3
    assert all(0 < figure <= 1 for figure in figures)


def test_a_leaky_cascade_looks_better_than_it_is(place: Place, trained: Trained) -> None:
    program = [sys.executable, str(PROJECT / "docs" / "examples" / "leaky_cascade.py"), str(place.lake)]
    said = subprocess.run(program, capture_output=True, text=True, cwd=place.folder, timeout=300)

    assert said.returncode == 0, said.stderr
    lines = re.findall(r"^(\w[\w ]+, [\w ]+?) +([\d. ]+)$", said.stdout, flags=re.MULTILINE)
    cost = {way: [float(text) for text in figures.split()][:4:2] for way, figures in lines}
    assert set(cost) == {f"{j}, {s}" for j in ("point in time", "latest row") for s in ("out of fold", "in sample")}
    looks, truth = cost["latest row, in sample"]
    assert looks < cost["point in time, out of fold"][0]
    assert looks < truth
