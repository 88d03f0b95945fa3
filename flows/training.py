"""Training: datasets, router, branches, evaluation, gates, release; each only where what it depends on has changed."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from prefect import flow
from prefect.runtime import flow_run

from feature_groups.store import FeatureStore, TrainingDataset, connect, stop_session
from feature_groups.store.connect import load_settings
from feature_groups.store.settings import EngineChoice
from feature_groups.views import age_gate, ranking
from models import film_card
from models.film_parameters import FilmParameters
from models.film_release import NAME
from models.film_training import FilmTraining
from models.model_steps import ModelSteps, Stage
from tasks.approval import ask_approval
from tasks.datasets import make_training_dataset
from tasks.model_steps import do_step, skip_step
from tasks.releases import Promotion, publish_release

TRAINING = f"training/{NAME}"
"""Under which name its steps are recorded."""

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Step:
    """What became of one step of the training.

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


@dataclass(frozen=True)
class Trained:
    """What became of a training.

    Attributes:
        steps: In their order.
        candidate: Id of the release that this training made, or made before.
        release: Id of the release that serves now, None when there is none.
        blessed: Whether this training's candidate passed its gates.
        reasons: Why it was refused.
        metrics: Of this training's candidate.
        card: The model card of this training's release.
    """

    steps: tuple[Step, ...]
    candidate: str
    release: str | None = None
    blessed: bool = False
    reasons: tuple[str, ...] = ()
    metrics: Mapping[str, float] = field(default_factory=dict)
    card: str = ""


@flow(flow_run_name="training of films")
def training(
    lake: Path | None = None,
    engine: EngineChoice = "auto",
    parameters: FilmParameters | None = None,
    promote: Promotion = "champion",
    approval: bool = False,  # noqa: FBT001  # a switch in the form that the dashboard makes of this
    approval_hours: float = 24,
) -> Trained:
    """Make the training datasets, fit the router out of fold and the branches on its routes, judge all, and release.

    What nothing has changed for is not done again; a candidate that fails a gate is kept with the reasons, and the
    champion goes on serving.

    Args:
        lake: Folder of the lake; by default the one in the settings.
        engine: Which engine computes: ``auto`` decides by size.
        parameters: What to train; by default what the declarations say.
        promote: What a blessed candidate becomes: ``champion``, ``challenger``, or ``none`` of them.
        approval: Whether a person must approve of a blessed candidate first; the run waits for the answer.
        approval_hours: How long it waits.

    Raises:
        NotApproved: Nobody answered in time.
    """
    store = connect(lake, settings=load_settings().model_copy(update={"engine": engine}))
    run = _Run(store)
    try:
        gate, films = run.dataset(age_gate.training), run.dataset(ranking.training)
    finally:
        stop_session()
    chosen = FilmTraining(store, gate, films, parameters or FilmParameters())
    run.gone = chosen.gone
    router = run.step(chosen.router())
    rankings = run.step(chosen.rankings())
    names = [branch.name for branch in chosen.cascade.branches]
    branches = {name: run.step(chosen.branch(name, router, rankings)) for name in names}
    champion = chosen.serves(router, branches)
    if champion is not None:
        return run.done(champion.id, champion.id, champion.metrics)
    if (withdrawn := chosen.withdrawn(router, branches)) is not None:
        serving = chosen.registry.champion()
        return run.done(withdrawn[0], serving.id if serving else None, {}, (withdrawn[1],))
    evaluation = run.step(chosen.evaluation(router, branches))
    made = run.step(chosen.release(router, branches, evaluation, str(flow_run.id or "")))
    reasons = tuple(made["reasons"])
    if approval and made["blessed"] and promote != "none":
        answer = ask_approval(chosen.registry, made, evaluation["metrics"], hours=approval_hours)
        promote, reasons = (promote, ()) if answer.promote else ("none", (answer.why,))
    cards = store.lake / "model_cards"
    card = publish_release(chosen.registry, made, film_card.TEXT, cards, promote=promote)
    serving = chosen.registry.champion()
    return run.done(made["release"], serving.id if serving else None, evaluation["metrics"], reasons, card)


class _Run:
    """One run of the flow: what became of each step so far."""

    def __init__(self, store: FeatureStore) -> None:
        self._store, self._steps = store, ModelSteps(store.metadata, TRAINING)
        self._told: list[Step] = []
        self.gone: Callable[[Mapping[str, Any]], list[str]] | None = None

    def dataset(self, plan: Any) -> TrainingDataset:
        """The training dataset of a view, made where its pins or its spine are new."""
        started = time.monotonic()
        made = make_training_dataset(self._store, plan)
        rows = ", ".join(f"{name} {count:,}" for name, count in made["parts"].items())
        told = f"number {made['number']}: {rows}"
        why = f"new pins or spine; {made['engine']}" if made["new"] else "same pins, spine and split"
        self._add(f"dataset {made['view']}", made["new"], why, told, started)
        return self._store.get_or_create_feature_view(plan.view).get_training_dataset(made["number"])

    def step(self, stage: Stage) -> dict[str, Any]:
        """Do a step, or take what it made before."""
        started = time.monotonic()
        step = self._steps.decide(stage, self.gone)
        if step.run:
            output = do_step(self._steps, step, stage)
        else:
            skip_step(step)
            output = dict(step.output)
        self._add(stage.name, step.run, step.why, _told(output), started)
        return output

    def done(
        self,
        candidate: str,
        serving: str | None,
        metrics: Mapping[str, float],
        reasons: tuple[str, ...] = (),
        card: str = "",
    ) -> Trained:
        """What the flow returns; a candidate was blessed unless there are reasons why not."""
        return Trained(tuple(self._told), candidate, serving, not reasons, reasons, dict(metrics), card)

    def _add(self, name: str, ran: bool, why: str, told: str, started: float) -> None:  # noqa: FBT001
        seconds = round(time.monotonic() - started, 2) if ran else 0.0
        self._told.append(Step(name, "run" if ran else "skipped", why, told, seconds))


def _told(output: Mapping[str, Any]) -> str:
    """The few plain figures of an output."""
    plain = {k: v for k, v in output.items() if isinstance(v, (int, float)) and not isinstance(v, bool)}
    plain |= {k: v for k, v in output.get("metrics", {}).items() if k in ("ndcg@10", "router auc", "exposure")}
    text = ", ".join(f"{name} {value:.4g}" for name, value in plain.items())
    if "blessed" in output:
        text = "blessed" if output["blessed"] else "refused: " + "; ".join(output["reasons"])
    return text
