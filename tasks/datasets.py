"""Make the training dataset of a view, or say that it is there already."""

from __future__ import annotations

from typing import Any

from prefect import task
from prefect.cache_policies import NO_CACHE

from feature_groups.store import FeatureStore
from feature_groups.store.dataset_plan import DatasetPlan
from tasks.artifacts import publish_dataset
from tasks.retries import only_transient


@task(
    task_run_name="training dataset of {plan.view}",
    retries=2,
    retry_delay_seconds=[1, 5],
    retry_jitter_factor=0.5,
    retry_condition_fn=only_transient,
    cache_policy=NO_CACHE,
    persist_result=False,
)
def make_training_dataset(store: FeatureStore, plan: DatasetPlan) -> dict[str, Any]:
    """Join, split, pin and store; returns view, number, whether it is new, and rows and entities per part."""
    dataset, new = plan.make(store)
    if new:
        publish_dataset(dataset)
    manifest = dataset.manifest
    parts = {name: manifest["parts"][name]["rows"] for name in dataset.parts}
    return {"view": plan.view.id, "number": dataset.number, "new": new, "parts": parts, "engine": manifest["engine"]}
