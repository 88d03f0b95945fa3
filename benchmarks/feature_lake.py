"""Groups of five features, their tables in a lake that the benchmarks of one run share, and spines to join them to.

A hundred rows per entity over a year; entities and instants are drawn evenly. The store sorts a batch by entity and
instant, so a table made from one batch is clustered; others are made from eight, each of a time of its own.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import pandera.polars as pa
import polars as pl

from benchmarks.lake import scratch_home
from benchmarks.report import flush
from feature_groups.store import (
    FeatureGroup,
    FeatureStore,
    FeatureView,
    Join,
    Settings,
    UtcDatetime,
    connect,
    stop_session,
)

SHARED = "ALLUVIA_BENCH_HOME"
"""Environment variable: the home that all benchmarks of one run share."""

START = datetime(2025, 1, 1, tzinfo=UTC)
YEAR, MICROSECOND = timedelta(days=365), timedelta(microseconds=1)
PER_ENTITY = 100
FEATURES = 5
BATCHES = 8
HOT = 0.3
"""Share of the rows, and of the spine, that the one key of a hot table has."""


class Contract(pa.DataFrameModel):
    """One row per entity and instant."""

    entity_id: int = pa.Field(ge=0)
    event_time: UtcDatetime = pa.Field()
    f0: float = pa.Field()
    f1: float = pa.Field()
    f2: float = pa.Field()
    f3: float = pa.Field()
    f4: float = pa.Field()


def group(name: str) -> FeatureGroup:
    """A group of five features."""
    return FeatureGroup(
        name=name,
        version=1,
        description="Made up for the benchmarks.",
        primary_key=["entity_id"],
        event_time="event_time",
        contract=Contract,
    )


def view(*groups: FeatureGroup) -> FeatureView:
    """A view of all features of some groups, named ``<group>_f0`` and so on."""
    return FeatureView(
        name="of_" + "_".join(group.name for group in groups),
        version=1,
        description="All features of some groups.",
        features=[Join(g.select_all(), (("entity_id", "entity_id"),), prefix=f"{g.name}_") for g in groups],
    )


def feature_rows(rows: int, seed: int, *, hot: float = 0.0) -> pl.DataFrame:
    """Rows by instant.

    Args:
        rows: How many; of a hundredth as many entities.
        seed: Of the values.
        hot: Share of the rows that entity 0 has besides.

    Returns:
        Shape (rows, 7), with exactly the contract's columns and types.
    """
    chance = np.random.default_rng([seed, rows])
    drawn = _drawn(chance, rows, rows // PER_ENTITY, hot)
    values = {f"f{n}": chance.normal(size=rows) for n in range(FEATURES)}
    return drawn.with_columns(**{name: pl.Series(drawn_values) for name, drawn_values in values.items()}).sort(
        "event_time"
    )


def spine_rows(rows: int, entities: int, seed: int = 99, *, hot: float = 0.0) -> pl.DataFrame:
    """Entities and instants in no order; shape (rows, 2)."""
    return _drawn(np.random.default_rng([seed, rows]), rows, entities, hot)


def _drawn(chance: np.random.Generator, rows: int, entities: int, hot: float) -> pl.DataFrame:
    entity = chance.integers(0, entities, rows)
    entity[chance.random(rows) < hot] = 0
    instants = np.datetime64(START.replace(tzinfo=None), "us") + chance.integers(0, YEAR // MICROSECOND, rows)
    return pl.DataFrame({"entity_id": entity, "event_time": pl.Series(instants).dt.replace_time_zone("UTC")})


@contextlib.contextmanager
def feature_store() -> Iterator[FeatureStore]:
    """The store that the benchmarks of one run share; one of its own where a benchmark runs alone."""
    if SHARED in os.environ:
        yield connect(settings=Settings(home=Path(os.environ[SHARED])))
        stop_session()
        return
    with scratch_home() as settings:
        yield connect(settings=settings)


def table(store: FeatureStore, name: str, rows: int, *, clustered: bool = False, hot: float = 0.0) -> FeatureGroup:
    """A group whose table holds so many rows, made where it is not there yet; from one batch, or from eight."""
    declared = group(name)
    stored = store.get_or_create_feature_group(declared)
    if not Path(stored.table.path).exists():
        flush(f"committing {rows:,} rows to {name} ...")
        made = feature_rows(rows, seed=sum(name.encode()), hot=hot)
        for batch in [made] if clustered else made.iter_slices(-(-rows // BATCHES)):
            stored.insert(batch)
    return declared
