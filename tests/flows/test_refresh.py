from __future__ import annotations

import shlex
import shutil
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from prefect.client.orchestration import SyncPrefectClient

from deployments.run import main
from feature_groups import ratings
from feature_groups.sources.generator import generate
from feature_groups.sources.generator_deliveries import deliver
from feature_groups.sources.movielens_files import read_users, write_users
from feature_groups.store import connect, faults
from feature_groups.store.discovery import discover
from feature_groups.store.errors import AlluviaError
from feature_groups.store.step_errors import NoSuchStep
from feature_groups.store.steps import Steps
from flows import refresh as module
from local_server import events
from refreshing import Place, Run
from tasks.events import FeatureGroupCommitted

PROJECT = Path(__file__).parents[2]
EVENTS = 2_000
SOURCES = ["movies_v1", "users_v1", "age_labels_v1"]
DERIVED = ["movie_stats_v1", "user_activity_v1", "user_history_v1"]
"""The groups that are made from ratings."""
ORDER = [*SOURCES, "ratings_v1", *DERIVED]
"""The groups in the order in which a refresh takes them."""

pytestmark = pytest.mark.usefixtures("client")


@pytest.fixture(autouse=True)
def _one_session(monkeypatch: pytest.MonkeyPatch) -> None:
    """The session is every test's; that a run ends its own is told in `test_run`."""
    monkeypatch.setattr(module, "stop_session", lambda: None)


@pytest.fixture(scope="module")
def first(client: SyncPrefectClient, tmp_path_factory: pytest.TempPathFactory) -> tuple[Place, Run]:
    """A place after its first refresh, and that run."""
    place = Place(tmp_path_factory.mktemp("first"), client)
    generate(place.data, events=EVENTS)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(module, "stop_session", lambda: None)
        return place, place.refresh()


@pytest.fixture
def place(first: tuple[Place, Run], tmp_path: Path) -> Place:
    """A copy of it."""
    shutil.copytree(first[0].folder, tmp_path / "copy")
    return Place(tmp_path / "copy", first[0].client)


@pytest.fixture
def inject(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[str], None]]:
    """Makes a fault point act."""
    faults._passages.clear()
    yield lambda plan: monkeypatch.setenv("ALLUVIA_FAULTS", plan)
    faults._passages.clear()


def deliver_anew(place: Place, kind: str, rows: int = 100) -> None:
    made = deliver(place.data, place.folder / "ratings.new", kind, rows=rows)
    made.replace(place.data / "ratings.dat")


def test_the_first_run_writes_every_group_in_order(first: tuple[Place, Run]) -> None:
    place, run = first

    assert list(run.done) == ORDER
    assert set(run.outcomes().values()) == {"run"}
    assert {done.why for done in run.done.values()} == {"first run"}
    assert run.done["ratings_v1"].new == run.done["ratings_v1"].rows == EVENTS
    assert place.versions() == dict.fromkeys(ORDER, 1)


def test_the_dashboard_shows_each_step_by_name(first: tuple[Place, Run]) -> None:
    _, run = first

    assert {name: task.state_name for name, task in run.tasks().items()} == {
        f"materialize {group.replace('_v', '.v')}": "Completed" for group in ORDER
    }
    assert run.client.read_flow_run(run.flow_run).name == "refresh everything"


def test_artifacts_have_keys_that_stay_the_same(first: tuple[Place, Run]) -> None:
    _, run = first
    artifacts = run.artifacts()

    slugs = [group.replace("_", "-") for group in ORDER]
    expected = {f"{kind}-{slug}" for kind in ("commits", "contract") for slug in slugs}
    assert set(artifacts) == expected | {"plan", "refresh", "refresh-progress"}
    assert "2,000 rows received: 2,000 inserted" in str(artifacts["commits-ratings-v1"].description)
    assert "all 2,000 rows meet" in str(artifacts["contract-ratings-v1"].data)
    assert artifacts["refresh-progress"].data == 100


def test_artifacts_show_no_personal_values(first: tuple[Place, Run]) -> None:
    place, run = first
    page = str(run.artifacts()["contract-users-v1"].data)

    assert "zip3" in page
    zips = {str(code)[:3] for code in read_users(place.data / "users.dat")["zip_code"] if len(str(code)) >= 3}
    assert [code for code in zips if f" {code} " in page or f"'{code}'" in page] == []


def test_every_commit_is_one_event_with_an_id_of_its_own(first: tuple[Place, Run]) -> None:
    place, run = first
    for group in (group for group in discover("feature_groups") if group.source or group.parents):
        commit = connect(place.lake).get_or_create_feature_group(group).history()[0]
        output = Steps(connect(place.lake)).records(group)[-1]["output"]
        (told,) = events(run.client, group.id, table_id=output["table_id"])
        assert told["event"] == "feature-group.committed"
        assert told["payload"] == {
            "group": group.id,
            "table_id": output["table_id"],
            "version": 1,
            "inserted": commit.inserted,
            "updated": 0,
            "deleted": 0,
            "fingerprint": output["content"],
        }
        assert told["id"] == str(FeatureGroupCommitted(**told["payload"]).id)


def test_the_second_run_does_nothing_and_says_why(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(settings: object) -> None:
        raise AssertionError("Spark was asked for")

    monkeypatch.setattr("feature_groups.store.engines.session.spark_session", refuse)
    run = place.refresh()

    assert list(run.outcomes().values()) == ["skipped"] * len(ORDER)
    assert {done.why[:16] for done in run.done.values()} == {"unchanged since "}
    assert {done.rows for done in run.done.values()} >= {EVENTS}
    assert {name: task.state_name for name, task in run.tasks().items()} == {
        f"skip {group.replace('_v', '.v')}": "Skipped" for group in ORDER
    }
    assert set(run.artifacts()) == {"plan", "refresh"}
    assert place.versions() == dict.fromkeys(ORDER, 1)


@pytest.mark.parametrize(
    ("kind", "rows", "new", "changed"),
    [("extended", EVENTS + 50, 50, 0), ("corrected", EVENTS, 0, 50), ("redelivered", EVENTS, 0, 0)],
)
def test_a_later_delivery_changes_only_what_it_changes(
    kind: str, rows: int, new: int, changed: int, place: Place
) -> None:
    deliver_anew(place, kind, rows=50)
    run = place.refresh()

    after = "run" if new or changed else "skipped"
    assert run.outcomes() == dict.fromkeys(SOURCES, "skipped") | {"ratings_v1": "run"} | dict.fromkeys(DERIVED, after)
    done = run.done["ratings_v1"]
    assert (done.rows, done.new, done.changed, done.rejected) == (rows, new, changed, 0)
    assert done.why == "ratings.dat changed"
    assert place.versions()["ratings_v1"] == (2 if new or changed else 1)


@pytest.mark.parametrize(
    ("kind", "code", "said"),
    [
        ("milliseconds", "FG102", "2,000 of 2,000 raw rows are bad"),
        ("out_of_range", "FG102", "rows break rating in_range(1, 5"),
        ("unknown_films", "FG102", "100 of 2,000 rows break movie_id exists in movies.v1"),
        ("cut_in_half", "FG502", "It was cut"),
    ],
)
def test_a_bad_delivery_changes_nothing_and_is_tried_once(kind: str, code: str, said: str, place: Place) -> None:
    deliver_anew(place, kind)
    run = place.refresh()

    expected = dict.fromkeys(SOURCES, "skipped") | {"ratings_v1": "failed"} | dict.fromkeys(DERIVED, "blocked")
    assert run.outcomes() == expected
    assert place.versions() == dict.fromkeys(ORDER, 1)
    failed = run.tasks()["materialize ratings.v1"]
    assert (failed.state_name, failed.run_count) == ("Failed", 1)
    assert code in run.done["ratings_v1"].why
    assert said in run.done["ratings_v1"].error
    assert code in str(run.artifacts()["contract-ratings-v1"].description)
    refused = Steps(connect(place.lake)).decide(ratings.v1, place.data).batch_key
    (told,) = events(run.client, "ratings_v1", batch_key=refused)
    assert (told["event"], told["payload"]["code"]) == ("contract.failed", code)


def test_a_failed_step_names_what_it_worked_on_and_a_command_that_replays_it(
    place: Place, capfd: pytest.CaptureFixture[str]
) -> None:
    movies = place.data / "movies.dat"
    movies.write_bytes(movies.read_bytes() + b"99999::Extra (1999)::Drama\n")
    deliver_anew(place, "unknown_films")
    run = place.refresh()

    expected = dict.fromkeys(ORDER, "skipped") | {"movies_v1": "run", "ratings_v1": "failed"}
    assert run.outcomes() == expected | dict.fromkeys(DERIVED, "blocked")
    assert run.error is not None
    text = str(run.error)
    assert "step ratings_v1 failed" in text
    assert "users_v1 (v1), movies_v1 (v2)" in text
    assert "100 of 2,000 rows" in text
    command = text.rsplit("run just this step again: ", 1)[1]
    assert command == f"make run SELECT=ratings_v1 DATA={place.data} LAKE={place.lake}"

    generate(place.folder / "whole", events=EVENTS)
    shutil.copy(place.folder / "whole" / "ratings.dat", place.data)
    deliver_anew(place, "extended", rows=5)
    planned = subprocess.run(
        ["make", "--no-print-directory", "-n", *shlex.split(command)[1:]],
        cwd=PROJECT,
        capture_output=True,
        text=True,
        check=True,
    )
    arguments = shlex.split(planned.stdout.splitlines()[-1])
    assert arguments[1:3] == ["-m", "deployments.run"]
    assert main(arguments[3:]) == 0
    assert place.versions() == dict.fromkeys(ORDER, 1) | {"movies_v1": 2, "ratings_v1": 2}
    table = capfd.readouterr().out
    assert [line.split()[0] for line in table.splitlines() if "_v1 " in line] == ["ratings_v1"]


def test_what_needs_a_failed_step_is_blocked_and_the_rest_runs(place: Place) -> None:
    users = read_users(place.data / "users.dat")
    write_users(users.with_columns(occupation=users["occupation"] + 100), place.data / "users.dat")
    movies = place.data / "movies.dat"
    movies.write_bytes(movies.read_bytes() + b"99999::Extra (1999)::Drama\n")
    run = place.refresh()

    assert run.outcomes() == {
        "movies_v1": "run",
        "users_v1": "failed",
        "age_labels_v1": "blocked",
        **dict.fromkeys(["ratings_v1", *DERIVED], "blocked"),
    }
    assert run.done["ratings_v1"].why == "waits for users_v1"
    assert place.versions() == dict.fromkeys(ORDER, 1) | {"movies_v1": 2}
    refreshed = str(run.artifacts()["refresh"].data)
    assert "waits for users_v1" in refreshed


@pytest.mark.parametrize("plan", ["write.before_commit:raise@1", "write.after_commit:lost_ack@1"])
def test_a_lost_connection_is_tried_again_and_commits_once(
    plan: str, place: Place, inject: Callable[[str], None]
) -> None:
    inject(plan)
    deliver_anew(place, "extended", rows=5)
    run = place.refresh()

    assert run.outcomes()["ratings_v1"] == "run"
    assert (run.done["ratings_v1"].new, run.done["ratings_v1"].rows) == (5, EVENTS + 5)
    assert run.tasks()["materialize ratings.v1"].run_count == 2
    history = connect(place.lake).get_feature_group("ratings", 1).history()
    assert [commit.inserted for commit in history] == [5, EVENTS, 0]
    output = Steps(connect(place.lake)).records(ratings.v1)[-1]["output"]
    assert len(events(run.client, "ratings_v1", table_id=output["table_id"], version=2)) == 1


def test_only_the_groups_named_are_refreshed(place: Place) -> None:
    deliver_anew(place, "extended", rows=5)

    assert place.refresh(select="movies, age_labels_v1").outcomes() == {
        "movies_v1": "skipped",
        "age_labels_v1": "skipped",
    }
    with pytest.raises(NoSuchStep, match="Did you mean 'movies'"):
        place.refresh(select="movie")


def test_a_group_whose_inputs_were_never_refreshed_says_which(first: tuple[Place, Run], tmp_path: Path) -> None:
    place = Place(tmp_path, first[0].client)
    shutil.copytree(first[0].data, place.data)
    run = place.refresh(select="ratings")

    assert run.outcomes() == {"ratings_v1": "failed"}
    assert "It needs users_v1 and movies_v1, which have no rows yet." in str(run.error)
    assert "SELECT=users_v1,movies_v1,ratings_v1" in str(run.error)


def test_a_package_without_groups_to_refresh_is_no_work(first: tuple[Place, Run], tmp_path: Path) -> None:
    run = Place(tmp_path, first[0].client).refresh(package="models")

    assert (run.done, run.error) == ({}, None)


def test_a_missing_package_is_named(first: tuple[Place, Run], tmp_path: Path) -> None:
    with pytest.raises(AlluviaError, match="No module named 'feature_grups'"):
        Place(tmp_path, first[0].client).refresh(package="feature_grups")
