"""One step by its name, from references alone: what it reads and writes is in the lake, so it can run anywhere."""

from __future__ import annotations

from pathlib import Path

from prefect import flow

from feature_groups.store.settings import EngineChoice
from flows.refresh import refresh
from flows.scoring import scoring
from flows.training import training
from models.film_pipeline import node


@flow(flow_run_name="step {name}")
def step(
    name: str,
    data: Path | None = None,
    lake: Path | None = None,
    engine: EngineChoice = "auto",
) -> str:
    """Do one step of the pipeline, where that is needed; what it needs is taken as it stands.

    The same as the flow that the step belongs to with ``select=name``, in one flow run: a deployment of this flow in a
    container is the step in a container.

    Args:
        name: Of the step: a feature group, a view (its training dataset), or a step of training or scoring.
        data: Folder of the raw files; only groups made from files read it.
        lake: Folder of the lake; by default the one in the settings.
        engine: Which engine computes: ``auto`` decides by size.

    Returns:
        ``run`` or ``skipped``.

    Raises:
        NoSuchStep: There is none of that name.
        StepNotReady, NothingWritten, NothingServes: What it needs was not done.
        StepFailed: It failed.
    """
    wanted = node(name)
    if wanted.kind == "group":
        (refreshed,) = refresh.fn(data, lake, engine, wanted.name)
        return refreshed.outcome
    if wanted.kind == "scoring":
        told = scoring.fn(lake, engine, select=wanted.name).steps
    else:
        told = training.fn(lake, engine, select=wanted.name).steps
    # Where a release serves that is made of what was trained, judging is not reached.
    return next((done.outcome for done in told if done.name == wanted.name), "skipped")
