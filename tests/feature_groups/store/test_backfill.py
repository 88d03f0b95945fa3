from __future__ import annotations

import random
import shutil
from datetime import datetime, timedelta
from pathlib import Path

import polars as pl
import pytest
from polars.testing import assert_frame_equal

from feature_groups.store import FeatureStore, Settings, connect
from feature_groups.store.backfill import Backfill, By
from feature_groups.store.errors import NothingWritten
from feature_groups.store.step_errors import CannotBackfill
from feature_groups.store.steps import Steps
from summing import DAY, EVENTS, START, SUMS, events, rebuilt, refreshed, rows_of, why

END = START + 5 * DAY
HOURS = [(key, hour, key + hour) for key in range(4) for hour in range(key, 90, 7)]


@pytest.fixture(scope="module")
def raw(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A lake with events of four days, and no sums yet."""
    lake = tmp_path_factory.mktemp("backfill") / "lake"
    store = connect(lake, settings=Settings(engine="polars"))
    store.get_or_create_feature_group(EVENTS).insert(events(*HOURS))
    return lake


@pytest.fixture
def store(raw: Path, tmp_path: Path) -> FeatureStore:
    shutil.copytree(raw, tmp_path / "lake")
    return connect(tmp_path / "lake", settings=Settings(engine="polars"))


def fill(store: FeatureStore, start: datetime, end: datetime, *, by: By = "day", again: bool = False) -> dict[str, int]:
    """The periods that were made, and how many rows each wrote."""
    work = Backfill(store, SUMS, start, end, by, again=again)
    receipts = {period.name: work.fill(period) for period in work.missing}
    return {name: one.inserted + one.updated + one.deleted for name, one in receipts.items()}


def whys(store: FeatureStore, start: datetime = START, end: datetime = END) -> dict[str, str]:
    return {p.name: p.why.split(" since ")[0] for p in Backfill(store, SUMS, start, end, "day").periods}


def test_periods_in_any_order_equal_a_rebuild(store: FeatureStore) -> None:
    days = list(range(5))
    random.Random(7).shuffle(days)
    written = {}
    for day in days:
        written |= fill(store, START + day * DAY, START + (day + 1) * DAY)

    assert_frame_equal(rows_of(store), rebuilt(store))
    assert sum(written.values()) == rows_of(store).height
    history = store.get_or_create_feature_group(SUMS).history()
    told = {c.why.split()[2].rstrip(":"): c.inserted for c in history if c.inserted}
    assert told == {name: count for name, count in written.items() if count}
    assert refreshed(store).committed is False
    assert fill(store, START, END) == {}


def test_only_missing_periods_are_made_and_each_has_a_record(store: FeatureStore) -> None:
    assert set(fill(store, START, START + 2 * DAY)) == {"2020-01-01", "2020-01-02"}
    assert set(fill(store, START, START + 3 * DAY)) == {"2020-01-03"}
    assert fill(store, START, START + 3 * DAY) == {}
    assert set(fill(store, START, START + DAY, again=True)) == {"2020-01-01"}

    records = Backfill(store, SUMS, START, END, "day").records("2020-01-01")
    assert [record["receipt"]["committed"] for record in records] == [True, False]
    assert records[0]["inputs"]["events_v1"]["version"] == 1
    assert records[0]["content"] == records[1]["content"]


def test_what_moved_since_is_missing_again_and_says_why(store: FeatureStore) -> None:
    fill(store, START, END)
    assert set(whys(store).values()) == {"unchanged"}
    stored = store.get_or_create_feature_group(SUMS)
    stored.delete_rows(rows_of(store).filter(pl.col("at") < START + DAY).head(2).select("key", "at"))
    assert whys(store) == {
        "2020-01-01": "its rows were changed",
        **dict.fromkeys([f"2020-01-0{n}" for n in range(2, 6)], "unchanged"),
    }
    assert fill(store, START, END) == {"2020-01-01": 2}
    store.get_or_create_feature_group(EVENTS).insert(events((1, 50, 9)))
    assert set(whys(store).values()) == {"events_v1 moved from v1 to v2"}
    changed = fill(store, START, END)
    assert changed["2020-01-01"] == changed["2020-01-02"] == 0
    assert_frame_equal(rows_of(store), rebuilt(store))


def test_a_group_that_is_up_to_date_as_a_whole_has_no_missing_period(store: FeatureStore) -> None:
    refreshed(store)
    assert set(whys(store).values()) == {"the whole group is up to date"}
    assert set(fill(store, START, END, by="year", again=True).values()) == {0}
    assert refreshed(store, record=False).committed is False


def test_rows_that_are_put_back_by_hand_are_made_right_again(store: FeatureStore) -> None:
    fill(store, START, END)
    stored = store.get_or_create_feature_group(SUMS)
    good = rows_of(store).head(1)
    for _ in range(2):  # the same wrong row twice: its correction has another key each time
        stored.insert(good.with_columns(value_sum_all=pl.lit(-1)))
        assert sum(fill(store, START, END).values()) == 1
        assert_frame_equal(rows_of(store), rebuilt(store))


def test_an_increment_does_not_start_from_what_a_backfill_changed(store: FeatureStore) -> None:
    refreshed(store)
    store.get_or_create_feature_group(EVENTS).insert(events((2, 10, 1)))
    fill(store, START, START + DAY)
    refreshed(store)

    assert "full: first run, or code or declaration changed" in why(store)
    assert_frame_equal(rows_of(store), rebuilt(store))


@pytest.mark.parametrize(
    ("by", "names"),
    [("day", ["2019-12-31", "2020-01-01"]), ("month", ["2019-12", "2020-01"]), ("year", ["2019", "2020"])],
)
def test_periods_that_overlap_the_span_are_made_whole(by: By, names: list[str], store: FeatureStore) -> None:
    work = Backfill(store, SUMS, START - timedelta(hours=1), START + timedelta(hours=1), by)

    assert [period.name for period in work.periods] == names
    assert work.periods[0].span.end == work.periods[1].span.start == START
    assert [p.name for p in Backfill(store, SUMS, START - DAY, START, by).periods] == names[:1]  # the end is exclusive


def test_what_cannot_be_made_in_parts_is_refused(store: FeatureStore, tmp_path: Path) -> None:
    for group, start, end, said in (
        (EVENTS, START, END, "not made from other groups"),
        (SUMS, END, START, "is none"),
        (SUMS, START.replace(tzinfo=None), END, "no time zone"),
        (SUMS, START.replace(year=1700), END, "more than 10,000 periods"),
        (SUMS, START.replace(year=1500), END, "within 1600"),
    ):
        with pytest.raises(CannotBackfill, match=said):
            Backfill(store, group, start, end, "day")
    with pytest.raises(NothingWritten):
        Backfill(connect(tmp_path / "empty"), SUMS, START, END, "day")


def test_the_record_of_the_whole_group_stays_its_own(store: FeatureStore) -> None:
    refreshed(store)
    fill(store, START, END, again=True)

    assert len(Steps(store).records(SUMS)) == 1
    assert Steps(store).decide(SUMS, None).run is False
