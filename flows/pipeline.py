"""Pipeline: everything brought up to date in one run, from raw files to predictions."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from prefect import flow, tags
from prefect.client.schemas.objects import State
from prefect.settings import PREFECT_FLOWS_HEARTBEAT_FREQUENCY, temporary_settings
from prefect.states import Completed

from feature_groups.store import connect
from feature_groups.store.connect import session_kept
from feature_groups.store.outbox import Outbox
from feature_groups.store.settings import EngineChoice
from flows.monitoring import monitoring
from flows.refresh import refresh
from flows.scoring import scoring
from flows.training import training
from models.film_names import NAME
from models.film_parameters import FilmParameters
from models.film_reaction import WATCHED
from models.monitoring_windows import Span
from models.reaction import PIPELINE, handled
from models.registry import Registry
from tasks.events import PART
from tasks.releases import Promotion


@flow(flow_run_name="pipeline")
def pipeline(
    data: Path | None = None,
    lake: Path | None = None,
    engine: EngineChoice = "auto",
    train: bool = True,  # noqa: FBT001  # a switch in the form that the dashboard makes of this
    parameters: FilmParameters | None = None,
    promote: Promotion = "champion",
    approval: bool = False,  # noqa: FBT001  # likewise
    approval_hours: float = 24,
    window: Span = "day",
) -> State[Any]:
    """Refresh the feature groups, train, score everybody, and monitor what was said; then note what was handled.

    Each step that nothing has changed for is skipped, and a run in which all were is called Skipped. When the training
    is refused or stops, the champion still scores, and the run fails after that.

    Args:
        data: Folder of the raw files; by default the one in the settings.
        lake: Folder of the lake; by default the one in the settings.
        engine: Which engine computes: ``auto`` decides by size.
        train: Whether to train as well.
        parameters: What to train; by default what the declarations say.
        promote: What a blessed candidate becomes: ``champion``, ``challenger``, or ``none`` of them.
        approval: Whether a person must approve of a blessed candidate first; the run waits for the answer.
        approval_hours: How long it waits.
        window: How long a window is that is monitored: ``day``, ``week`` or ``month``.

    Raises:
        StepFailed: A feature group could not be refreshed; nothing was trained or scored.
    """
    store = connect(lake)
    versions, notices = Outbox(store, PIPELINE).newest(WATCHED)
    stopped: State[Any] | None = None
    # This run's sign of life is that of its process. Those of its parts would be waited for as each ends, for a second.
    one_heartbeat = temporary_settings({PREFECT_FLOWS_HEARTBEAT_FREQUENCY: None})
    with tags(PART), session_kept(), one_heartbeat:
        refreshed = refresh(data=data, lake=lake, engine=engine, parameters=parameters)
        ran = [done.group for done in refreshed if done.outcome == "run"]
        if train:
            asked = {"parameters": parameters, "promote": promote}
            gate = {"approval": approval, "approval_hours": approval_hours}
            trained: State[Any] = training(lake=lake, engine=engine, **asked, **gate, return_state=True)
            stopped = None if trained.is_completed() else trained
            ran += [] if stopped else [step.name for step in trained.result().steps if step.outcome == "run"]
        if Registry(store, NAME).champion() is not None:
            ran += ["scoring"] if scoring(lake=lake, engine=engine).outcome == "run" else []
            watched = monitoring(lake=lake, engine=engine, window=window)
            ran += ["monitoring"] if watched.outcome == "run" else []
    if stopped is not None:
        stopped.result()
    made = {done.group: done.version for done in refreshed if done.group in WATCHED and done.version is not None}
    handled(store, versions | made, notices, trained=train)
    told = f"did {', '.join(ran)}" if ran else "nothing new since the last run"
    return Completed(name=None if ran else "Skipped", message=told, data=told)
