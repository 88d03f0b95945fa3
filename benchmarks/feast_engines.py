"""Feast's side of `benchmarks.feast`, in Feast's own environment: prints what every join took, and stores its answers.

Usage: python -m benchmarks.feast_engines FOLDER ENGINE, where FOLDER holds ``<name>.rows.parquet``,
``<name>.spine.parquet`` and ``<name>.json`` (keys, features, age limit in µs, repeats) of every join.
"""

from __future__ import annotations

import json
import sys
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pandas as pd

from benchmarks.measure import median, spend
from benchmarks.memory import peak_memory
from benchmarks.report import MARK, flush

if TYPE_CHECKING:
    from feast import FeatureStore


def answer(folder: Path, engine: str, name: str) -> dict[str, float]:
    """One join, as often as asked; its answer is stored as ``<name>.<engine>.parquet``."""
    told = json.loads((folder / f"{name}.json").read_text())
    store = _store(folder, engine, name, told)
    spine = pd.read_parquet(folder / f"{name}.spine.parquet")
    wanted = [f"features:{feature}" for feature in told["features"]]
    found, made = [], None
    for _ in range(told["repeats"][engine]):
        spent, made = spend(lambda: store.get_historical_features(spine, wanted).to_df())
        found.append(spent)
    assert made is not None
    made.to_parquet(folder / f"{name}.{engine}.parquet", index=False)
    return {"cpu": median(found).cpu, "wall": median(found).wall, "peak": peak_memory()}


def _store(folder: Path, engine: str, name: str, told: dict[str, Any]) -> FeatureStore:
    from feast import Entity, FeatureStore, FeatureView, Field, FileSource, RepoConfig, ValueType
    from feast.types import Float64

    config = RepoConfig(
        project="benchmark",
        provider="local",
        registry=str(folder / f"{name}.{engine}.db"),
        offline_store={"type": engine},
        online_store=None,
        entity_key_serialization_version=3,
    )
    store = FeatureStore(config=config)
    kinds = {"string": ValueType.STRING, "int64": ValueType.INT64}
    entities = [Entity(name=key, join_keys=[key], value_type=kinds[kind]) for key, kind in told["keys"].items()]
    source = FileSource(
        name="rows",
        path=str(folder / f"{name}.rows.parquet"),
        timestamp_field="event_time",
        created_timestamp_column=told["created"],
    )
    features = FeatureView(
        name="features",
        entities=entities,
        ttl=timedelta(microseconds=told["max_age"]),
        schema=[Field(name=feature, dtype=Float64) for feature in told["features"]],
        source=source,
        online=False,
    )
    store.apply([*entities, source, features])
    return store


def main(folder: Path, engine: str) -> None:
    """All joins of the folder; an error of one is an answer too."""
    told: dict[str, Any] = {}
    for file in sorted(folder.glob("*.json")):
        flush(f"feast {engine}: {file.stem} ...")
        try:
            told[file.stem] = answer(folder, engine, file.stem)
        except Exception as error:
            told[file.stem] = {"error": f"{type(error).__name__}: {error}"}
    print(MARK + json.dumps(told))


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2])
