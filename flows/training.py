"""Training: datasets, router, branches, evaluation, gates, release; each only where what it depends on has changed."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

from prefect import flow
from prefect.runtime import flow_run

from feature_groups import movie_vectors
from feature_groups.store import connect, stop_session
from feature_groups.store.connect import load_settings
from feature_groups.store.settings import EngineChoice
from flows.walk import Step, Walk
from models import film_card
from models.film_names import EVALUATION, NAME, RELEASE, TRAINING, VECTORS
from models.film_order import needed, training_order
from models.film_parameters import FilmParameters
from models.film_pipeline import DATASETS, chosen
from models.film_training import FilmTraining
from models.registry import Registry
from tasks.approval import ask_approval
from tasks.artifacts import Progress
from tasks.model_steps import do_step, write_rows
from tasks.releases import Promotion, publish_release


@dataclass(frozen=True)
class Trained:
    """What became of a training.

    Attributes:
        steps: In their order.
        candidate: Id of the release that this training made, or made before; empty where it was not to make one.
        release: Id of the release that serves now, None when there is none.
        blessed: Whether this training's candidate passed its gates.
        reasons: Why it was refused.
        metrics: Of this training's candidate.
        card: The model card of this training's release.
    """

    steps: tuple[Step, ...]
    candidate: str = ""
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
    select: str = "",
    exclude: str = "",
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
        select: Which steps to do, see `feature_groups.store.selection`; all of them when empty. What they need besides
            is taken as it stands.
        exclude: Which steps to leave out.
        approval: Whether a person must approve of a blessed candidate first; the run waits for the answer.
        approval_hours: How long it waits.

    Raises:
        NoSuchStep: A selection names a step that is none.
        StepNotReady: A step that is not selected must be done before one that is.
        NotApproved: Nobody answered in time.
    """
    store = connect(lake, settings=load_settings().model_copy(update={"engine": engine}))
    asked = parameters or FilmParameters()
    steps = chosen(("dataset", "training"), select, exclude, parameters=asked)
    walk = Walk(store, TRAINING, steps, Progress(len(steps), "training", "Steps of the training done or not needed"))
    order = needed(training_order(asked), walk.chosen)
    try:
        datasets = [walk.dataset(plan) for plan in DATASETS if order or plan.view.id in walk.chosen]
    finally:
        stop_session()
    if not order:
        return _trained(walk, Registry(store, NAME))
    gate, films = datasets
    made = FilmTraining(store, gate, films, asked)
    writes = {VECTORS: partial(write_rows, group=store.get_or_create_feature_group(movie_vectors.v1))}
    try:
        for name in order:
            if name == EVALUATION and (settled := made.settled(walk.made)) is not None:
                reasons = (settled.why,) if settled.withdrawn else ()
                return _trained(walk, made.registry, settled.release, reasons, settled.metrics)
            walk.step(made.stage(name, walk.made, str(flow_run.id or "")), made.gone, writes.get(name, do_step))
    finally:
        stop_session()
    if RELEASE not in walk.chosen:
        return _trained(walk, made.registry)
    released, cards = walk.made[RELEASE], store.lake / "model_cards"
    metrics, reasons = walk.made[EVALUATION]["metrics"], tuple(released["reasons"])
    if approval and released["blessed"] and promote != "none":
        answer = ask_approval(made.registry, released, metrics, hours=approval_hours)
        promote, reasons = (promote, ()) if answer.promote else ("none", (answer.why,))
    card = publish_release(made.registry, released, film_card.TEXT, cards, promote=promote)
    return _trained(walk, made.registry, released["release"], reasons, metrics, card)


def _trained(
    walk: Walk,
    registry: Registry,
    candidate: str = "",
    reasons: tuple[str, ...] = (),
    metrics: Mapping[str, float] | None = None,
    card: str = "",
) -> Trained:
    """What the flow returns; a candidate was blessed unless there are reasons why not."""
    walk.end()
    champion = registry.champion()
    blessed = bool(candidate) and not reasons
    serving = champion.id if champion else None
    return Trained(tuple(walk.told), candidate, serving, blessed, reasons, dict(metrics or {}), card)
