"""The flows one after the other: what the later ones do when an earlier one is stopped."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from deployments.pipeline import Ran, Request, after_refresh
from feature_groups.store import connect
from flows.scoring import Scored
from flows.training import Trained
from models.errors import NothingServes, NothingToTellApart
from models.film_names import NAME
from models.registry import Registry
from released import release

BOTH = ("training", "scoring")
DONE = Trained((), "", None)
STOP = NothingToTellApart("the router", what="One class.", state="was not fitted", next_step="give two.")
UNSERVED = NothingServes("x", what="y.", state="z", next_step="w.")


def ended(lake: Path, outcomes: dict[str, Any], wanted: Sequence[str] = BOTH) -> tuple[Ran, list[str]]:
    """What becomes of a run whose flows end so, and which of them were begun."""
    begun, ran = [], Ran()

    def flow(name: str) -> Any:
        def begin(**given: Any) -> Any:
            assert given["lake"] == lake
            begun.append(name)
            if isinstance(outcomes[name], Exception):
                raise outcomes[name]
            return outcomes[name]

        return begin

    after_refresh(ran, wanted, Request(lake=lake), {name: flow(name) for name in BOTH})
    return ran, begun


def scored() -> Scored:
    return Scored("run", "first run", "r", "2001-01-01", 0, (), {}, None, 1, 0, (), 0.0)


@pytest.fixture
def serving(lake: Path) -> Path:
    registry = Registry(connect(lake), NAME)
    registry.promote(registry.release(release(registry, 1)))
    return lake


def test_where_nothing_can_be_trained_the_champion_scores_everybody_all_the_same(serving: Path) -> None:
    ran, begun = ended(serving, {"training": STOP, "scoring": scored()})

    assert begun == ["training", "scoring"]
    assert (ran.trained, ran.scored, ran.errors) == (None, scored(), [str(STOP)])


@pytest.mark.parametrize("became", [STOP, DONE], ids=["stopped", "refused"])
def test_without_a_champion_nobody_is_scored_and_nothing_is_said_of_it(lake: Path, became: object) -> None:
    ran, begun = ended(lake, {"training": became, "scoring": UNSERVED})

    assert begun == ["training"]
    assert ran.errors == ([str(STOP)] if became is STOP else [])


def test_what_stops_the_scoring_does_not_hide_the_training(serving: Path) -> None:
    ran, _ = ended(serving, {"training": DONE, "scoring": UNSERVED})
    assert (ran.trained, ran.scored, ran.errors) == (DONE, None, [str(UNSERVED)])


def test_who_only_asks_for_the_scoring_is_told_that_nothing_serves(lake: Path) -> None:
    ran, begun = ended(lake, {"scoring": UNSERVED}, ["scoring"])
    assert (begun, ran.errors) == (["scoring"], [str(UNSERVED)])
