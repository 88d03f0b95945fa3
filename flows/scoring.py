"""Scoring: every user's films from the champion, written back as a feature group; earlier ones judged by what came."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from pathlib import Path
from typing import Any

from prefect import flow

from feature_groups import predictions
from feature_groups.store import connect, stop_session
from feature_groups.store.connect import load_settings
from feature_groups.store.settings import EngineChoice
from flows.walk import Step, Walk
from models.film_names import OUTCOMES, PREDICTIONS, SCORING
from models.film_outcomes import FilmOutcomes
from models.film_pipeline import chosen
from models.film_scoring import FilmScoring
from tasks.model_steps import write_rows
from tasks.scoring import write_outcomes


@dataclass(frozen=True)
class Scored:
    """What became of a scoring.

    Attributes:
        outcome: ``run`` or ``skipped``.
        why: The reasons.
        release: Id of the release that answered.
        asked_at: The instant, as ISO text.
        users: How many were asked about.
        routes: Per route ``route``, ``users`` and the mean ``score``.
        reasons: Users by what their route was chosen by.
        score: The mean of all, None where the router never could say.
        version: Of the group `predictions` that holds them.
        new: Predictions that this run added or changed.
        outcomes: Per release and route how good the predictions before the instant were, see
            `models.outcomes.quality`.
        seconds: Wall time.
        steps: That were chosen, in their order.
    """

    outcome: str
    why: str
    release: str
    asked_at: str
    users: int
    routes: Sequence[Mapping[str, Any]]
    reasons: Mapping[str, int]
    score: float | None
    version: int
    new: int
    outcomes: Sequence[Mapping[str, Any]]
    seconds: float
    steps: tuple[Step, ...] = ()


@flow(flow_run_name="scoring of films")
def scoring(
    lake: Path | None = None,
    engine: EngineChoice = "auto",
    at: datetime | None = None,
    users: Sequence[int] | None = None,
    select: str = "",
    exclude: str = "",
) -> Scored:
    """Ask the champion about everybody at an instant, log what it says, and judge the predictions before by outcomes.

    The same release, instant and feature versions again make no commit, and nothing runs.

    Args:
        lake: Folder of the lake; by default the one in the settings.
        engine: Which engine checks and writes: ``auto`` decides by size.
        at: The instant, aware; by default just after the newest rating.
        users: Whom to ask about, also such as never rated; by default everybody who had rated by then.
        select: Which steps to do, see `feature_groups.store.selection`; all of them when empty. What they need besides
            is taken as it stands.
        exclude: Which steps to leave out.

    Raises:
        NothingServes: No release is champion.
        NoSuchStep: A selection names a step that is none.
        StepNotReady: The predictions are not selected, and there are none by this release at this instant.
    """
    store, started = connect(lake, settings=load_settings().model_copy(update={"engine": engine})), time.monotonic()
    walk = Walk(store, SCORING, chosen(("scoring",), select, exclude))
    try:
        asked = FilmScoring.of(store, at, users)
        log = partial(write_rows, group=store.get_or_create_feature_group(predictions.v1))
        walk.step(asked.stage(), asked.lost, log)
        if OUTCOMES in walk.chosen:
            walk.step(FilmOutcomes.of(store, asked.asked_at).stage(), task=write_outcomes)
    finally:
        stop_session()
    return _scored(walk, round(time.monotonic() - started, 2))


def _scored(walk: Walk, seconds: float) -> Scored:
    """What the flow returns."""
    made, asked = walk.made[PREDICTIONS], {step.name: step for step in walk.told}.get(PREDICTIONS)
    told = {name: made[name] for name in ("release", "asked_at", "users", "routes", "reasons", "score")}
    ran = asked is not None and asked.outcome == "run"
    return Scored(
        outcome="run" if ran else "skipped",
        why=asked.why if asked else "taken as it stands",
        **told,
        version=made["receipt"]["version"],
        new=made["receipt"]["inserted"] + made["receipt"]["updated"] if ran else 0,
        outcomes=walk.made[OUTCOMES]["rows"] if OUTCOMES in walk.made else [],
        seconds=seconds,
        steps=tuple(walk.told),
    )
