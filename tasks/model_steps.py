"""Do one step of a training and record it, or say why that is not needed."""

from __future__ import annotations

from typing import Any

from prefect import task
from prefect.cache_policies import NO_CACHE
from prefect.client.schemas.objects import State
from prefect.states import Completed

from feature_groups.store import Receipt, StoredFeatureGroup
from models.model_steps import ModelStep, ModelSteps, Stage
from tasks.artifacts import SHOWN, publish_receipt
from tasks.events import FeatureGroupCommitted, emit
from tasks.retries import retried
from tasks.spark_limit import spark_slot


@retried("{step.name}")
def do_step(steps: ModelSteps, step: ModelStep, stage: Stage) -> dict[str, Any]:
    """Run the step's work and record what came of it."""
    return steps.do(step, stage)


@retried("{step.name}")
def write_rows(steps: ModelSteps, step: ModelStep, stage: Stage, group: StoredFeatureGroup) -> dict[str, Any]:
    """Do a step that writes to the group, record it, and tell who listens; its output has the write's ``receipt``."""
    with spark_slot():
        output = steps.do(step, stage)
    receipt = Receipt.from_json(output["receipt"])
    publish_receipt(receipt, group.history(SHOWN))
    if receipt.committed:
        emit(FeatureGroupCommitted.of(receipt))
    return output


@task(task_run_name="skip {step.name}", cache_policy=NO_CACHE, persist_result=False)
def skip_step(step: ModelStep) -> State[str]:
    """Show in the dashboard that a step was not needed, and why."""
    return Completed(name="Skipped", message=step.why, data=step.why)
