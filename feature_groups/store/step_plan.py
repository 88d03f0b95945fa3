"""What a run would do: each step with run or skip, and why, without doing any of it.

A step that needs what an earlier step makes anew cannot be decided yet: that one may make again what is there, and
then this one is skipped. It says so, with the reasons to run that stand already.
"""

from __future__ import annotations

import html
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Literal, overload

from feature_groups.store.errors import AlluviaError
from feature_groups.store.feature_group import FeatureGroup
from feature_groups.store.selection import Kind, Node
from feature_groups.store.steps import Steps

if TYPE_CHECKING:
    from feature_groups.store.feature_store import FeatureStore

Outcome = Literal["run", "skip", "depends", "fails", "blocked"]

MOVING = ("run", "depends")
"""Outcomes after which what a step makes may be other than it is."""

STOPPED = ("fails", "blocked")


@dataclass(frozen=True)
class PlannedStep:
    """One step of a plan.

    Attributes:
        name: As it is selected.
        kind: ``group``, ``dataset``, ``training`` or ``scoring``.
        outcome: ``run``, ``skip``; ``depends`` on what an earlier step makes; ``fails`` as things stand, or is
            ``blocked`` by one that does.
        reasons: Why, one line each.
    """

    name: str
    kind: Kind
    outcome: Outcome
    reasons: tuple[str, ...]

    @property
    def why(self) -> str:
        """The reasons in one line."""
        return "; ".join(self.reasons)


class Plan(Sequence[PlannedStep]):
    """Steps in the order in which they would be done; prints as a table."""

    def __init__(self, steps: Sequence[PlannedStep]) -> None:
        self._steps = tuple(steps)

    @overload
    def __getitem__(self, index: int) -> PlannedStep: ...
    @overload
    def __getitem__(self, index: slice) -> tuple[PlannedStep, ...]: ...
    def __getitem__(self, index: int | slice) -> PlannedStep | tuple[PlannedStep, ...]:
        return self._steps[index]

    def __len__(self) -> int:
        return len(self._steps)

    def step(self, name: str) -> PlannedStep:
        """The step of a name; raises KeyError where there is none."""
        return {step.name: step for step in self._steps}[name]

    @property
    def title(self) -> str:
        """How many steps of each outcome there are."""
        told = [step.outcome for step in self._steps]
        return f"Plan of {len(told)} steps: " + ", ".join(f"{told.count(o)} {o}" for o in dict.fromkeys(told))

    def __repr__(self) -> str:
        width = max((len(step.name) for step in self._steps), default=0)
        return "\n".join([self.title, *(f"{s.name:<{width}}  {s.outcome:<7}  {s.why}" for s in self._steps)])

    def _repr_html_(self) -> str:
        cells = ((step.name, step.kind, step.outcome, step.why) for step in self._steps)
        rows = "".join("<tr>" + "".join(f"<td>{html.escape(c)}</td>" for c in row) + "</tr>" for row in cells)
        head = "".join(f"<th>{name}</th>" for name in ("step", "kind", "outcome", "why"))
        return f"<p>{html.escape(self.title)}</p><table><tr>{head}</tr>{rows}</table>"


class Draft:
    """A plan while it is made, step by step in their order.

    Args:
        chosen: Names of the steps that the run would do; others are read as they stand.
    """

    def __init__(self, chosen: Sequence[str]) -> None:
        self.chosen = set(chosen)
        self.steps: list[PlannedStep] = []
        self._needs: dict[str, tuple[str, ...]] = {}

    def add(self, node: Node, decide: Callable[[tuple[str, ...]], tuple[bool, Sequence[str]]]) -> None:
        """Plan a step.

        Args:
            node: The step; left out when it is not chosen.
            decide: From the names of what is unsettled to whether the step runs whatever becomes of them, and why.
        """
        if node.name not in self.chosen:
            return
        if stopped := self._those(node, STOPPED):
            self._add(node, "blocked", (f"waits for {_listed(stopped)}",))
            return
        unsettled = self._those(node, MOVING)
        try:
            run, reasons = decide(unsettled)
        except AlluviaError as error:
            self._add(node, "fails", (f"{error.code} {error.title}: {error.what}".splitlines()[0],))
            return
        if run or not unsettled:
            self._add(node, "run" if run else "skip", tuple(reasons))
            return
        nearest = [name for name in unsettled if not any(name in self._needs[other] for other in unsettled)]
        waits = f"may run: waits for {_listed(nearest)} ({'its' if len(nearest) == 1 else 'their'} content may move)"
        self._add(node, "depends", (waits, *reasons))

    def _add(self, node: Node, outcome: Outcome, reasons: tuple[str, ...]) -> None:
        self.steps.append(PlannedStep(node.name, node.kind, outcome, reasons))
        self._needs[node.name] = node.upstream

    def _those(self, node: Node, outcomes: Sequence[str]) -> tuple[str, ...]:
        return tuple(step.name for step in self.steps if step.outcome in outcomes and step.name in node.upstream)


def _listed(names: Sequence[str]) -> str:
    return " and ".join([*([", ".join(names[:-1])] if names[1:] else []), names[-1]])


def draft_groups(draft: Draft, store: FeatureStore, groups: Sequence[FeatureGroup], data: Path | None) -> None:
    """Plan the steps that bring feature groups up to date.

    Args:
        draft: What is planned so far.
        store: The lake; opened with ``look_only=True`` nothing is written to it.
        groups: In dependency order; those that are not computed are passed over.
        data: Folder of the raw files.
    """
    steps = Steps(store, remember=True)

    def decided(group: FeatureGroup, unsettled: tuple[str, ...]) -> tuple[bool, Sequence[str]]:
        decision = steps.decide(group, data, unsettled)
        return decision.run, decision.reasons if decision.run or not unsettled else ()

    for group in groups:
        if group.source or group.parents:
            draft.add(Node.of(group), partial(decided, group))
