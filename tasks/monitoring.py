"""Judge a window of what the champion said, and show and tell what monitoring found."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from pathlib import Path

from prefect import task
from prefect.artifacts import create_markdown_artifact, create_table_artifact
from prefect.cache_policies import NO_CACHE
from prefect.client.schemas.objects import State
from prefect.states import Completed

from models.monitoring_log import MonitoringLog
from models.monitoring_policy import Quality
from models.monitoring_report import MonitoringReport
from models.monitoring_windows import Drifted, Window
from models.page import write_page
from tasks.artifacts import artifact_key, publish_page
from tasks.events import FeatureDrifted, MetricBreached, emit
from tasks.retries import retried

log = logging.getLogger(__name__)

MOST_NAMED = 10
"""Features that an event names."""


@retried("window of {start}")
def judge_window(
    judge: Callable[[], Window],
    found: MonitoringLog,
    alarmed: Callable[[Sequence[Window]], Sequence[Drifted]],
    most: int,
    start: str,
) -> Sequence[Drifted]:
    """Judge a window, tell of an alarm, then record it: what is lost on the way is judged and told again.

    Args:
        judge: Does it.
        found: What was found before, and where it is recorded.
        alarmed: What has moved in so many of the newest windows in a row, the new one being the last.
        most: How many these are.
        start: Of the window, for the task's name.
    """
    window = judge()
    before = [earlier for earlier in found.until(window.start, most) if earlier.start < window.start]
    alarms = alarmed([*before, window])
    if alarms:
        what = tuple(drift.name for drift in alarms[:MOST_NAMED])
        drifted = FeatureDrifted(found.registry, found.release, window.start.isoformat(), what, alarms[0].severity)
        emit(drifted, found.metadata)
    found.put(window)
    log.info("window of %s: %d rows, %d drifted, alarm: %s", start, window.rows, len(window.drifted), bool(alarms))
    return alarms


@task(task_run_name="skip windows", cache_policy=NO_CACHE, persist_result=False)
def skip_windows(why: str) -> State[str]:
    """Show in the dashboard that there was no window to judge, and why."""
    return Completed(name="Skipped", message=why, data=why)


@retried("quality of {found.release:.12}")
def tell_quality(found: MonitoringLog, quality: Quality) -> None:
    """Tell who listens that a metric may be below its floor."""
    if quality.breached:
        figures = quality.value, quality.low, quality.high, quality.floor
        breached = MetricBreached(found.registry, found.release, quality.metric, quality.since.isoformat(), *figures)
        emit(breached, found.metadata)


@retried("monitoring report")
def publish_monitoring(report: MonitoringReport, folder: Path) -> str:
    """Write the page and show the tables; returns the page's path."""
    name = f"{report.release[:12]}-{report.span}-{report.at:%Y%m%dT%H%M%S}.html"
    path = write_page(folder / name, report.page())
    create_markdown_artifact(
        key=artifact_key("monitoring", report.registry), markdown=report.to_markdown(), description=report.asked.why
    )
    create_table_artifact(
        key=artifact_key("drift", report.registry),
        table=[
            {"window": f"{w.start:%Y-%m-%d}", "users": w.rows, "drifted": ", ".join(w.drifted) or "nothing"}
            for w in reversed(report.windows)
        ],
        description=f"The newest {len(report.windows)} windows, one {report.span} each.",
    )
    publish_page(artifact_key("monitoring-report", report.registry), path, "monitoring report")
    return str(path)
