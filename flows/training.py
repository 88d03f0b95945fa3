"""Training: the training dataset of every view, pinned to the versions the feature groups are at now."""

from __future__ import annotations

import logging
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from prefect import flow

from feature_groups.store import connect, stop_session
from feature_groups.store.connect import load_settings
from feature_groups.store.discovery import discover_plans
from feature_groups.store.settings import EngineChoice
from tasks.datasets import make_training_dataset

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Trained:
    """What became of one view's training dataset.

    Attributes:
        view: ``<name>_v<version>``.
        number: Of the dataset.
        new: Whether this run made it.
        parts: Rows per part.
        seconds: Wall time.
        engine: Which engine made it, and why.
    """

    view: str
    number: int
    new: bool
    parts: Mapping[str, int] = field(default_factory=dict)
    seconds: float = 0.0
    engine: str = ""


@flow(flow_run_name="training data", validate_parameters=False)
def training(
    lake: Path | None = None, engine: EngineChoice = "auto", package: str = "feature_groups.views"
) -> list[Trained]:
    """Make the training dataset of every view; none is made where the same pins and spine gave one before.

    Args:
        lake: Folder of the lake; by default the one in the settings.
        engine: Which engine computes: ``auto`` decides by size.
        package: Package whose modules declare the views.
    """
    store = connect(lake, settings=load_settings().model_copy(update={"engine": engine}))
    done = []
    try:
        for plan in discover_plans(package):
            started = time.monotonic()
            made = make_training_dataset(store, plan)
            done.append(Trained(**made, seconds=round(time.monotonic() - started, 2)))
    finally:
        stop_session()
    return done
