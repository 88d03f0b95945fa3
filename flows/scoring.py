"""Scoring: every user's films from the champion, written back as a feature group; earlier ones judged by what came."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from prefect import flow

from feature_groups.store import FeatureStore, connect, stop_session
from feature_groups.store.connect import load_settings
from feature_groups.store.settings import EngineChoice
from models.film_outcomes import FilmOutcomes
from models.film_release import NAME
from models.film_scoring import FilmScoring
from models.model_steps import ModelSteps, Stage
from tasks.model_steps import skip_step
from tasks.scoring import write_outcomes, write_predictions


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


@flow(flow_run_name="scoring of films")
def scoring(
    lake: Path | None = None,
    engine: EngineChoice = "auto",
    at: datetime | None = None,
    users: Sequence[int] | None = None,
) -> Scored:
    """Ask the champion about everybody at an instant, log what it says, and judge the predictions before by outcomes.

    The same release, instant and feature versions again make no commit, and nothing runs.

    Args:
        lake: Folder of the lake; by default the one in the settings.
        engine: Which engine checks and writes: ``auto`` decides by size.
        at: The instant, aware; by default just after the newest rating.
        users: Whom to ask about, also such as never rated; by default everybody who had rated by then.

    Raises:
        NothingServes: No release is champion.
    """
    store = connect(lake, settings=load_settings().model_copy(update={"engine": engine}))
    run = _Run(store)
    try:
        asked = FilmScoring.of(store, at, users)
        made = run.step(asked.stage(), write_predictions, asked.lost)
        judged = run.step(FilmOutcomes.of(store, asked.asked_at).stage(), write_outcomes)
    finally:
        stop_session()
    return run.scored(made, judged)


class _Run:
    """One run of the flow: what its first step was, and when it began."""

    def __init__(self, store: FeatureStore) -> None:
        self._steps, self._started = ModelSteps(store.metadata, f"scoring/{NAME}"), time.monotonic()
        self._ran: list[tuple[bool, str]] = []

    def step(
        self,
        stage: Stage,
        task: Callable[..., dict[str, Any]],
        lost: Callable[[Mapping[str, Any]], Sequence[str]] | None = None,
    ) -> dict[str, Any]:
        """Do a step, or take what it made before."""
        step = self._steps.decide(stage, lost)
        self._ran.append((step.run, step.why))
        if step.run:
            return task(self._steps, step, stage)
        skip_step(step)
        return dict(step.output)

    def scored(self, made: Mapping[str, Any], judged: Mapping[str, Any]) -> Scored:
        """What the flow returns."""
        (ran, why), receipt = self._ran[0], made["receipt"]
        told = {name: made[name] for name in ("release", "asked_at", "users", "routes", "reasons", "score")}
        return Scored(
            outcome="run" if ran else "skipped",
            why=why,
            **told,
            version=receipt["version"],
            new=receipt["inserted"] + receipt["updated"] if ran else 0,
            outcomes=judged["rows"],
            seconds=round(time.monotonic() - self._started, 2),
        )
