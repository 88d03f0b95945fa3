"""Which training dataset a flow makes of a view: its spine, its split, its seed. A declared value beside the view."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import polars as pl

from feature_groups.store.errors import DatasetDamaged
from feature_groups.store.feature_view import FeatureView
from feature_groups.store.split_rule import Split
from feature_groups.store.training_dataset import TrainingDataset
from feature_groups.store.training_datasets import TrainingDatasets

if TYPE_CHECKING:
    from feature_groups.store.feature_store import FeatureStore


@dataclass(frozen=True)
class DatasetDecision:
    """Whether a view's training dataset is to be made, and why.

    Attributes:
        plan: What is made.
        run: Whether it must be made, or made again from its pins.
        reasons: Why; one line each.
        there: The dataset of what the lake holds now, if it was made before.
        spine: Of the dataset.
        split: Of the dataset.
    """

    plan: DatasetPlan
    run: bool
    reasons: tuple[str, ...]
    there: TrainingDataset | None = field(repr=False)
    spine: pl.DataFrame = field(repr=False)
    split: Split = field(repr=False)

    @property
    def why(self) -> str:
        """The reasons in one line."""
        return "; ".join(self.reasons)

    def make(self, store: FeatureStore) -> TrainingDataset:
        """The dataset, made if it must be."""
        view = store.get_or_create_feature_view(self.plan.view)
        if self.there is None or self.run:
            made = view.create_training_dataset(self.spine, split=self.split, seed=self.plan.seed)
            return made if self.there is None else view.rebuild(made.number)
        return self.there


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

    def decide(self, store: FeatureStore) -> DatasetDecision:
        """Compare what the lake holds now with the datasets that were made; writes none.

        Raises:
            NothingWritten: A group of the view has no rows.
        """
        store.get_or_create_feature_view(self.view)
        datasets, spine = TrainingDatasets(store, self.view), self.spine(store)
        split = self.split(spine)
        identity, there = datasets.asked(spine, split, self.seed)
        if there is not None:
            lost = tuple(_lost(there))
            same = f"same pins, spine and split as number {there.number}"
            return DatasetDecision(self, bool(lost), lost or (same,), there, spine, split)
        newest = self.newest(store)
        reasons = tuple(_differences(newest.manifest, identity)) if newest else ("first run",)
        return DatasetDecision(self, True, reasons, None, spine, split)

    def newest(self, store: FeatureStore) -> TrainingDataset | None:
        """The dataset made last, or None."""
        made = store.get_or_create_feature_view(self.view).training_datasets()
        return made[-1] if made else None

    def make(self, store: FeatureStore) -> tuple[TrainingDataset, bool]:
        """The dataset of what the lake holds now, and whether it is a new one."""
        decision = self.decide(store)
        return decision.make(store), decision.there is None


def _lost(dataset: TrainingDataset) -> Iterator[str]:
    """What of a dataset's files is not there, or of another length; checksums are compared where they are read."""
    for name in dataset.files:
        try:
            dataset.paths(name, read=False)
        except DatasetDamaged as error:
            yield error.what.rstrip(".")


def _differences(was: Mapping[str, Any], now: Mapping[str, Any]) -> Iterator[str]:
    """Why a dataset is another one than the one made last; one line each."""
    if was["declaration"] != now["declaration"]:
        yield "the view's declaration changed"
    yield from (f"contract changed: {name}" for name in _moved(was["contracts"], now["contracts"]))
    moved = list(_moved(was["pinned"], now["pinned"]))
    for name in moved:
        before, after = was["pinned"].get(name), now["pinned"].get(name)
        yield f"{name} moved from v{before[1]} to v{after[1]}" if before and after else f"{name} changed"
    if was["spine_content"] != now["spine_content"] and not moved:
        yield "code changed: its spine is another one"
    yield from (f"its {name} changed" for name in ("split", "seed") if was[name] != now[name])


def _moved(was: Mapping[str, Any], now: Mapping[str, Any]) -> list[str]:
    return sorted(name for name in {*was, *now} if was.get(name) != now.get(name))
