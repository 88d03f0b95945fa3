"""The worked example refreshed on Polars and, where that is too small for it, on Spark: the same tables."""

from __future__ import annotations

import logging
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import polars as pl
import pytest

import small_world
from driver import FEW, rows_to_the_driver
from feature_groups.sources.generator import generate
from feature_groups.sources.movielens_files import read_ratings, write_ratings
from feature_groups.store import FeatureStore, Settings, connect
from feature_groups.store.derived import made
from feature_groups.store.discovery import discover

GROUPS = [g for g in discover("feature_groups") if g.source or g.parents]
DERIVED = [g for g in GROUPS if g.parents]
EVENTS = 1_000
MONTH = 30 * 86_400
BUDGET = 20
"""Rows that Polars may take; each group of the example has more."""


@pytest.fixture(scope="module")
def deliveries(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """The ratings until a month before the newest one, and later these with that month's behind them."""
    early, late = tmp_path_factory.mktemp("early"), tmp_path_factory.mktemp("late")
    for folder in (early, late):
        generate(folder, events=EVENTS, end=datetime(2000, 9, 1, tzinfo=UTC))
    rows = read_ratings(late / "ratings.dat")
    old = pl.col("timestamp") <= rows["timestamp"].max() - MONTH
    write_ratings(rows.filter(old), early / "ratings.dat")
    write_ratings(pl.concat([rows.filter(old), rows.filter(~old)]), late / "ratings.dat")
    assert rows.filter(~old)["timestamp"].n_unique() > 10
    return early, late


@pytest.fixture(scope="module")
def told(deliveries: tuple[Path, Path], tmp_path_factory: pytest.TempPathFactory) -> list[dict[str, str]]:
    """What Polars makes of each delivery: content fingerprints by group."""
    store = connect(tmp_path_factory.mktemp("polars") / "lake", settings=Settings(engine="polars"))
    return [refreshed(store, data) for data in deliveries]


def refreshed(store: FeatureStore, data: Path) -> dict[str, str]:
    small_world.refresh(store, GROUPS, data)
    stored = (store.get_or_create_feature_group(g) for g in GROUPS)
    return {str(fg.name): f"{store.writer.states.at(fg.table).fingerprint:032x}" for fg in stored}


def why(store: FeatureStore) -> dict[str, str]:
    return {g.name: str(store.get_or_create_feature_group(g).history()[0].why) for g in DERIVED}


def test_a_month_of_new_ratings_is_an_increment_that_equals_a_rebuild(
    deliveries: tuple[Path, Path], told: list[dict[str, str]], tmp_path: Path
) -> None:
    store = connect(tmp_path / "lake", settings=Settings(engine="polars"))
    assert refreshed(store, deliveries[0]) == told[0]
    assert refreshed(store, deliveries[1]) == told[1]
    for group in DERIVED:
        assert ("increment since ratings_v1 v1" in why(store)[group.name]) == group.local
        parents = [
            store.reader.read(store.get_or_create_feature_group(p).table, None, "polars", ingested=False)[0]
            for p in group.parents
        ]
        assert group.spec is not None
        rebuilt = store.shop.polars.fingerprint(made(store.shop.polars, group, parents), group.spec.polars_schema)
        assert told[1][group.name] == f"{rebuilt:032x}"


@pytest.mark.slow
@pytest.mark.parametrize(
    "settings",
    [
        pytest.param({"engine": "auto", "polars_rows": BUDGET}, id="auto"),
        pytest.param({"engine": "spark"}, id="spark"),
    ],
)
def test_what_does_not_fit_polars_is_made_on_spark_alike(
    settings: dict[str, Any],
    deliveries: tuple[Path, Path],
    told: list[dict[str, str]],
    tmp_path: Path,
    caplog: pytest.LogCaptureFixture,
) -> None:
    store = connect(tmp_path / "lake", settings=Settings(**settings))
    with rows_to_the_driver() as seen, caplog.at_level(logging.INFO):
        found = [refreshed(store, data) for data in deliveries]
    assert found == told
    assert seen
    assert max(seen) <= FEW
    assert why(store)["user_activity"].endswith("(increment since ratings_v1 v1)")
    said = (
        f"spark (1,000 stored rows exceed the budget of {BUDGET})" if "polars_rows" in settings else "spark (as asked)"
    )
    assert f"user_activity.v1: reading its parents with {said}" in caplog.text
