"""Whether the champion has yet to answer: it was switched, and nobody has been asked about since."""

from __future__ import annotations

from feature_groups.store import FeatureStore
from models.film_order import PREDICTIONS, SCORING
from models.film_release import NAME
from models.model_steps import ModelSteps
from models.reaction import Work
from models.registry import Registry


def unanswered(store: FeatureStore) -> list[Work]:
    """The scoring, where the champion is another one than that which answered last; else nothing."""
    champion = Registry(store, NAME).champion()
    last = ModelSteps(store.metadata, SCORING).last(PREDICTIONS)
    if champion is None or (last is not None and last["output"]["release"] == champion.id):
        return []
    return [Work(PREDICTIONS, f"release {champion.id[:12]} serves, and has not answered yet", champion.id)]
