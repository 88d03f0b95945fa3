from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

import polars as pl
import pytest
from prefect.client.orchestration import SyncPrefectClient

from feature_groups import movies, predictions, ratings
from feature_groups.views import age_gate, ranking
from film_lake import QUICK, FilmLake, film_lake
from flows import refresh as refresh_module
from flows.monitoring import Monitored, monitoring
from local_server import events
from models.errors import NotWatched
from models.film_monitoring import FilmMonitoring
from models.film_release import OUT_OF_FOLD, PROFILE
from models.film_scoring import FilmScoring
from models.film_settled import settled
from models.monitoring_policy import MonitoringPolicy
from refreshing import Place, Run

PROJECT = Path(__file__).parents[2]
DAY = timedelta(days=1)

pytestmark = pytest.mark.usefixtures("client")


@pytest.fixture(scope="module")
def lake(client: SyncPrefectClient, tmp_path_factory: pytest.TempPathFactory) -> FilmLake:
    """A lake whose champion was asked twice where its training was, and thrice at the end of the data."""
    made = film_lake(tmp_path_factory.getbasetemp()).copy(tmp_path_factory.mktemp("monitoring") / "copy")
    said = pl.concat(FilmScoring.of(made.store, at).predictions() for at in asked_at(made))
    made.store.get_or_create_feature_group(predictions.v1).insert(said)
    return made


def asked_at(made: FilmLake) -> list[datetime]:
    border, now = ranking.border(ranking.liked(made.store)), age_gate.now(made.store)
    return [border, border + DAY, now - 2 * DAY, now - DAY, now]


def made_predictions(made: FilmLake) -> list[int]:
    """How many there are at each instant."""
    return made.predictions().group_by("asked_at").len().sort("asked_at")["len"].to_list()


def watched(client: SyncPrefectClient, **arguments: Any) -> tuple[Monitored, Run]:
    """What a run of the flow returned, and the run."""
    ids: list[UUID] = []
    flow = monitoring.with_options(on_completion=[lambda flow, flow_run, state: ids.append(flow_run.id)])
    return flow(**arguments), Run(ids[0], {}, None, client)


@pytest.fixture(scope="module")
def first(lake: FilmLake, client: SyncPrefectClient) -> tuple[Monitored, Run]:
    return watched(client, lake=lake.lake)


def test_where_training_was_asked_nothing_has_moved_and_later_much_has_twice_running(
    first: tuple[Monitored, Run], lake: FilmLake, client: SyncPrefectClient
) -> None:
    made, run = first
    champion = lake.registry.champion()
    assert champion is not None
    starts = [at.replace(hour=0, minute=0, second=0, microsecond=0).isoformat() for at in asked_at(lake)]

    assert (made.outcome, made.windows) == ("run", tuple(starts))
    found = FilmMonitoring.of(lake.store).log.newest(9)
    assert [bool(window.drifted) for window in found] == [False, False, True, True, True]
    assert [window.rows for window in found] == made_predictions(lake)
    assert {window.notes for window in found} == {()}
    assert {f.part for f in found[0].findings} == {"features", "known users"}

    assert list(made.alarms) == starts[3:], "the first of the three has nothing before it that moved too"
    assert {"count_30d", "last_gaps"} <= set(made.alarms[starts[3]])
    assert made.action == "retrain"
    told = [e for start in starts[3:] for e in events(client, "films", kind="model", window=start, severity="severe")]
    assert len(told) == 2
    assert {(event["event"], event["payload"]["release"]) for event in told} == {("feature.drifted", champion.id)}
    assert all(len(event["payload"]["what"]) <= 10 for event in told)

    left = run.artifacts()
    assert set(left) == {"drift-films", "monitoring-films", "monitoring-report-films"}
    assert made.page in str(left["monitoring-report-films"].description), "no browser follows a link to a file"
    page = Path(made.page).read_text()
    assert page == made.report.page()
    assert "<svg" in page
    assert "count_30d" in page
    assert "http" not in page.replace("http-equiv", "")
    assert "severe" in repr(made.report)
    assert "<svg" in made.report._repr_html_()


def test_what_was_judged_is_not_judged_again_nor_asked_for_within_a_day(
    first: tuple[Monitored, Run], lake: FilmLake, client: SyncPrefectClient
) -> None:
    again, run = watched(client, lake=lake.lake)

    assert (again.outcome, again.windows, again.alarms) == ("skipped", (), {})
    assert again.action == "none"
    assert "a training was asked for lately" in again.reasons[-1]
    assert [d.name for d in again.report.alarms] == list(first[0].alarms[first[0].windows[-1]])
    states = {name: task.state_name for name, task in run.tasks().items()}
    assert states["skip windows"] == "Skipped"
    assert not [name for name in states if name.startswith("window of")]


def test_other_windows_are_judged_for_themselves_and_few_rows_not_at_all(
    first: tuple[Monitored, Run], lake: FilmLake
) -> None:
    months = list(FilmMonitoring.of(lake.store, span="month").windows())
    assert [asking.rows["asked_at"].n_unique() for asking in months] == [1, 1]
    assert [asking.rows.height for asking in months] == [made_predictions(lake)[1], 100], "each user once"
    border = asked_at(lake)[0]
    early = FilmMonitoring.of(lake.store, border, span="month")
    assert [asking.start for asking in early.windows()] == [months[0].start]
    assert list(FilmMonitoring.of(lake.store, span="week", policy=MonitoringPolicy(least_rows=101)).windows()) == []


def test_a_window_without_its_training_rows_or_versions_is_judged_by_counts_alone(
    first: tuple[Monitored, Run], lake: FilmLake, tmp_path: Path
) -> None:
    made = lake.copy(tmp_path / "copy")
    champion = made.registry.champion()
    assert champion is not None
    watching = FilmMonitoring.of(made.store, span="month")
    asking = list(watching.windows())[-1]
    before = watching.judge(asking)
    for file in (made.lake / "training_datasets").rglob("*.parquet"):
        file.unlink()

    after = FilmMonitoring.of(made.store, span="month").judge(asking)

    assert before.told is not None
    assert after.told is None
    assert after.findings == before.findings
    assert "the domain classifier was not asked" in after.notes[0]
    gone = asking.rows.with_columns(pl.col("features").str.replace(r"(ratings_v1[^,]*, )\d+", "${1}99"))
    unread = FilmMonitoring.of(made.store).judge(replace(asking, rows=gone))
    assert {f.part for f in unread.findings} == {"known users"}
    assert "Version 99 is not there" in unread.notes[0]


@pytest.fixture
def place(lake: FilmLake, client: SyncPrefectClient, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Place:
    """A copy of the lake that a delivery is to come to."""
    monkeypatch.setattr(refresh_module, "stop_session", lambda: None)
    return Place(lake.copy(tmp_path / "copy").folder, client)


def test_d3_and_d4_deliveries_that_break_a_contract_stop_there_and_the_champion_goes_on(
    place: Place, first: tuple[Monitored, Run]
) -> None:
    made = FilmLake(place.folder)
    said = FilmScoring.of(made.store).predictions()
    deliveries = [
        ("ratings.dat", "1::1::10::1046454590", "ratings_v1"),  # stars doubled
        ("ratings.dat", "1::1::5::1046454590000", "ratings_v1"),  # milliseconds
        ("users.dat", "101::M::25::21::12345", "users_v1"),  # an occupation that there was not
        ("movies.dat", "999::New (2002)::Anime|Comedy", "movies_v1"),  # a genre that there was not
    ]
    for file, line, group in deliveries:
        whole = (place.data / file).read_bytes()
        (place.data / file).write_bytes(whole + line.encode() + b"\n")
        run = place.refresh(group.removesuffix("_v1"))
        (place.data / file).write_bytes(whole)
        assert run.outcomes() == {group: "failed"}, line
        assert "FG102" in str(run.error)
        assert events(place.client, group, code="FG102")

    assert FilmScoring.of(made.store).predictions().equals(said)
    found, _ = watched(place.client, lake=place.lake, policy=MonitoringPolicy(running=10))
    assert found.action == "none"
    goes_on = "(FG102), the newest too; the champion goes on serving what it serves"
    assert [reason for reason in found.reasons if reason.startswith("contract: ")] == [
        f"contract: movies_v1 1 of 2 refused {goes_on}",
        f"contract: ratings_v1 2 of 3 refused {goes_on}",
        f"contract: users_v1 1 of 2 refused {goes_on}",
    ]


def test_what_users_like_later_is_told_when_it_may_fall_below_the_floor(
    lake: FilmLake, client: SyncPrefectClient, tmp_path: Path
) -> None:
    made = lake.copy(tmp_path / "copy")
    newest = made.predictions().filter(asked_at=asked_at(made)[-1]).head(40)
    films = made.rows(movies.v1)["movie_id"]
    rated = made.rows(ratings.v1).group_by("user_id").agg("movie_id")
    liked = []
    for row in newest.join(rated, on="user_id").rows(named=True):
        liked.append((row["user_id"], films.filter(~films.is_in(row["movies"] + row["movie_id"]))[0], 5))
    made.rate(liked, asked_at(made)[-1] + timedelta(hours=1))

    policy = MonitoringPolicy(running=10, cool_down=timedelta(0))
    found, _ = watched(client, lake=made.lake, policy=policy)

    quality = found.report.quality
    assert quality is not None
    assert quality.users >= 40
    assert quality.breached
    assert found.action == "retrain"
    assert "its lower bound is below the floor" in found.reasons[0]
    (told,) = events(client, "films", kind="model", metric="ndcg@10")
    assert told["event"] == "metric.breached"
    assert told["payload"]["lower"] < told["payload"]["floor"] == quality.floor
    assert set(told["payload"]) == {"registry", "release", "metric", "window", "value", "lower", "upper", "floor"}


def test_a_champion_from_before_profiles_is_released_again_by_the_next_training(lake: FilmLake, tmp_path: Path) -> None:
    made = lake.copy(tmp_path / "copy")
    champion = made.registry.champion()
    assert champion is not None
    members = {role: member for role, member in champion.members.items() if role != PROFILE}
    held = {role: members[role] for role in ("router", OUT_OF_FOLD, *(b.name for b in QUICK.cascade().branches))}
    known = champion.thresholds["minors"], {used.view: used.contract for used in champion.datasets}
    found = settled(made.registry, held, *known)
    assert found is not None
    assert found.release == champion.id

    made.registry.promote(made.registry.release(replace(champion, members=members)))

    assert settled(made.registry, held, *known) is None
    with pytest.raises(NotWatched, match="make run"):
        FilmMonitoring.of(made.store)


def test_an_instant_without_a_zone_is_refused(lake: FilmLake) -> None:
    with pytest.raises(NotWatched, match="has no time zone"):
        FilmMonitoring.of(lake.store, datetime(2001, 1, 1))
