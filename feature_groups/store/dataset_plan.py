"""Which training dataset a flow makes of a view: its spine, its split, its seed. A declared value beside the view."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import polars as pl

from feature_groups.store.feature_view import FeatureView
from feature_groups.store.split_rule import Split
from feature_groups.store.training_dataset import TrainingDataset

if TYPE_CHECKING:
    from feature_groups.store.feature_store import FeatureStore


@dataclass(frozen=True)
class DatasetPlan:
    """How a view's training dataset is made of what a lake holds now.

    Attributes:
        view: The view.
        spine: Makes the spine from a lake.
        split: Makes the split rule for that spine.
        seed: Of the split.
    """

    view: FeatureView
    spine: Callable[[FeatureStore], pl.DataFrame] = field(repr=False)
    split: Callable[[pl.DataFrame], Split] = field(repr=False)
    seed: int = 0

    def make(self, store: FeatureStore) -> tuple[TrainingDataset, bool]:
        """The dataset of what the lake holds now, and whether it is a new one."""
        stored = store.get_or_create_feature_view(self.view)
        there = len(stored.training_datasets())
        spine = self.spine(store)
        made = stored.create_training_dataset(spine, split=self.split(spine), seed=self.seed)
        return made, made.number > there
