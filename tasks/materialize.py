"""Bring one feature group up to date, or say why that is not needed."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from prefect import task
from prefect.cache_policies import NO_CACHE
from prefect.client.schemas.objects import State
from prefect.states import Completed

from feature_groups.store import AlluviaError, FeatureGroup, FeatureStore
from feature_groups.store.deliveries import refuse
from feature_groups.store.materialize import materialize as materialize_group
from feature_groups.store.steps import Decision, Steps
from tasks.artifacts import SHOWN, publish_failure, publish_receipt
from tasks.events import ContractFailed, FeatureGroupCommitted, emit, is_bad_data
from tasks.retries import retried


@retried("materialize {group}")
def materialize(store: FeatureStore, group: FeatureGroup, decision: Decision, data: Path | None) -> dict[str, Any]:
    """Read, check, transform and write one feature group, record the step, and tell who listens."""
    try:
        made = materialize_group(
            store,
            group,
            data=data,
            batch_key=decision.batch_key,
            reason=decision.why,
            previous_rows=decision.previous.get("source_rows"),
            anew=decision.anew,
            starting_point=decision.starting_point,
        )
    except AlluviaError as error:
        if is_bad_data(error):
            refuse(store.metadata, group.id, decision.batch_key, error)
            publish_failure(group.id, error)
            emit(ContractFailed(group.id, error.code, decision.batch_key))
        raise
    receipt = made.receipt
    Steps(store).record(group, decision, receipt, source_rows=made.source_rows)
    publish_receipt(receipt, store.get_or_create_feature_group(group).history(SHOWN))
    if receipt.committed:
        emit(FeatureGroupCommitted.of(receipt))
    plain: dict[str, Any] = json.loads(json.dumps(receipt.to_json() | {"statistics": None}))
    return plain


@task(task_run_name="skip {group}", cache_policy=NO_CACHE, persist_result=False)
def skip(group: FeatureGroup, why: str) -> State[str]:  # noqa: ARG001  # names the task run
    """Show in the dashboard that a step was not needed, and why."""
    return Completed(name="Skipped", message=why, data=why)
