from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import polars as pl
import pytest
from prefect.client.orchestration import SyncPrefectClient
from prefect.client.schemas.filters import ArtifactFilter, ArtifactFilterKey

from feature_groups.sources.generator import generate
from feature_groups.store import connect
from feature_groups.views import age_gate, ranking
from flows import refresh as refreshing
from flows import training as module
from flows.training import training
from refreshing import Place

PROJECT = Path(__file__).parents[2]

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


def test_a_run_makes_the_dataset_of_every_view_once_and_shows_it(place: Place) -> None:
    made = {done.view: done for done in training(lake=place.lake)}
    again = {done.view: done for done in training(lake=place.lake)}

    assert set(made) == set(again) == {"age_gate_v1", "ranking_v1"}
    assert all(done.new and done.number == 1 and sum(done.parts.values()) for done in made.values())
    assert not any(done.new for done in again.values())
    assert [done.parts for done in again.values()] == [done.parts for done in made.values()]
    wanted = ArtifactFilter(key=ArtifactFilterKey(any_=["dataset-age-gate-v1"]))
    shown = place.client.read_artifacts(artifact_filter=wanted)
    assert "pinned    user_activity_v1 at version 1" in str(shown[0].data)


def test_the_age_gate_is_split_by_user_and_never_sees_age_or_occupation(place: Place) -> None:
    training(lake=place.lake)
    dataset = connect(place.lake).get_or_create_feature_view(age_gate.v1).get_training_dataset(1)
    users = [set(dataset.split(name).spine["user_id"]) for name in dataset.parts]

    assert not set.intersection(*users)
    features, labels = dataset.train
    assert not {"user_id", "asked_at", "age_band", "is_under_18", "occupation"} & set(features.columns)
    assert labels.columns == ["is_under_18"]
    assert dataset.train.helpers.columns == ["age_band", "gender"]
    rated = dataset.history("rated").group_by("__row").len()["len"].sort().to_list()
    counts = pl.concat([dataset.frame(name) for name in dataset.parts])["count_all"].sort().to_list()
    assert rated == counts


def test_the_ranking_trains_on_the_past_and_no_history_holds_the_film_to_be_found(place: Place) -> None:
    training(lake=place.lake)
    dataset = connect(place.lake).get_or_create_feature_view(ranking.v1).get_training_dataset(1)
    train, test = dataset.frame("train"), dataset.frame("test")

    assert train["rated_at"].max() < test["rated_at"].min()  # type: ignore[operator]
    for part in (train, test):
        assert not part.select(pl.col("last_movies").list.contains(pl.col("movie_id")).any()).item()


def test_the_example_of_the_documents_runs_on_the_lake_of_a_run(place: Place) -> None:
    program = [sys.executable, str(PROJECT / "docs" / "examples" / "latest_row.py"), str(place.lake)]
    said = subprocess.run(program, capture_output=True, text=True, cwd=place.folder, timeout=300)

    assert said.returncode == 0, said.stderr
    figures = [float(text) for text in re.findall(r"(\d\.\d{3})$", said.stdout, flags=re.MULTILINE)]
    assert len(figures) == 3
    assert all(0 < figure <= 1 for figure in figures)
