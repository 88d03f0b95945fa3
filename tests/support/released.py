"""Tiny releases, and processes that make, switch and read them: ``released.py LAKE VERB [ARGUMENT]``."""

from __future__ import annotations

import json
import select
import sys
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import numpy as np

from feature_groups.store import Settings, connect
from members import Weights, weights
from models.artefact import made_with
from models.model_steps import ModelSteps, Stage
from models.registry import Registry
from models.release import GroupUsed, Release

BLESSED = {"blessed": True, "reasons": [], "gates": []}
ROLES = ("router", "minors", "adults")


def registry(lake: Path) -> Registry:
    return Registry(connect(lake, settings=Settings(engine="polars")), "recommender")


def release(
    made: Registry, number: int, *, parent: str | None = None, blessed: bool = True, ratings: int | None = None
) -> Release:
    """A release whose members all say its number in their names, so that a mix can be seen."""
    members = {role: made.put(weights(number, f"{role} {number}")) for role in ROLES}
    router = members["router"].content
    return Release(
        members,
        trained_on={"minors": {"router": router}, "adults": {"router": router}},
        thresholds={"route": 0.1},
        groups=(GroupUsed("ratings_v1", "t1", number if ratings is None else ratings, "f" * 32),),
        made_with=made_with(),
        verdict=BLESSED if blessed else {"blessed": False, "reasons": ["ECE .03 > .02"], "gates": []},
        parent=parent,
    )


def names(made: Registry, chosen: Release) -> set[str]:
    """The numbers that the members of a release say."""
    members = made.members(chosen, [Weights])
    return {member.name.split()[1] for member in members.values() if isinstance(member, Weights)}


def read_until_told(made: Registry) -> None:
    """Read the champion until a line comes in; says how many reads there were, of how many releases, how many mixed."""
    reads, mixed, seen, last, backwards = 0, 0, set(), 0, 0
    while not select.select([sys.stdin], [], [], 0)[0]:
        state = made.state()
        backwards += state.number < last
        last = state.number
        assert state.champion is not None
        found = names(made, made.get(state.champion))
        seen |= found
        mixed += len(found) != 1
        reads += 1
    print(json.dumps({"reads": reads, "mixed": mixed, "releases": len(seen), "backwards": backwards}))


def release_as_step(made: Registry, flow_run: str) -> str:
    """The last step of a training of one flow run, which makes release 2 unless its record says that it is made."""

    def work() -> dict[str, Any]:
        return {"release": made.release(replace(release(made, 2), flow_run=flow_run))}

    steps = ModelSteps(made.metadata, "training/recommender")
    stage = Stage("release", (release,), {}, {}, work)
    step = steps.decide(stage)
    output = stage.work() if step.run else step.output
    if step.run:
        steps.record(step, output)
    return str(output["release"])


def run(lake: Path, verb: str) -> None:
    made = registry(lake)
    match verb:
        case "read":
            made.state()
            print("ready", flush=True)
            read_until_told(made)
        case "release":
            made.promote(made.release(release(made, 2, parent=made.state().champion)))
        case "step":
            print(release_as_step(made, sys.argv[3]))
        case "collect":
            made.collect(parents=0, younger=timedelta(0))
        case _:
            raise ValueError(verb)


if __name__ == "__main__":
    np.seterr(all="raise")
    run(Path(sys.argv[1]), sys.argv[2])
