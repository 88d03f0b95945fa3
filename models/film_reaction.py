"""What the example's pipeline reacts to: new data, versions that no run has handled, alarms, a champion just switched.

Little is imported for it: whoever decides is started by every event, and mostly finds nothing to do.
"""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

from feature_groups.store import FeatureStore
from feature_groups.store.discovery import discover
from feature_groups.views import age_gate, ranking
from models.film_names import NAME, PREDICTIONS, SCORING
from models.model_steps import ModelSteps
from models.reaction import COOL_DOWN, Reaction, Work, groups_behind, reaction, work_to_do
from models.registry import Registry
from models.release import Release

WATCHED = groups_behind([age_gate.v1, ranking.v1])
"""The groups that the models are made from, and those behind them."""


def film_reaction(
    store: FeatureStore,
    data: Path | None,
    *,
    cool_down: timedelta = COOL_DOWN,
    new_rows: float = 0.0,
    package: str = "feature_groups",
) -> Reaction:
    """Decide whether the pipeline is to run, and whether that run trains, see `models.reaction.reaction`.

    Args:
        store: The lake.
        data: Folder of the raw files.
        cool_down: Least time between two trainings.
        new_rows: Share of new rows that calls for a training by itself; with 0, or where no release serves, any do.
        package: Package whose modules declare the groups.
    """
    champion = Registry(store, NAME).champion()
    work = work_to_do(store, discover(package), data) + unanswered(store, champion)
    enough = new_rows if champion else 0.0
    return reaction(store, WATCHED, work, cool_down=cool_down, new_rows=enough)


def unanswered(store: FeatureStore, champion: Release | None) -> list[Work]:
    """The scoring, where the champion is another one than that which answered last; else nothing."""
    last = ModelSteps(store.metadata, SCORING).last(PREDICTIONS)
    if champion is None or (last is not None and last["release"] == champion.id):
        return []
    return [Work(PREDICTIONS, f"release {champion.id[:12]} serves, and has not answered yet", champion.id)]
