"""Derived groups kept up to date by increments equal those rebuilt from all rows, on every engine."""

from __future__ import annotations

import logging
import re
import shutil
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import narwhals as nw
import pandera.polars as pa
import polars as pl
import pytest
from polars.testing import assert_frame_equal

from driver import FEW, rows_to_the_driver
from feature_groups.store import (
    Aggregation,
    FeatureGroup,
    FeatureStore,
    UtcDatetime,
)
from feature_groups.store.materialize import materialize
from feature_groups.store.steps import Steps
from histories import KINDS, Histories
from summing import DAY, EVENTS, SUMS, Event, events, rebuilt, refreshed, rows_of, why


class Windows(pa.DataFrameModel):
    """One row per key and instant of change, whole hours."""

    key: int
    at: UtcDatetime
    count_1d: int
    count_3d: int
    count_all: int
    value_sum_1d: int
    value_std_all: float = pa.Field(nullable=True)
    value_min_1d: int = pa.Field(nullable=True)
    value_max_3d: int = pa.Field(nullable=True)
    value_n_unique_3d: int
    value_last_all: int
    value_last_n_1d: list[int]


WINDOWS = FeatureGroup(
    name="windows",
    version=1,
    description="What came when, over finite windows and for good.",
    primary_key=["key"],
    event_time="at",
    parents=[EVENTS],
    aggregations=[
        Aggregation("count", windows=[DAY, 3 * DAY, None]),
        Aggregation("sum", "value", [DAY]),
        Aggregation("std", "value"),
        Aggregation("min", "value", [DAY]),
        Aggregation("max", "value", [3 * DAY]),
        Aggregation("n_unique", "value", [3 * DAY]),
        Aggregation("last", "value"),
        Aggregation("last_n", "value", [DAY], n=3),
    ],
    resolution=timedelta(hours=6),
    contract=Windows,
)


CHANGES: dict[str, Callable[[Any], Any]] = {
    "new events": lambda fg: fg.insert(events((1, 90, 4), (5, 3, 2))),
    "a late event": lambda fg: fg.insert(events((1, 5, 7))),
    "a corrected event": lambda fg: fg.insert(events((2, 30, 9))),
    "a deleted event": lambda fg: fg.delete_rows(events((1, 10, 0)).select("key", "at")),
    "a key that is gone": lambda fg: fg.delete_rows([{"key": 2}]),
}


def test_every_kind_of_change_is_an_increment_that_equals_a_rebuild(light_store: FeatureStore) -> None:
    store = light_store
    fg = store.get_or_create_feature_group(EVENTS)
    fg.insert(events((1, 0, 1), (1, 10, 2), (2, 0, 3), (2, 30, 4), (3, 0, 5)))
    assert refreshed(store).inserted > 0
    assert "full: first run" in why(store)
    for number, (kind, change) in enumerate(CHANGES.items()):
        change(fg)
        before = rows_of(store)
        receipt = refreshed(store)
        assert f"increment since events_v1 v{number + 1}" in why(store), kind
        assert_frame_equal(rows_of(store), rebuilt(store))
        assert receipt.received < before.height + 4, kind
        third = rows_of(store).filter(pl.col("key") == 3)
        assert_frame_equal(third, before.filter(pl.col("key") == 3))


def test_rows_at_the_very_instant_of_a_changed_event_follow_it(light_store: FeatureStore) -> None:
    copied = FeatureGroup(
        name="doubled",
        version=1,
        description="Events, doubled.",
        primary_key=["key"],
        event_time="at",
        parents=[EVENTS],
        transform=lambda rows: rows.with_columns(nw.col("value") * 2),
        contract=Event,
    )
    fg, steps = light_store.get_or_create_feature_group(EVENTS), Steps(light_store)
    for rows, expected in ((events((1, 0, 1), (1, 5, 2)), [2, 4]), (events((1, 0, 7), (1, 9, 3)), [14, 4, 6])):
        fg.insert(rows)
        decision = steps.decide(copied, None)
        start = decision.starting_point
        key = decision.batch_key
        done = materialize(light_store, copied, data=None, batch_key=key, starting_point=start)
        steps.record(copied, decision, done.receipt, source_rows=None)
        stored = light_store.get_or_create_feature_group(copied)
        assert stored.read(engine="polars").collect().sort("at")["value"].to_list() == expected
    assert "increment since events_v1 v1" in str(stored.history()[0].why)


def test_a_rebuild_follows_a_crash_between_commit_and_record(light_store: FeatureStore) -> None:
    fg = light_store.get_or_create_feature_group(EVENTS)
    fg.insert(events((1, 0, 1), (2, 0, 3)))
    refreshed(light_store)
    fg.insert(events((1, 3, 2)))
    committed = refreshed(light_store, record=False)
    fg.insert(events((2, 3, 2)))
    receipt = refreshed(light_store)

    assert receipt.version == committed.version + 1
    assert "its table was changed from v1 to v2" in why(light_store)
    assert "full" in why(light_store)
    assert_frame_equal(rows_of(light_store), rebuilt(light_store))
    assert Steps(light_store).decide(SUMS, None).run is False


def test_a_rebuild_that_says_so_follows_when_the_changes_cannot_be_read(
    light_store: FeatureStore, caplog: pytest.LogCaptureFixture
) -> None:
    fg = light_store.get_or_create_feature_group(EVENTS)
    fg.insert(events((1, 0, 1), (1, 5, 2), (2, 0, 3)))
    refreshed(light_store)
    fg.insert(events((1, 5, 9)))
    feed = Path(fg.table.path) / "_change_data"
    assert feed.is_dir()
    shutil.rmtree(feed)
    with caplog.at_level(logging.INFO):
        refreshed(light_store)

    assert "full: the change feed of events_v1 is gone" in why(light_store)
    assert "full: the change feed of events_v1 is gone" in caplog.text
    assert_frame_equal(rows_of(light_store), rebuilt(light_store))

    for value in (3, 4):
        fg.insert(events((1, 5, value)))
    assert light_store.vacuum(retain=timedelta(0), group=EVENTS).removed
    refreshed(light_store)
    assert re.search("full: the change feed of events_v1 is gone .* The vacuum of .* removed it", why(light_store))
    assert_frame_equal(rows_of(light_store), rebuilt(light_store))


def test_a_table_made_anew_is_followed_by_a_rebuild(light_store: FeatureStore) -> None:
    fg = light_store.get_or_create_feature_group(EVENTS)
    fg.insert(events((1, 0, 1)))
    refreshed(light_store)
    shutil.rmtree(fg.table.path)
    fg.insert(events((1, 2, 1), (3, 2, 1)))
    refreshed(light_store)

    assert "events_v1 is another table than before" in why(light_store)
    assert_frame_equal(rows_of(light_store), rebuilt(light_store))


def follow(store: FeatureStore, histories: Histories, steps: int) -> set[str]:
    """Check that every refresh is an increment that equals a rebuild; returns the kinds of change there were."""
    fg, kinds = store.get_or_create_feature_group(EVENTS), set()
    fg.insert(events(*((*place, value) for place, value in histories.stored.items())))
    refreshed(store, WINDOWS)
    for _ in range(steps):
        inserted, deleted = histories.step()
        kinds |= histories.kinds()
        before = rows_of(store, WINDOWS)
        fg.insert(events(*((*place, value) for place, value in inserted.items())))
        fg.delete_rows(events(*((*place, 0) for place in deleted)).select("key", "at"))
        receipt = refreshed(store, WINDOWS)
        after = rows_of(store, WINDOWS)
        assert "increment since events_v1" in why(store, WINDOWS)
        assert_frame_equal(after, rebuilt(store, WINDOWS))
        alone, was = (rows.filter(pl.col("key").is_in(histories.untouched())) for rows in (after, before))
        assert_frame_equal(alone, was)
        assert receipt.received <= after.height - alone.height
    assert fg.read(engine="polars").collect().height == len(histories.stored)
    return kinds


def test_dozens_of_random_histories_equal_a_rebuild_after_every_increment(light_store: FeatureStore) -> None:
    assert follow(light_store, Histories(seed=1, count=30), steps=1) == set(KINDS)


@pytest.mark.slow
def test_on_either_engine_no_rows_of_random_histories_pass_the_driver(store: FeatureStore) -> None:
    with rows_to_the_driver() as seen:
        assert follow(store, Histories(seed=1, count=30), steps=1) == set(KINDS)
    assert rows_of(store, WINDOWS).height > 2 * FEW >= 2 * max(seen, default=0)


@pytest.mark.slow
def test_many_long_random_histories_equal_a_rebuild_after_every_increment(store: FeatureStore) -> None:
    assert follow(store, Histories(seed=2, count=200), steps=8) == set(KINDS)
