"""Comparison: several variants of the training, one after the other, and one table of what came of each."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import polars as pl
from prefect import flow

from feature_groups.store import connect
from feature_groups.store.settings import EngineChoice
from flows.training import training
from models.experiments import experiments
from models.film_names import TRAINING
from models.film_parameters import FilmParameters
from tasks.comparison import publish_comparison


@flow(flow_run_name="comparison of {variants}")
def comparison(
    variants: Sequence[FilmParameters], lake: Path | None = None, engine: EngineChoice = "auto"
) -> pl.DataFrame:
    """Train every variant, none of which is promoted, and put what came of them side by side.

    Steps that variants share are done once. What was tried before is taken from the trail of experiments.

    Args:
        variants: What to train, each on the same datasets.
        lake: Folder of the lake; by default the one in the settings.
        engine: Which engine computes: ``auto`` decides by size.

    Returns:
        One row per candidate, see `models.experiments.experiments`.
    """
    made = [training(lake=lake, engine=engine, parameters=variant, promote="none") for variant in variants]
    table = experiments(connect(lake), TRAINING, {done.candidate for done in made})
    publish_comparison(table)
    return table
