"""Write predictions, and show how good earlier ones turned out to be."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from typing import Any

from prefect.artifacts import create_table_artifact

from feature_groups.store import Receipt
from models.model_steps import ModelStep, ModelSteps, Stage
from tasks.artifacts import artifact_key, publish_receipt
from tasks.events import FeatureGroupCommitted, emit
from tasks.retries import retried
from tasks.spark_limit import spark_slot

log = logging.getLogger(__name__)


@retried("{step.name}")
def write_predictions(steps: ModelSteps, step: ModelStep, stage: Stage) -> dict[str, Any]:
    """Predict, write, record the step, and tell who listens; its output has the ``receipt`` of the write."""
    log.info("%s: %s", step.name, step.why)
    with spark_slot():
        output = stage.work()
    steps.record(step, output)
    receipt = Receipt.from_json(output["receipt"])
    publish_receipt(receipt)
    if receipt.committed:
        emit(FeatureGroupCommitted.of(receipt))
    return output


@retried("{step.name}")
def write_outcomes(steps: ModelSteps, step: ModelStep, stage: Stage) -> dict[str, Any]:
    """Judge predictions, record the step, and show how good they were; its output has ``rows``."""
    log.info("%s: %s", step.name, step.why)
    output = stage.work()
    steps.record(step, output)
    rows: Sequence[Mapping[str, Any]] = output["rows"]
    judged, made = (sum(int(row[name]) for row in rows) for name in ("judged", "predictions"))
    create_table_artifact(
        key=artifact_key(stage.name, steps.name.rpartition("/")[2]),
        table=[{name: _shown(value) for name, value in row.items()} for row in rows],
        description=f"Of {judged:,} of {made:,} predictions it is known what their users liked later.",
    )
    return output


def _shown(value: Any) -> Any:
    return round(value, 4) if isinstance(value, float) else "" if value is None else value
