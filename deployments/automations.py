"""Automations beside those of the deployments: runs that died are told from runs that work, and somebody is told."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import timedelta
from typing import Any

from prefect.automations import Automation
from prefect.blocks.core import Block
from prefect.client.orchestration import SyncPrefectClient
from prefect.client.schemas.objects import StateType
from prefect.events.actions import ChangeFlowRunState, SendNotification
from prefect.events.schemas.automations import EventTrigger, Posture

from deployments.serve import HEARTBEAT_SECONDS
from feature_groups.store.digest import digest
from feature_groups.store.errors import InvalidSettings

HEARTBEAT = timedelta(seconds=HEARTBEAT_SECONDS)
"""How often a run of our deployments says that it lives: PREFECT_FLOWS_HEARTBEAT_FREQUENCY in `prefect.yaml`."""

_RUNS: dict[str, str | list[str]] = {"prefect.resource.id": "prefect.flow-run.*"}
_OURS: dict[str, str | list[str]] = {"prefect.resource.id": "prefect.tag.alluvia", "prefect.resource.role": "tag"}
_SILENT = "No sign of life for three heartbeats."
_STATES = ("Completed", "Skipped", "Failed", "Cancelled", "Crashed", "TimedOut", "Paused", "Suspended")
_NO_MORE_BEATS = {f"prefect.flow-run.{state}" for state in _STATES}
_BAD_NEWS = ("contract.failed", "feature.drifted", "freshness.missed", "metric.breached")


def automations(alerts: str | None) -> list[Automation]:
    """The automations to be.

    Args:
        alerts: Notification block that alerts go through, as ``type/name``; None for no alerts.

    Raises:
        InvalidSettings: The server has no such block, or it cannot notify.
    """
    found = [_zombies()]
    if alerts is not None:
        block = _notifier(alerts)
        found += [_runs_that_ended_badly(block), _bad_news(block)]
    return found


def register(client: SyncPrefectClient, wanted: Iterable[Automation]) -> None:
    """Make the automations, in place of those of the same names; one that is there just so is left alone.

    What an automation waits for it has in memory of its own, which is lost when it is made anew: a run that died while
    nothing served would then never be missed.
    """
    known = client.request("POST", "/automations/filter", json={}).json()
    for automation in wanted:
        automation.description = f"{automation.description} ({_digest(automation)})".strip()
        same = [found for found in known if found["name"] == automation.name]
        if [found["description"] for found in same] == [automation.description]:
            continue
        for found in same:
            client.request("DELETE", "/automations/{id}", path_params={"id": found["id"]})
        automation.create()


def _digest(automation: Automation) -> str:
    """Tells one automation from another of the same name."""
    return digest(_sorted(automation.model_dump(mode="json", exclude={"id"})))[:12]


def _sorted(value: Any) -> Any:
    """Sets become lists in no order: in one order then."""
    if isinstance(value, dict):
        return {key: _sorted(found) for key, found in value.items()}
    if isinstance(value, list):
        return sorted(map(_sorted, value), key=str)
    return value


def _zombies() -> Automation:
    """A run that says nothing for three heartbeats died with its worker: without this it would run for ever.

    What ran within it has no heartbeat of its own; the reconciler, which the end of the run starts, ends that too.
    """
    beat = "prefect.flow-run.heartbeat"
    return Automation(
        name="alluvia - runs that died silently are crashed",
        trigger=EventTrigger(
            after={beat},
            expect={beat} | _NO_MORE_BEATS,
            match=_RUNS,
            match_related=_OURS,
            for_each={"prefect.resource.id"},
            posture=Posture.Proactive,
            threshold=1,
            within=3 * HEARTBEAT,
        ),
        actions=[ChangeFlowRunState(name=None, state=StateType.CRASHED, force=False, message=_SILENT)],
    )


def _runs_that_ended_badly(block: Block) -> Automation:
    return Automation(
        name="alluvia - a run failed or crashed",
        trigger=EventTrigger(
            expect={"prefect.flow-run.Failed", "prefect.flow-run.Crashed", "prefect.flow-run.TimedOut"},
            match=_RUNS,
            match_related=_OURS,
            for_each={"prefect.resource.id"},
            posture=Posture.Reactive,
            threshold=1,
        ),
        actions=[
            _notify(
                block,
                "{{ flow.name }} run {{ flow_run.name }} is {{ flow_run.state.name }}",
                "{{ flow_run.state.message }}\n{{ flow_run|ui_url }}",
            )
        ],
    )


def _bad_news(block: Block) -> Automation:
    return Automation(
        name="alluvia - bad news of data or models",
        trigger=EventTrigger(
            expect=set(_BAD_NEWS),
            match={"prefect.resource.id": "alluvia.*"},
            for_each={"prefect.resource.id"},
            posture=Posture.Reactive,
            threshold=1,
        ),
        actions=[_notify(block, "{{ event.event }}: {{ event.resource.name }}", "{{ event.payload }}")],
    )


def _notify(block: Block, subject: str, body: str) -> SendNotification:
    assert block._block_document_id is not None
    return SendNotification(block_document_id=block._block_document_id, subject=subject, body=body)


def _notifier(name: str) -> Block:
    try:
        block: Block = Block.load(name)  # type: ignore[assignment]  # without a running loop it is no coroutine
    except ValueError as error:
        raise _no_block(name, str(error).splitlines()[0]) from None
    if "notify" not in type(block).get_block_capabilities():
        raise _no_block(name, "It cannot notify.")
    return block


def _no_block(name: str, what: str) -> InvalidSettings:
    return InvalidSettings(
        f"notification block {name!r}",
        what=what,
        state="was not used; nothing was registered",
        next_step="make one in the dashboard under Blocks, and name it as type/name, e.g. slack-webhook/alerts.",
    )
