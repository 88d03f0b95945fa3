"""Make the rows of one period of a feature group, or say that they are there."""

from __future__ import annotations

from prefect import task
from prefect.cache_policies import NO_CACHE
from prefect.client.schemas.objects import State
from prefect.states import Completed

from feature_groups.store import Receipt
from feature_groups.store.backfill import Backfill, Period
from tasks.events import FeatureGroupCommitted, emit
from tasks.retries import retried


@retried("backfill {backfill.group} {period.name}")
def fill_period(backfill: Backfill, period: Period) -> Receipt:
    """Replace the period's rows in one commit at most, record it, and tell who listens."""
    receipt = backfill.fill(period)
    if receipt.committed:
        emit(FeatureGroupCommitted.of(receipt))
    return receipt


@task(task_run_name="skip {period.name}", cache_policy=NO_CACHE, persist_result=False)
def skip_period(period: Period) -> State[str]:
    """Show in the dashboard that a period was not needed, and why."""
    return Completed(name="Skipped", message=period.why, data=period.why)
