"""Backfill: a derived group again, period by period of event time, where periods are missing."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from prefect import flow

from feature_groups.store import connect, stop_session
from feature_groups.store.backfill import Backfill, By
from feature_groups.store.connect import load_settings
from feature_groups.store.settings import EngineChoice
from feature_groups.store.spool import spools_cleared
from models.film_pipeline import declared_group
from tasks.backfill import fill_period, skip_period


@dataclass(frozen=True)
class Filled:
    """What became of one period.

    Attributes:
        period: ``2001``, ``2001-03`` or ``2001-03-31``, in UTC.
        outcome: ``run`` or ``skipped``.
        why: The reasons.
        rows: Rows made.
        new: Rows inserted.
        changed: Rows updated or deleted.
        version: Of the table after it; None where it was skipped.
    """

    period: str
    outcome: str
    why: str
    rows: int = 0
    new: int = 0
    changed: int = 0
    version: int | None = None


@flow(flow_run_name="backfill of {group}")
def backfill(
    group: str,
    start: datetime,
    end: datetime,
    by: By = "month",
    again: bool = False,  # noqa: FBT001  # a form's box to tick
    lake: Path | None = None,
    engine: EngineChoice = "auto",
) -> list[Filled]:
    """Make a derived group's rows of the periods that are missing between two instants, one commit for each.

    Args:
        group: Name of the group.
        start: First instant, aware; inclusive.
        end: Exclusive. Calendar periods (UTC) that overlap the span are made whole.
        by: How long a period is.
        again: Make also periods that are there.
        lake: Folder of the lake; by default the one in the settings.
        engine: Which engine computes: ``auto`` decides by size.

    Raises:
        NoSuchStep: There is no such group.
        CannotBackfill: It cannot be made in parts, or the span is none.
    """
    store = connect(lake, settings=load_settings().model_copy(update={"engine": engine}))
    try:
        with spools_cleared():
            work = Backfill(store, declared_group(group), start, end, by, again=again)
            if work.missing:
                work.compute()
            done = []
            for period in work.periods:
                if not period.missing:
                    skip_period(period)
                    done.append(Filled(period.name, "skipped", period.why))
                    continue
                made = fill_period(work, period)
                numbers = (made.received, made.inserted, made.updated + made.deleted, made.version)
                done.append(Filled(period.name, "run", period.why, *numbers))
            return done
    finally:
        stop_session()
