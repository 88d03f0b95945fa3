"""Register everything on the server that is in use: work pool, limit for Spark, deployments, automations."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from prefect import get_client
from prefect.client.orchestration import SyncPrefectClient
from prefect.client.schemas.actions import WorkPoolCreate
from prefect.exceptions import ObjectNotFound

from deployments.automations import automations, register
from deployments.declared import declared, pool
from tasks.spark_limit import SPARK


def deploy(*, work_pool: str | None = None, alerts: str | None = None, spark: int = 1) -> Sequence[str]:
    """Register all deployments on a work pool; once more is the same.

    Args:
        work_pool: Its name; by default the one in `prefect.yaml`. One of type process is made when there is none.
        alerts: Notification block that alerts go through, as ``type/name``.
        spark: How many tasks that may start Spark run at once.

    Returns:
        The deployments, as ``flow/deployment``.

    Raises:
        InvalidSettings: There is no such notification block.
    """
    name = work_pool or pool()
    with get_client(sync_client=True) as client:
        wanted = automations(alerts)
        _ensure_pool(client, name)
        prepare(client, spark)
        made = []
        for deployment in declared():
            applied: Any = deployment.apply(work_pool_name=name)
            made.append(f"{deployment.flow_name}/{deployment.name}")
            assert applied
        register(client, wanted)
    return made


def prepare(client: SyncPrefectClient, spark: int) -> None:
    """Limit how many tasks that may start Spark run at once, on every worker together."""
    client.upsert_global_concurrency_limit_by_name(SPARK, spark)


def _ensure_pool(client: SyncPrefectClient, name: str) -> None:
    try:
        client.read_work_pool(name)
    except ObjectNotFound:
        client.create_work_pool(WorkPoolCreate(name=name, type="process"))
