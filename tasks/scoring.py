"""Show how good earlier predictions turned out to be."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from prefect.artifacts import create_table_artifact

from models.model_steps import ModelStep, ModelSteps, Stage
from tasks.artifacts import artifact_key
from tasks.retries import retried


@retried("{step.name}")
def write_outcomes(steps: ModelSteps, step: ModelStep, stage: Stage) -> dict[str, Any]:
    """Judge predictions, record the step, and show how good they were; its output has ``rows``."""
    output = steps.do(step, stage)
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
