"""A shop's lake made without a JVM: tables by delta-rs, a view with two datasets, two releases, a log of predictions.

Visits are of files and came twice; habits are made of visits, first of version 0 and then of version 1.
"""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import narwhals as nw
import pandera.polars as pa
import polars as pl
from deltalake import CommitProperties, write_deltalake

import shop
from feature_groups.store import FeatureGroup, FeatureStore, HashSplit, Settings, TrainingDataset, UtcDatetime, connect
from feature_groups.store.feature_view import FeatureView
from members import weights
from models.registry import Registry
from models.release import DatasetUsed, Release, groups_of
from released import BLESSED

CUSTOMERS = 12
NAME = "gate"


class Habit(pa.DataFrameModel):
    """One row per customer."""

    customer: int = pa.Field(description="Who.")
    pages: int = pa.Field(description="How many pages in all.")


class Prediction(pa.DataFrameModel):
    """One row per prediction at an instant."""

    prediction_id: str
    asked_at: UtcDatetime
    user_id: int
    release: str
    route: str
    reason: str
    features: str


def pages(visits: nw.LazyFrame[Any]) -> nw.LazyFrame[Any]:
    """All pages of a customer."""
    return visits.group_by("customer").agg(nw.col("pages").sum())


visits, ages = shop.visits, shop.ages
habits = shop.group("habits", Habit, ["customer"], parents=[visits], transform=pages)
predictions = shop.group("guesses", Prediction, ["prediction_id"], "asked_at", owner="somebody")
gate = FeatureView(
    name="gate",
    version=1,
    description="Is this customer a minor?",
    features=[habits.select("pages")],
    labels=[ages.select("is_minor")],
    event_time="asked_at",
)


def quick_lake(lake: Path) -> FeatureStore:
    """Make the lake."""
    store = opened(lake)
    write(store, ages, {"customer": list(range(CUSTOMERS)), "is_minor": [i % 3 == 0 for i in range(CUSTOMERS)],
                        "band": ["10s"] * CUSTOMERS}, "first ages")  # fmt: skip
    write(store, visits, visited(3), "first visits")
    recorded(store, visits, {"visits.csv": {"content": "a" * 64}}, 0)
    write(store, habits, {"customer": list(range(CUSTOMERS)), "pages": list(range(CUSTOMERS))}, "first run")
    recorded(store, habits, {visits.id: {"version": 0}}, 0)
    first = dataset(store)
    made = registry(store)
    made.promote(made.release(release(made, first, 1, None)), reason="it is the first")
    write(store, visits, visited(5), "more visits")
    recorded(store, visits, {"visits.csv": {"content": "b" * 64}}, 1)
    write(
        store, habits, {"customer": list(range(CUSTOMERS)), "pages": [i * 2 for i in range(CUSTOMERS)]}, "visits moved"
    )
    recorded(store, habits, {visits.id: {"version": 1}}, 1)
    second = dataset(store)
    champion = made.state().champion
    made.challenge(made.release(release(made, second, 2, champion)), reason="tried beside it")
    assert champion is not None
    write(store, predictions, predicted(champion, made), "scored")
    return store


def opened(lake: Path) -> FeatureStore:
    """The lake, computing with Polars."""
    return connect(lake, settings=Settings(engine="polars"))


def registry(store: FeatureStore) -> Registry:
    """Its registry."""
    return Registry(store, NAME)


def visited(times: int) -> dict[str, list[Any]]:
    """Every customer's visits, a day apart."""
    pairs = [(i, n) for i in range(CUSTOMERS) for n in range(times)]
    return {
        "customer": [i for i, _ in pairs],
        "at": [shop.START + n * shop.DAY for _, n in pairs],
        "pages": [i + n for i, n in pairs],
        "seconds": [1.0 for _ in pairs],
    }


def predicted(release: str, made: Registry) -> dict[str, list[Any]]:
    """Two answers of a release."""
    read = {group.group: [group.table_id, group.version] for group in made.get(release).groups}
    return {
        "prediction_id": ["1" * 64, "2" * 64],
        "asked_at": [shop.START + 9 * shop.DAY] * 2,
        "user_id": [1, 2],
        "release": [release] * 2,
        "route": ["minors", "adults"],
        "reason": ["score", "band"],
        "features": [json.dumps(read)] * 2,
    }


def write(store: FeatureStore, group: FeatureGroup, columns: dict[str, list[Any]], why: str) -> None:
    """Put rows in the place of all that are there, as a commit of the store would tell it."""
    table = store.get_or_create_feature_group(group).table
    frame = pl.DataFrame(columns, schema=dict(table.spec.polars_schema))
    rows = {"inserted": frame.height}
    note = {"alluvia": {"operation": "insert", "reason": why, "who": "somebody", "rows": rows}}
    properties = CommitProperties(custom_metadata={"userMetadata": json.dumps(note)})
    taken = pl.lit(datetime(2026, 4, 1, tzinfo=UTC)).cast(pl.Datetime("us", "UTC")).alias("ingested_at")
    Path(table.path).parent.mkdir(parents=True, exist_ok=True)
    write_deltalake(table.path, frame.with_columns(taken), mode="overwrite", commit_properties=properties)


def recorded(store: FeatureStore, group: FeatureGroup, inputs: dict[str, dict[str, Any]], version: int) -> None:
    """Record a step, as `Steps.record` does: what it consumed, what it left."""
    stored = store.get_or_create_feature_group(group)
    for name, told in inputs.items():
        if name == visits.id:
            told["content"] = content(store, visits, told["version"])
    output = {"table_id": store.writer.states.at(stored.table).table_id, "version": version}
    output["content"] = content(store, group, version)
    store.metadata.append(f"steps/{group.id}", {"inputs": inputs, "output": output, "recorded_at": "2026-04-01T00:00"})


def content(store: FeatureStore, group: FeatureGroup, version: int) -> str:
    """The fingerprint of a version."""
    table = store.get_or_create_feature_group(group).table
    return f"{store.writer.states.at(table, version).fingerprint:032x}"


def dataset(store: FeatureStore) -> TrainingDataset:
    """A training dataset of what the lake holds now."""
    spine = pl.DataFrame({"customer": list(range(CUSTOMERS)), "asked_at": [shop.START + 9 * shop.DAY] * CUSTOMERS})
    spine = spine.with_columns(pl.col("asked_at").cast(pl.Datetime("us", "UTC")))
    view = store.get_or_create_feature_view(gate)
    return view.create_training_dataset(spine, split=HashSplit(0.5, 0.0, 0.5), seed=1)


def release(made: Registry, data: TrainingDataset, number: int, parent: str | None) -> Release:
    """A release of one member; the second is not blessed."""
    return Release(
        {"router": made.put(weights(number, f"router {number}"))},
        groups=groups_of(data),
        datasets=(DatasetUsed.of(data),),
        verdict=BLESSED if number == 1 else {"blessed": False, "reasons": ["ECE .03 > .02"], "gates": []},
        metrics={"router auc": 0.8 + number / 100},
        parent=parent,
    )
