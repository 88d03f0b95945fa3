"""Make the training dataset of a view, or say that it is there already."""

from __future__ import annotations

from typing import Any

from feature_groups.store import FeatureStore
from feature_groups.store.dataset_plan import DatasetPlan
from tasks.artifacts import publish_dataset
from tasks.retries import retried
from tasks.spark_limit import spark_slot


@retried("training dataset of {plan.view}")
def make_training_dataset(store: FeatureStore, plan: DatasetPlan) -> dict[str, Any]:
    """Join, split, pin and store; returns view, number, whether it is new, and rows and entities per part."""
    with spark_slot():
        dataset, new = plan.make(store)
    if new:
        publish_dataset(dataset)
    manifest = dataset.manifest
    parts = {name: manifest["parts"][name]["rows"] for name in dataset.parts}
    return {"view": plan.view.id, "number": dataset.number, "new": new, "parts": parts, "engine": manifest["engine"]}
