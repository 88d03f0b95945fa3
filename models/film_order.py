"""The steps of the example's training and scoring by name, each after what it needs: one place that knows the order."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any

from feature_groups import ratings
from feature_groups.views import age_gate, ranking
from models.film_names import BRANCH, EVALUATION, OUTCOMES, PREDICTIONS, RANKINGS, RATED, RELEASE, VECTORS
from models.film_parameters import FilmParameters

Order = dict[str, tuple[str, ...]]
"""Steps in their order, and the names of what each needs: groups, training datasets by their views, other steps."""


def dataset_order() -> Order:
    """The training datasets, and the groups that each is made of."""
    return {
        plan.view.id: tuple(group.id for group in plan.view.groups) for plan in (age_gate.training, ranking.training)
    }


def training_order(parameters: FilmParameters) -> Order:
    """The steps that fit, judge and release; those that fit come before `JUDGING`."""
    gate, films = age_gate.v1.id, ranking.v1.id
    branches = [f"{BRANCH}{branch.name}" for branch in parameters.cascade().branches]
    fits: dict[str, tuple[str, ...]] = {RATED: (gate, films), "router": (gate, films), RANKINGS: (gate, films, RATED)}
    fits |= dict.fromkeys(branches, (gate, films, RATED, "router", RANKINGS))
    judged = tuple(fits)
    return fits | {VECTORS: (gate, films, RATED), EVALUATION: judged, RELEASE: (*judged, EVALUATION)}


def scoring_order() -> Order:
    """The steps that ask the champion, and judge what it said before."""
    view = age_gate.v1
    return {PREDICTIONS: (RELEASE, *(group.id for group in view.groups)), OUTCOMES: (PREDICTIONS, ratings.v1.id)}


def needed(order: Order, chosen: Collection[str]) -> list[str]:
    """The steps that are chosen, and all steps of the order that these need, in their order."""
    found: set[str] = set()
    for name in reversed(list(order)):
        if name in chosen or any(name in order[later] for later in found):
            found.add(name)
    return [name for name in order if name in found]


def branches_of(made: Mapping[str, Any]) -> dict[str, Any]:
    """What the steps that train a branch made, by the branch's name."""
    return {name.removeprefix(BRANCH): output for name, output in made.items() if name.startswith(BRANCH)}
