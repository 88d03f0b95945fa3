"""Make the training dataset of a view, or say that it is there already."""

from __future__ import annotations

from prefect import task
from prefect.cache_policies import NO_CACHE
from prefect.client.schemas.objects import State
from prefect.states import Completed

from feature_groups.store import FeatureStore
from feature_groups.store.dataset_plan import DatasetDecision
from tasks.artifacts import publish_dataset
from tasks.retries import retried
from tasks.spark_limit import spark_slot


@retried("training dataset of {decision.plan.view}")
def make_training_dataset(store: FeatureStore, decision: DatasetDecision) -> int:
    """Join, split, pin and store, or make again from its pins what is gone; returns the dataset's number."""
    with spark_slot():
        dataset = decision.make(store)
    if decision.there is None:
        publish_dataset(dataset)
    return dataset.number


@task(task_run_name="skip training dataset of {decision.plan.view}", cache_policy=NO_CACHE, persist_result=False)
def skip_training_dataset(decision: DatasetDecision) -> State[str]:
    """Show in the dashboard that a dataset is there already, and why."""
    return Completed(name="Skipped", message=decision.why, data=decision.why)
