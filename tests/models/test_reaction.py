"""Whether anything calls for a run is read from the lake, and comes out the same whatever asks."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from feature_groups.store import FeatureStore, Settings, connect
from feature_groups.store.outbox import Notice, notice
from feature_groups.views import age_gate
from models.reaction import Reaction, Work, groups_behind, handled, reaction, work_to_do
from other_writers import things, write

THINGS, OTHERS = things(), things("others")
WATCHED = {"things_v1", "others_v1"}
DAY = timedelta(days=1)


class Clock:
    """A time of its own, that stands still."""

    def __init__(self) -> None:
        self.now = datetime(2026, 1, 1, tzinfo=UTC)

    def __call__(self) -> datetime:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def store(lake: Path, clock: Clock) -> FeatureStore:
    return connect(lake, settings=Settings(engine="polars"), clock=clock)


def decide(store: FeatureStore, *steps: Work) -> Reaction:
    return reaction(store, WATCHED, steps)


def run(store: FeatureStore, *, trained: bool = True, versions: dict[str, int] | None = None) -> None:
    """What a run of the pipeline leaves behind."""
    newest = {group.id: write(store, group) for group in (THINGS, OTHERS)} if versions is None else versions
    handled(store, newest, len(store.metadata.entries("notices")), trained=trained)


def noticed(store: FeatureStore, name: str, identity: str = "id") -> None:
    notice(store.metadata, Notice(name, identity, "model.films"))


def test_an_empty_lake_calls_for_nothing(store: FeatureStore) -> None:
    assert decide(store) == Reaction(False, False, decide(store).key, ("nothing new since the last run",))


def test_steps_that_would_run_are_reacted_to_and_trained_on_in_the_same_run(store: FeatureStore) -> None:
    found = decide(store, Work("things_v1", "ratings.dat changed", "k1"))

    assert (found.run, found.train, found.why) == (True, True, "things_v1: ratings.dat changed")
    assert found.key == decide(store, Work("things_v1", "told otherwise", "k1")).key
    assert found.key != decide(store, Work("things_v1", "ratings.dat changed", "k2")).key


def test_steps_that_no_model_depends_on_run_without_a_training(store: FeatureStore) -> None:
    found = decide(store, Work("movie_stats_v1", "code changed", "k1"))

    assert (found.run, found.train) == (True, False)


def test_a_new_version_is_reacted_to_once(store: FeatureStore, clock: Clock) -> None:
    run(store)
    assert not decide(store).run
    clock.now += 2 * DAY
    version = write(store, THINGS)

    first, again = decide(store), decide(store)
    assert (first.run, first.train, first.why) == (True, True, f"things_v1 moved to v{version}")
    assert first == again
    run(store, versions={"things_v1": version})
    assert not decide(store).run


def test_a_version_that_came_during_the_run_is_reacted_to_after_it(store: FeatureStore, clock: Clock) -> None:
    run(store)
    clock.now += 2 * DAY
    seen = write(store, THINGS)
    late = write(store, THINGS)
    before = decide(store)
    run(store, versions={"things_v1": seen})

    clock.now += 2 * DAY
    assert decide(store).why == f"things_v1 moved to v{late}"
    assert decide(store).key != before.key


def test_new_data_is_scored_at_once_and_trained_on_after_the_cool_down(store: FeatureStore, clock: Clock) -> None:
    run(store)
    clock.now += timedelta(hours=1)
    version = write(store, THINGS)

    found = decide(store)
    assert (found.run, found.train) == (True, False)
    run(store, trained=False, versions={"things_v1": version})
    idle = decide(store)
    assert not idle.run
    assert idle.why.startswith("the next training waits: the last was at 2026-01-01 00:00 UTC")
    clock.now += DAY
    later = decide(store)
    assert (later.run, later.train) == (True, True)
    assert later.why == f"things_v1 moved to v{version}, not trained on yet"


@pytest.mark.parametrize("name", ["feature.drifted", "metric.breached"])
def test_an_alarm_calls_for_one_training_after_the_cool_down(store: FeatureStore, clock: Clock, name: str) -> None:
    run(store)
    noticed(store, name)
    assert not decide(store).run

    clock.now += DAY
    found = decide(store)
    assert (found.run, found.train) == (True, True)
    assert found.why.startswith(f"{name} of model.films at ")
    noticed(store, name)  # told again
    assert decide(store).key == found.key
    run(store, versions={})
    assert not decide(store).run


def test_rows_that_are_overdue_call_for_another_look_and_no_training(store: FeatureStore) -> None:
    run(store)
    noticed(store, "freshness.missed")

    found = decide(store)
    assert (found.run, found.train) == (True, False)
    run(store, trained=False, versions={})
    assert not decide(store).run


def test_a_failed_contract_and_a_release_call_for_no_run(store: FeatureStore) -> None:
    run(store)
    for name in ("contract.failed", "model.released"):
        noticed(store, name, name)

    assert not decide(store).run


def test_many_reasons_are_told_in_a_few_words(store: FeatureStore) -> None:
    found = decide(store, *(Work(f"step{n}", "code changed", "k") for n in range(9)))

    assert found.why.count("code changed") == 4
    assert found.why.endswith("; and 5 more")


def test_models_are_made_from_what_views_read_and_from_what_is_behind_that() -> None:
    assert {"user_activity_v1", "ratings_v1", "users_v1", "movies_v1"} <= groups_behind([age_gate.v1])
    assert "predictions_v1" not in groups_behind([age_gate.v1])


def test_a_step_whose_raw_file_is_elsewhere_is_left_out(store: FeatureStore, tmp_path: Path) -> None:
    from feature_groups import movies, ratings

    assert work_to_do(store, [movies.v1, ratings.v1, THINGS], tmp_path) == []
