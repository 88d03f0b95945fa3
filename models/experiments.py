"""The trail of experiments: every variant that was trained and judged, as one table."""

from __future__ import annotations

import json
from collections.abc import Collection
from typing import Any

import polars as pl

from feature_groups.store import FeatureStore
from models.model_steps import ModelSteps

RELEASE = "release"
"""The step whose records say what was tried and what came of it."""


def experiments(store: FeatureStore, training: str, only: Collection[str] | None = None) -> pl.DataFrame:
    """Every candidate that was judged in a lake, oldest first.

    Args:
        store: The lake.
        training: Name of the training, for example ``training/films``.
        only: Ids of releases; all by default.

    Returns:
        One row per record: ``recorded_at`` (Datetime, UTC), ``release``, ``blessed``, ``reasons`` (text), ``datasets``
        (text), the parameters that are not the same in all rows as text, each as ``with_<name>``, and every metric
        (Float64, NULL where it was not measured). No rows and no columns where nothing was judged yet.
    """
    records = ModelSteps(store.metadata, training).records(RELEASE)
    chosen = [r for r in records if only is None or r["output"]["release"] in only]
    settings = sorted({name for r in chosen for name in r["output"]["variant"]})
    differing = [name for name in settings if len({_text(r["output"]["variant"].get(name)) for r in chosen}) > 1]
    metrics = sorted({name for r in chosen for name in r["output"]["metrics"]})
    rows = [
        {
            "recorded_at": r["recorded_at"],
            "release": r["output"]["release"],
            "blessed": r["output"]["blessed"],
            "reasons": "; ".join(r["output"]["reasons"]),
            "datasets": _text(r["output"]["datasets"]),
            **{f"with_{name}": _text(r["output"]["variant"].get(name)) for name in differing},
            **{name: r["output"]["metrics"].get(name) for name in metrics},
        }
        for r in chosen
    ]
    if not rows:
        return pl.DataFrame()
    made = pl.DataFrame(rows, schema_overrides=dict.fromkeys(metrics, pl.Float64), infer_schema_length=None)
    return made.with_columns(pl.col("recorded_at").str.to_datetime(time_unit="us", time_zone="UTC"))


def trainings(store: FeatureStore) -> list[str]:
    """The names of the trainings whose candidates were judged in a lake, sorted."""
    paths = (path.split("/") for path in store.metadata.names("steps/training"))
    return sorted({parts[2] for parts in paths if len(parts) > 3 and parts[3] == RELEASE})


def _text(value: Any) -> str:
    return json.dumps(value, sort_keys=True)
