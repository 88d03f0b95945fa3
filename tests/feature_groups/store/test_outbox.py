"""What happened is read from logs; who handles it keeps a cursor, and hears of everything once."""

from __future__ import annotations

import random
import shutil
import threading
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from deltalake import DeltaTable
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from feature_groups.store import FeatureStore, Settings, connect
from feature_groups.store.outbox import Notice, Outbox, TableVersion, notice
from feature_groups.store.overdue import overdue
from other_writers import things, write

THINGS, OTHERS = things(), things("others")


@pytest.fixture
def store(light_store: FeatureStore) -> FeatureStore:
    return light_store


def versions(found: list[TableVersion]) -> list[tuple[str, int]]:
    return [(one.group, one.version) for one in found]


def drift(number: int) -> Notice:
    return Notice("feature.drifted", f"id-{number}", "model.films", {"window": number})


def test_a_consumer_that_never_handled_anything_has_everything_before_it(store: FeatureStore) -> None:
    write(store, THINGS, times=2)
    write(store, OTHERS)
    outbox = Outbox(store, "reader")

    assert versions(outbox.pending()) == [("things_v1", 0), ("things_v1", 1), ("others_v1", 0)]
    assert versions(outbox.pending(["others_v1", "unknown_v1"])) == [("others_v1", 0)]
    assert outbox.moved_at() is None


def test_what_is_handled_is_pending_no_more_for_this_consumer_alone(store: FeatureStore) -> None:
    write(store, THINGS, times=3)
    Outbox(store, "reader").advance({"things_v1": 1})

    assert versions(Outbox(store, "reader").pending()) == [("things_v1", 2)]
    assert len(Outbox(store, "another").pending()) == 3


def test_the_cursor_never_goes_back(store: FeatureStore) -> None:
    write(store, THINGS, times=3)
    outbox = Outbox(store, "reader")
    outbox.advance({"things_v1": 2}, notices=4)
    outbox.advance({"things_v1": 0}, notices=1)

    assert outbox.pending() == []
    assert store.metadata.last("consumers/reader")["notices"] == 4  # type: ignore[index]  # there is one


def test_a_table_that_was_made_anew_is_pending_from_its_beginning(store: FeatureStore) -> None:
    write(store, THINGS, times=3)
    Outbox(store, "reader").advance({"things_v1": 2})
    shutil.rmtree(store.get_or_create_feature_group(THINGS).table.path)
    write(store, THINGS)

    assert versions(Outbox(store, "reader").pending()) == [("things_v1", 0)]


def test_commits_that_move_no_row_are_nobodys_news(store: FeatureStore) -> None:
    write(store, THINGS, times=3)
    table = DeltaTable(store.get_or_create_feature_group(THINGS).table.path)
    table.optimize.compact()
    table.vacuum(0, dry_run=False, enforce_retention_duration=False)

    assert table.version() > 2
    assert versions(Outbox(store, "reader").pending()) == [("things_v1", 0), ("things_v1", 1), ("things_v1", 2)]


def test_a_version_says_what_its_commit_says(store: FeatureStore) -> None:
    before = datetime.now(UTC)
    write(store, THINGS)
    (found,) = Outbox(store, "reader").pending()

    assert (found.inserted, found.updated, found.deleted, found.fingerprint) == (1, 0, 0, "")
    assert before - timedelta(seconds=2) < found.committed_at < datetime.now(UTC) + timedelta(seconds=2)
    assert found.table_id == DeltaTable(store.get_or_create_feature_group(THINGS).table.path).metadata().id


def test_a_notice_is_kept_once_and_read_once(store: FeatureStore) -> None:
    assert [notice(store.metadata, drift(n)) for n in (1, 2, 1)] == [True, True, False]
    outbox = Outbox(store, "reader")

    assert [one.id for one in outbox.notices()] == ["id-1", "id-2"]
    outbox.advance({}, notices=1)
    assert [(one.id, one.number, one.payload) for one in outbox.notices()] == [("id-2", 2, {"window": 2})]


def test_two_who_notice_the_same_at_once_are_heard_once(store: FeatureStore) -> None:
    entry = {"name": "feature.drifted", "id": "same", "about": "model.films", "payload": {}, "at": ""}
    for _ in range(2):
        store.metadata.append("notices", entry)
    outbox = Outbox(store, "reader")

    assert [one.id for one in outbox.notices()] == ["same"]
    outbox.advance({}, notices=1)
    assert outbox.notices() == []


def test_one_who_begins_now_has_nothing_before_it_and_begins_once(store: FeatureStore) -> None:
    write(store, THINGS)
    notice(store.metadata, drift(1))
    outbox = Outbox(store, "reader")

    assert outbox.skip()
    assert (outbox.pending(), outbox.notices()) == ([], [])
    write(store, THINGS)
    assert not outbox.skip()
    assert versions(outbox.pending()) == [("things_v1", 1)]


def test_doubled_shuffled_and_ghostly_hints_have_one_effect_each(store: FeatureStore) -> None:
    """F11: 100 versions; every hint three times, in any order, and hints of versions that never were."""
    groups = [things(f"group{number}") for number in range(5)]
    hints = [(group.id, version) for group in groups for version in range(20)] * 3
    hints += [("group1_v1", 900), ("nobody_v1", 1)] * 5
    random.Random(7).shuffle(hints)
    made = [group for group in groups for _ in range(20)]
    random.Random(8).shuffle(made)
    effects: Counter[tuple[str, int]] = Counter()
    for number, _ in enumerate(hints):
        if number < len(made):
            write(store, made[number])  # hints come before, beside and after what they hint at
        if number % 23 == 0 or number == len(hints) - 1:
            Outbox(store, "reader").deliver(lambda found: effects.update([(found.group, found.version)]))

    assert set(effects) == {(group.id, version) for group in groups for version in range(20)}
    assert set(effects.values()) == {1}


def test_several_who_deliver_at_once_do_each_piece_once(store: FeatureStore, lake: Path) -> None:
    write(store, THINGS, times=12)
    effects: Counter[int] = Counter()
    lock = threading.Lock()

    def work(found: TableVersion) -> None:
        with lock:
            effects[found.version] += 1

    def deliver(_: int) -> int:
        return Outbox(connect(lake, settings=Settings(engine="polars")), "reader").deliver(work)

    with ThreadPoolExecutor(4) as pool:
        assert sum(pool.map(deliver, range(4))) == 12
    assert effects == Counter(range(12))


def test_work_that_fails_is_pending_still_and_what_came_before_it_is_not(store: FeatureStore) -> None:
    write(store, THINGS, times=4)
    outbox = Outbox(store, "reader")

    def work(found: TableVersion) -> None:
        if found.version == 2:
            raise ConnectionError("the server is away")

    with pytest.raises(ConnectionError):
        outbox.deliver(work)
    assert versions(outbox.pending()) == [("things_v1", 2), ("things_v1", 3)]
    assert outbox.deliver(lambda found: None) == 2


@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(steps=st.lists(st.sampled_from(["a", "b", "handle one", "handle all", "begin"]), max_size=8))
def test_pending_is_what_was_written_less_what_was_handled(tmp_path: Path, steps: list[str]) -> None:
    shutil.rmtree(tmp_path / "lake", ignore_errors=True)
    store = connect(tmp_path / "lake", settings=Settings(engine="polars"))
    outbox, groups = Outbox(store, "reader"), {"a": THINGS, "b": OTHERS}
    wanted: list[tuple[str, int]] = []
    begun = False
    for step in steps:
        if step in groups:
            wanted.append((groups[step].id, write(store, groups[step])))
        elif step == "handle one" and wanted:
            group, version = wanted.pop(0)
            outbox.advance({group: version})
            begun = True
        elif step == "handle all" and wanted:
            outbox.deliver(lambda found: None)
            wanted, begun = [], True
        elif step == "begin":
            wanted, begun = wanted if begun else [], True
            outbox.skip()
        assert versions(outbox.pending()) == wanted


def test_a_group_is_overdue_when_it_has_not_changed_for_longer_than_it_declares(lake: Path) -> None:
    now = datetime.now(UTC)
    store = connect(lake, settings=Settings(engine="polars"), clock=lambda: now)
    hourly, idle = things("hourly", freshness=timedelta(hours=1)), things("idle")
    for group in (hourly, idle):
        write(store, group)
    store.get_or_create_feature_group(things("empty", freshness=timedelta(hours=1)))

    assert overdue(store) == []
    now += timedelta(hours=1, minutes=1)
    (late,) = overdue(store)
    assert (late.group, late.version, late.allowed) == ("hourly_v1", 0, timedelta(hours=1))
    DeltaTable(store.get_or_create_feature_group(hourly).table.path).optimize.compact()
    assert [one.version for one in overdue(store)] == [0]
