"""Monitoring: what the champion says and sees beside its training, how good it turned out, what that asks for."""

from __future__ import annotations

import time
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from pathlib import Path

from prefect import flow

from feature_groups.store import connect
from feature_groups.store.connect import load_settings
from feature_groups.store.settings import EngineChoice
from models.film_monitoring import FilmMonitoring
from models.film_names import NAME
from models.monitoring_policy import MonitoringPolicy, asked_for
from models.monitoring_report import MonitoringReport, refused_line
from models.monitoring_windows import Span, alarm
from tasks.monitoring import judge_window, publish_monitoring, skip_windows, tell_quality

SHOWN = 12
"""Windows that the report shows."""


@dataclass(frozen=True)
class Monitored:
    """What became of a monitoring.

    Attributes:
        outcome: ``run``, or ``skipped`` where no window was to be judged.
        why: The reasons.
        windows: First instants of the windows judged now, as ISO text.
        alarms: Per window judged now what has moved twice running, by the window's first instant; only where some has.
        action: ``retrain``, or ``none``.
        reasons: Why.
        page: Path of the report.
        report: All that was found.
        seconds: Wall time.
    """

    outcome: str
    why: str
    windows: tuple[str, ...]
    alarms: dict[str, tuple[str, ...]]
    action: str
    reasons: tuple[str, ...]
    page: str
    report: MonitoringReport
    seconds: float


@flow(flow_run_name="monitoring of films")
def monitoring(
    lake: Path | None = None,
    engine: EngineChoice = "auto",
    at: datetime | None = None,
    window: Span = "day",
    policy: MonitoringPolicy | None = None,
) -> Monitored:
    """Judge the windows in which the champion said something new, then its quality, then what both ask for.

    Predictions come first, then the features they were made from. What was judged before is not judged again.

    Args:
        lake: Folder of the lake; by default the one in the settings.
        engine: Which engine reads: ``auto`` decides by size.
        at: The instant, aware; what is later is not looked at. By default just after the newest rating.
        window: How long a window is: ``day``, ``week`` or ``month``.
        policy: From when on drift and quality ask for a training.

    Raises:
        NothingServes: No release is champion.
        NotWatched: It has no profile of its training.
    """
    started = time.monotonic()
    store = connect(lake, settings=load_settings().model_copy(update={"engine": engine}))
    watched = FilmMonitoring.of(store, at, window, policy)
    limits, found = watched.policy, watched.log
    alarms = {}
    new = list(watched.windows())
    for asking in new:
        judge = partial(watched.judge, asking)
        start = asking.start.isoformat()
        alarms[start] = judge_window(judge, found, partial(alarm, limits), limits.running, start)
    why = f"{len(new)} windows to judge" if new else "the champion said nothing that was not judged before"
    if not new:
        skip_windows(why)
    quality = watched.quality()
    if quality is not None:
        tell_quality(found, quality)
    windows = found.newest(SHOWN)
    moved = alarm(limits, windows)
    deliveries = watched.deliveries()
    now = store.clock()
    asked = asked_for(
        limits,
        alarms=[f"{drift.name} ({drift.severity})" for drift in moved],
        quality=quality,
        refused=[refused_line(rate) for rate in deliveries if rate.newest_refused],
        last=found.asked(),
        now=now,
    )
    report = MonitoringReport(
        NAME, watched.release.id, watched.at, window, windows, moved, quality, watched.fresh(), deliveries, asked
    )
    page = publish_monitoring(report, store.lake / "monitoring")
    if asked.action == "retrain":
        found.ask(asked, now)
    return Monitored(
        outcome="run" if new else "skipped",
        why=why,
        windows=tuple(alarms),
        alarms={start: tuple(d.name for d in drifts) for start, drifts in alarms.items() if drifts},
        action=asked.action,
        reasons=asked.reasons,
        page=page,
        report=report,
        seconds=round(time.monotonic() - started, 2),
    )
