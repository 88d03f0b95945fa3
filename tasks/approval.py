"""The human gate: a run waits until a person has seen the candidate beside the champion, and has decided."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Literal

from prefect.exceptions import FlowPauseTimeout
from prefect.flow_runs import pause_flow_run
from prefect.input import RunInput
from pydantic import Field

from models.errors import NotApproved
from models.registry import Registry

POLL = 5
"""Seconds between two looks for the answer."""

log = logging.getLogger(__name__)


class Approval(RunInput):
    """The form that is filled in."""

    decision: Literal["promote", "reject"] = Field(description="Whether the candidate becomes champion.")
    by: str = Field(min_length=1, description="Who decides.")
    reason: str = Field(default="", description="Why; kept with the release.")


@dataclass(frozen=True)
class Answer:
    """What a person said of a release.

    Attributes:
        promote: Whether it may serve.
        why: Who decided, when and why.
    """

    promote: bool
    why: str


def ask_approval(
    registry: Registry, made: Mapping[str, Any], metrics: Mapping[str, float], *, hours: float, poll: int = POLL
) -> Answer:
    """Pause the flow run until somebody has decided about a candidate; each release is asked about once.

    Args:
        registry: That holds the candidate.
        made: What came of the step that released it.
        metrics: Of the candidate.
        hours: How long to wait.
        poll: Seconds between two looks for the answer.

    Raises:
        NotApproved: Nobody answered in time; the next training asks again.
    """
    release = str(made["release"])
    path = f"{registry.root}/approvals/{release}.json"
    if (kept := registry.metadata.get(path)) is None:
        log.info("release %s waits for an approval in the dashboard", release[:12])
        form = Approval.with_initial_data(description=comparison(registry, release, metrics))
        try:
            given = pause_flow_run(form, timeout=int(hours * 3600), poll_interval=poll, key=f"approval-{release[:12]}")
        except FlowPauseTimeout:
            raise NotApproved(
                f"release {release[:12]} of {registry.where}",
                what=f"Nobody approved or rejected it within {hours:g} h.",
                state="was not promoted; it is kept",
                next_step="run the training again, which asks again, and answer at the run's page in the dashboard.",
            ) from None
        said = {"decision": given.decision, "by": given.by, "reason": given.reason}
        registry.metadata.put_if_absent(path, said | {"at": datetime.now(UTC).isoformat()})
        kept = registry.metadata.get(path) or {}
    word = "approved" if kept["decision"] == "promote" else "rejected"
    why = f"{word} by {kept['by']} at {kept['at'][:16]}: {kept['reason'] or 'no reason'}"
    return Answer(promote=kept["decision"] == "promote", why=why)


def comparison(registry: Registry, release: str, metrics: Mapping[str, float]) -> str:
    """The candidate beside the champion, as Markdown."""
    champion = registry.champion()
    before = champion.metrics if champion else {}
    lines = [
        f"Release `{release[:12]}` passed every gate. Is it to serve"
        + (f" in place of `{champion.id[:12]}`?" if champion else ", as the first one?"),
        "",
        "| metric | champion | candidate | change |",
        "|---|---:|---:|---:|",
    ]
    for name, value in sorted(metrics.items()):
        was = before.get(name)
        change = f"{value - was:+.4f}" if was is not None else ""
        lines.append(f"| {name} | {'' if was is None else f'{was:.4f}'} | {value:.4f} | {change} |")
    return "\n".join(lines)
