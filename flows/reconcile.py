"""Reconcile: whatever happened, and whether it was heard of or not, is told again and reacted to once."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

from prefect import flow
from prefect.client.schemas.objects import State
from prefect.states import Completed

from feature_groups.store import connect
from feature_groups.store.connect import load_settings
from models.film_reaction import film_reaction
from tasks.reactions import notice_overdue, start_once, tell_again


@flow(flow_run_name="reconcile after {because}")
def reconcile(
    because: str = "some time",  # noqa: ARG001  # names the run
    data: Path | None = None,
    lake: Path | None = None,
    cool_down_hours: float = 24,
    new_rows_percent: float = 0,
    deployment: str = "pipeline/alluvia",
    package: str = "feature_groups",
) -> State[str]:
    """Send again the events that were lost, then start the pipeline once for whatever is new.

    An event, a schedule and a person start this alike: it looks at the lake and not at what woke it. So several
    triggers at once make one run of the pipeline, and the others find nothing new.

    Args:
        because: What woke it; for the dashboard.
        data: Folder of the raw files; by default the one in the settings.
        lake: Folder of the lake; by default the one in the settings.
        cool_down_hours: Least time between two trainings that new data or an alarm call for.
        new_rows_percent: How many new rows call for a training by themselves, in percent of those of the group that
            the last training saw; with 0 any do.
        deployment: Which deployment of the pipeline to start, as ``flow/deployment``.
        package: Package whose modules declare the groups.
    """
    store = connect(lake)
    late, told = notice_overdue(store), tell_again(store)
    found = film_reaction(
        store,
        data or load_settings().data,
        cool_down=timedelta(hours=cool_down_hours),
        new_rows=new_rows_percent / 100,
        package=package,
    )
    said = "".join([f"{late} overdue; " if late else "", f"{told} events sent again; " if told else ""])
    if not found.run:
        return Completed(name="Skipped", message=said + found.why, data=said + found.why)
    given = {"train": found.train} | {k: str(v) for k, v in (("data", data), ("lake", lake)) if v is not None}
    started = start_once(deployment, found, given)
    became = f"{said}{started.told} (because: {found.why})"
    return Completed(name=None if started.run else "Skipped", message=became, data=became)
