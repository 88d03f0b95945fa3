"""Polars and Spark make the same rows: whatever is declared, and with two functions where narwhals has no one."""

from __future__ import annotations

import dataclasses
from typing import Any

import narwhals as nw
import pandera.polars as pa
import polars as pl
import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from feature_groups import ratings
from feature_groups.store import Aggregation, FeatureGroup, FeatureStore, UtcDatetime
from feature_groups.store.discovery import discover
from rated import computed
from rows_from_contracts import rows_of

SIZE = 40
once = settings(
    max_examples=5,
    phases=[Phase.generate],
    derandomize=True,
    database=None,
    deadline=None,
    suppress_health_check=list(HealthCheck),
)


class Evenings(pa.DataFrameModel):
    """One row per user and instant of change."""

    user_id: int
    rated_at: UtcDatetime
    hour_max_all: int
    hour_last_n_all: list[int]


def berlin(rated: nw.LazyFrame[Any]) -> nw.LazyFrame[Any]:
    hour = nw.col("rated_at").dt.convert_time_zone("Europe/Berlin").dt.hour().cast(nw.Int64)
    return rated.select("user_id", "rated_at", "source_row_id", hour.alias("hour"))


def berlin_on_spark(rated: nw.LazyFrame[Any]) -> nw.LazyFrame[Any]:
    hour = "cast(hour(from_utc_timestamp(rated_at, 'Europe/Berlin')) as bigint) as hour"
    return nw.from_native(rated.to_native().selectExpr("user_id", "rated_at", "source_row_id", hour))


def utc_on_spark(rated: nw.LazyFrame[Any]) -> nw.LazyFrame[Any]:
    return nw.from_native(
        rated.to_native().selectExpr("user_id", "rated_at", "source_row_id", "cast(hour(rated_at) as bigint) as hour")
    )


EVENINGS = FeatureGroup(
    name="evenings",
    version=1,
    description="At which hours in Berlin a user rates.",
    primary_key=["user_id"],
    event_time="rated_at",
    parents=[ratings.v1],
    transform=berlin,
    spark_transform=berlin_on_spark,
    aggregations=[Aggregation("max", "hour"), Aggregation("last_n", "hour", n=5)],
    contract=Evenings,
)
DECLARED = [g for g in discover("feature_groups") if g.parents or g.source]
TWICE = [EVENINGS, *(g for g in DECLARED if g.spark_transform)]


def rows_by_engine(group: FeatureGroup, store: FeatureStore) -> list[pl.DataFrame]:
    """What both engines make of the same random rows of its parents, or of its source."""
    drawn: list[tuple[pl.DataFrame, ...]] = []

    @once
    @given(st.tuples(*(rows_of(p, SIZE, least=SIZE // 2) for p in group.parents or [group.source])))
    def draw(rows: tuple[pl.DataFrame, ...]) -> None:
        drawn.append(rows)

    draw()  # the first example is the simplest, all of one row
    return [computed(group, store, engine, *drawn[-1]).sort(pl.all()) for engine in ("polars", "spark")]


@pytest.mark.parametrize("group", TWICE, ids=str)
def test_a_transform_and_its_second_function_for_spark_agree(group: FeatureGroup, light_store: FeatureStore) -> None:
    here, there = rows_by_engine(group, light_store)

    assert here.height
    assert here.equals(there)


def test_a_second_function_that_says_something_else_is_found(light_store: FeatureStore) -> None:
    wrong = dataclasses.replace(EVENINGS, spark_transform=utc_on_spark)
    here, there = rows_by_engine(wrong, light_store)

    assert not here.equals(there)


@pytest.mark.slow
@pytest.mark.parametrize("group", DECLARED, ids=str)
def test_whatever_is_declared_gives_the_same_rows_on_both_engines(
    group: FeatureGroup, light_store: FeatureStore
) -> None:
    here, there = rows_by_engine(group, light_store)

    assert here.height
    assert here.equals(there)
