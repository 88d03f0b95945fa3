"""Every step of the example by name: what it needs, and whether a run would do it, and why."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

from feature_groups.store import FeatureGroup, FeatureStore
from feature_groups.store.dataset_plan import DatasetPlan
from feature_groups.store.discovery import discover
from feature_groups.store.errors import did_you_mean
from feature_groups.store.selection import Kind, Node, select
from feature_groups.store.step_errors import NoSuchStep
from feature_groups.store.step_plan import Draft, Plan, draft_groups
from feature_groups.views import age_gate, ranking
from models.film_names import JUDGING, NAME, OUTCOMES, PREDICTIONS, SCORING, TRAINING
from models.film_order import Order, dataset_order, needed, scoring_order, training_order
from models.film_outcomes import FilmOutcomes
from models.film_parameters import FilmParameters
from models.film_scoring import FilmScoring
from models.film_training import FilmTraining
from models.model_steps import ModelSteps, Stage, not_ready
from models.registry import Registry

PACKAGE = "feature_groups"
"""Whose groups the example's views are made of."""

DATASETS: tuple[DatasetPlan, ...] = (age_gate.training, ranking.training)

Reasons = tuple[bool, Sequence[str]]


def nodes(package: str = PACKAGE, parameters: FilmParameters | None = None) -> list[Node]:
    """Every step, each after those that it needs.

    Args:
        package: Whose modules declare the groups; with another one than the example's there are only groups.
        parameters: Of the training.
    """
    groups = [Node.of(group) for group in discover(package) if group.source or group.parents]
    if package != PACKAGE:
        return groups
    tagged: list[tuple[str, Order]] = [
        ("dataset", dataset_order()),
        ("training", training_order(parameters or FilmParameters())),
        ("scoring", scoring_order()),
    ]
    more = [Node(name, kind, needs, {kind: ""}) for kind, order in tagged for name, needs in order.items()]  # type: ignore[arg-type]  # three of the kinds
    return [*groups, *more]


def node(name: str, kind: Kind | None = None) -> Node:
    """The one step of a name, with or without its version; of a kind where one is given.

    Raises:
        NoSuchStep: There is none.
    """
    there = [one for one in nodes() if kind in (None, one.kind)]
    found = [one for one in there if name in one.names]
    if len(found) != 1:
        known = dict.fromkeys(one.name for one in there)
        raise NoSuchStep(
            f"step {name[:80]!r}",
            what=f"No step has that name. {did_you_mean(name, known)}"
            if not found
            else "Several steps have that name.",
            state="was not found; nothing was done",
            next_step="give the name of one step; `alluvia plan` lists them.",
        )
    return found[0]


def declared_group(name: str) -> FeatureGroup:
    """The group that a step of this name makes.

    Raises:
        NoSuchStep: There is none.
    """
    wanted = node(name, "group").name
    return next(group for group in discover(PACKAGE) if group.id == wanted)


def chosen(
    kinds: Sequence[str], wanted: str, unwanted: str, package: str = PACKAGE, parameters: FilmParameters | None = None
) -> list[str]:
    """The names of the steps of some kinds that a selection chooses, see `feature_groups.store.selection`."""
    return [node.name for node in select(nodes(package, parameters), wanted, unwanted) if node.kind in kinds]


def plan(
    store: FeatureStore,
    data: Path | None = None,
    *,
    wanted: str = "",
    unwanted: str = "",
    package: str = PACKAGE,
    parameters: FilmParameters | None = None,
    on_work: Callable[[], None] | None = None,
) -> Plan:
    """What a run would do, and why; nothing of it is done.

    Args:
        store: The lake; opened with ``look_only=True`` nothing is written to it.
        data: Folder of the raw files.
        wanted: Steps that the run would do, see `feature_groups.store.selection`; all when empty.
        unwanted: Steps that it would leave out.
        package: Whose modules declare the groups.
        parameters: Of the training.
        on_work: Called once a feature group is known to run, before the rest is planned.

    Raises:
        NoSuchStep: A selection names a step that is none.
    """
    there = nodes(package, parameters)
    draft = Draft([node.name for node in select(there, wanted, unwanted)])
    draft_groups(draft, store, discover(package), data)
    if on_work and any(step.outcome == "run" for step in draft.steps):
        on_work()
    if package == PACKAGE:
        _Example(store, draft, {node.name: node for node in there}, parameters or FilmParameters()).plan()
    return Plan(draft.steps)


@dataclass
class _Example:
    """The plan of datasets, training and scoring, while it is made."""

    store: FeatureStore
    draft: Draft
    nodes: dict[str, Node]
    parameters: FilmParameters
    made: dict[str, Any] = field(default_factory=dict)

    def plan(self) -> None:
        for dataset in DATASETS:
            self.draft.add(self.nodes[dataset.view.id], partial(self._dataset, dataset))
        self._training()
        self._scoring()

    def _dataset(self, dataset: DatasetPlan, unsettled: Sequence[str]) -> Reasons:
        if not unsettled:
            decision = dataset.decide(self.store)
            return decision.run, decision.reasons
        first = dataset.newest(self.store) is None
        return first, ("first run",) if first else ()

    def _training(self) -> None:
        gate, films = (dataset.newest(self.store) for dataset in DATASETS)
        training = FilmTraining(self.store, gate, films, self.parameters) if gate and films else None
        steps, order = ModelSteps(self.store.metadata, TRAINING), training_order(self.parameters)
        missing: dict[str, str] = {}

        def stage(name: str) -> Stage | None:
            ready = training is not None and all(need in self.made for need in order[name] if need in order)
            return training.stage(name, self.made) if training is not None and ready else None

        def decided(name: str, unsettled: Sequence[str]) -> Reasons:
            if wanting := [need for need in order[name] if need in missing]:
                raise not_ready(wanting[0], missing[wanting[0]])
            declared, last = stage(name), steps.last(name)
            if last is not None:  # stands for what it will make, until that is known
                self.made[name] = last
            if unsettled or declared is None or training is None:
                return steps.standing(name, declared)
            if name in JUDGING and (settled := training.settled(self.made)) is not None:
                return False, (settled.why,)
            step = steps.decide(declared, training.gone)
            if not step.run:
                self.made[name] = dict(step.output)
            return step.run, step.reasons

        wanted = needed(order, self.draft.chosen)
        for dataset in DATASETS:
            if dataset.view.id not in self.draft.chosen and dataset.newest(self.store) is None:
                missing[dataset.view.id] = "it was never made"
        for name in order:
            if name in self.draft.chosen:
                self.draft.add(self.nodes[name], partial(decided, name))
            elif name in wanted and (declared := stage(name)) is not None:
                step = steps.decide(declared, training.gone if training else None)
                if step.run:
                    missing[name] = step.why
                else:
                    self.made[name] = dict(step.output)
            elif name in wanted:
                missing[name] = "it was never done"

    def _scoring(self) -> None:
        steps = ModelSteps(self.store.metadata, SCORING)

        def predictions(unsettled: Sequence[str]) -> Reasons:
            if unsettled and Registry(self.store, NAME).champion() is None:
                return False, ()
            asked = FilmScoring.of(self.store)
            if unsettled:
                return steps.standing(PREDICTIONS, asked.stage())
            step = steps.decide(asked.stage(), asked.lost)
            return step.run, step.reasons

        def outcomes(unsettled: Sequence[str]) -> Reasons:
            if unsettled and steps.last(OUTCOMES) is None:
                return False, ()
            judged = FilmOutcomes.of(self.store, age_gate.now(self.store)).stage()
            if unsettled:
                return steps.standing(OUTCOMES, judged)
            step = steps.decide(judged)
            return step.run, step.reasons

        self.draft.add(self.nodes[PREDICTIONS], predictions)
        self.draft.add(self.nodes[OUTCOMES], outcomes)
