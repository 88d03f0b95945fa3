"""Sums of events, a derived group that is brought up to date as the refresh flow does."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import narwhals as nw
import pandera.polars as pa
import polars as pl

from feature_groups.store import Aggregation, FeatureGroup, FeatureStore, Receipt, UtcDatetime
from feature_groups.store.derived import made
from feature_groups.store.materialize import materialize
from feature_groups.store.steps import Steps

START = datetime(2020, 1, 1, tzinfo=UTC)
DAY = timedelta(days=1)


class Event(pa.DataFrameModel):
    """One row per key and instant."""

    key: int
    at: UtcDatetime
    value: int


class Sums(pa.DataFrameModel):
    """One row per key and instant of change."""

    key: int
    at: UtcDatetime
    count_1d: int
    value_sum_all: int
    share: float


def shares(rows: nw.LazyFrame[Any]) -> nw.LazyFrame[Any]:
    return rows.with_columns((nw.col("count_1d") / nw.col("count_all")).alias("share"))


EVENTS = FeatureGroup(
    name="events",
    version=1,
    description="Events of keys.",
    primary_key=["key"],
    event_time="at",
    contract=Event,
)
SUMS = FeatureGroup(
    name="sums",
    version=1,
    description="Sums of events.",
    primary_key=["key"],
    event_time="at",
    parents=[EVENTS],
    aggregations=[Aggregation("count", windows=[DAY, None]), Aggregation("sum", "value")],
    derive=shares,
    contract=Sums,
)


def events(*rows: tuple[int, int, int]) -> pl.DataFrame:
    """Events as (key, hour, value)."""
    timed = [(key, START + timedelta(hours=hour), value) for key, hour, value in rows]
    return pl.DataFrame(timed, schema=EVENTS.spec.polars_schema if EVENTS.spec else None, orient="row")


def refreshed(store: FeatureStore, group: FeatureGroup = SUMS, *, record: bool = True) -> Receipt:
    """Bring a group up to date as the refresh flow does."""
    steps = Steps(store)
    decision = steps.decide(group, None)
    done = materialize(
        store,
        group,
        data=None,
        batch_key=decision.batch_key,
        reason=decision.why,
        anew=decision.anew,
        starting_point=decision.starting_point,
    )
    if record:
        steps.record(group, decision, done.receipt, source_rows=None)
    return done.receipt


def rows_of(store: FeatureStore, group: FeatureGroup = SUMS) -> pl.DataFrame:
    found = store.get_or_create_feature_group(group).read(engine="polars").collect()
    return found.sort("key", "at")


def rebuilt(store: FeatureStore, group: FeatureGroup = SUMS) -> pl.DataFrame:
    """A group made at once of the events there are."""
    stored = store.get_or_create_feature_group(EVENTS).read(engine="polars")
    engine = store.shop.polars
    return engine.collect(made(engine, group, [nw.from_native(stored)])).sort("key", "at")


def why(store: FeatureStore, group: FeatureGroup = SUMS) -> str:
    return str(store.get_or_create_feature_group(group).history()[0].why)
