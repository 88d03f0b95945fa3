"""One way through the steps of training and scoring: those chosen are done or skipped, others taken as they stand."""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from typing import Any

from feature_groups.store import FeatureStore, TrainingDataset
from feature_groups.store.dataset_plan import DatasetPlan
from models.model_steps import Gone, ModelSteps, Stage, not_ready
from tasks.artifacts import Progress
from tasks.datasets import make_training_dataset, skip_training_dataset
from tasks.model_steps import do_step, skip_step


@dataclass(frozen=True)
class Step:
    """What became of one step.

    Attributes:
        name: Of the step.
        outcome: ``run`` or ``skipped``.
        why: The reasons.
        told: What came of it, in a few words.
        seconds: Wall time.
    """

    name: str
    outcome: str
    why: str
    told: str = ""
    seconds: float = 0.0


class Walk:
    """What became of each step so far, and what it made.

    Args:
        store: The lake.
        name: Under which the steps are recorded.
        chosen: Names of the steps that are done where that is needed.
        progress: Shows how many of them are done.
    """

    def __init__(
        self, store: FeatureStore, name: str, chosen: Collection[str], progress: Progress | None = None
    ) -> None:
        self._store, self._steps = store, ModelSteps(store.metadata, name)
        self._progress = progress
        self.chosen = frozenset(chosen)
        self.made: dict[str, dict[str, Any]] = {}
        self.told: list[Step] = []

    def dataset(self, plan: DatasetPlan) -> TrainingDataset:
        """The training dataset of a view, made where its pins or its spine are new; the newest where it is not chosen.

        Raises:
            StepNotReady: It is not chosen, and none was ever made.
        """
        started = time.monotonic()
        if plan.view.id not in self.chosen:
            newest = plan.newest(self._store)
            if newest is None:
                raise not_ready(plan.view.id, "it was never made")
            return newest
        decision = plan.decide(self._store)
        if decision.run:
            self._begun()
            number = make_training_dataset(self._store, decision)
            dataset = self._store.get_or_create_feature_view(plan.view).get_training_dataset(number)
        else:
            skip_training_dataset(decision)
            assert decision.there is not None
            dataset = decision.there
        why = decision.why
        if decision.there is None:
            why = f"{why}; {dataset.manifest['engine']}"
        parts = ", ".join(f"{name} {dataset.manifest['parts'][name]['rows']:,}" for name in dataset.parts)
        self._add(plan.view.id, why, f"number {dataset.number}: {parts}", started if decision.run else None)
        return dataset

    def step(
        self, stage: Stage, gone: Gone | None = None, task: Callable[..., dict[str, Any]] = do_step
    ) -> dict[str, Any]:
        """Do a step or take what it made before; where it is not chosen only the latter.

        Args:
            stage: The step.
            gone: Says what of an output is not there any more.
            task: That does it.

        Raises:
            StepNotReady: It is not chosen, and did not make what it would make now.
        """
        if stage.name not in self.chosen:
            self.made[stage.name] = self._steps.take(stage, gone)
            return self.made[stage.name]
        started = time.monotonic()
        step = self._steps.decide(stage, gone)
        if step.run:
            self._begun()
            output = task(self._steps, step, stage)
        else:
            skip_step(step)
            output = dict(step.output)
        self._add(stage.name, step.why, _told(output), started if step.run else None)
        self.made[stage.name] = output
        return output

    def end(self) -> None:
        """Say that nothing of it is left to do."""
        if self._progress is not None:
            self._progress.advance(len(self.chosen))

    def _begun(self) -> None:
        if self._progress is not None:
            self._progress.start(len(self.told))

    def _add(self, name: str, why: str, told: str, started: float | None) -> None:
        """Note what became of a step: when it began, None where it was skipped."""
        seconds = 0.0 if started is None else round(time.monotonic() - started, 2)
        self.told.append(Step(name, "skipped" if started is None else "run", why, told, seconds))
        if self._progress is not None:
            self._progress.advance(len(self.told))


def _told(output: Mapping[str, Any]) -> str:
    """What an output says of itself, or its few plain figures."""
    if "told" in output:
        return str(output["told"])
    plain = {k: v for k, v in output.items() if isinstance(v, (int, float)) and not isinstance(v, bool)}
    plain |= {k: v for k, v in output.get("metrics", {}).items() if k in ("ndcg@10", "router auc", "exposure")}
    text = ", ".join(f"{name} {value:.4g}" for name, value in plain.items())
    if "blessed" in output:
        text = "blessed" if output["blessed"] else "refused: " + "; ".join(output["reasons"])
    return text
