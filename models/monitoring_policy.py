"""What monitoring asks for: declared limits, and the action that follows from what was found."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from models.drift_findings import SEVERITIES, Severity

Action = Literal["retrain", "none"]


class MonitoringPolicy(BaseModel):
    """From when on drift and quality ask for a training; validated, so that a dashboard can make a form of it."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    running: int = Field(default=2, ge=1, le=10, description="Windows in a row that must show a drift: an alarm.")
    predictions: Severity = Field(
        default="slight", description="Severity from which on a drift of scores or routes counts."
    )
    features: Severity = Field(default="moderate", description="Severity from which on a drift of a feature counts.")
    least_rows: int = Field(default=30, ge=1, description="Windows with fewer predictions are not judged.")
    floor: float | None = Field(
        default=None, ge=0, le=1, description="What the champion's NDCG must not fall below; else `floor_share` says."
    )
    floor_share: float = Field(
        # A month of outcomes holds fewer films to find than an evaluation, so the figure is lower by nature.
        default=0.25,
        ge=0,
        le=1,
        description="The floor as a share of the NDCG that the champion was released with.",
    )
    least_users: int = Field(default=30, ge=1, description="Users of whom something must be known to judge quality.")
    stale_after: timedelta = Field(
        default=timedelta(days=7), description="How old the newest event of a feature group may be."
    )
    cool_down: timedelta = Field(
        default=timedelta(hours=24), description="How long after asking for a training none is asked for again."
    )

    def counts(self, severity: Severity, *, prediction: bool) -> bool:
        """Whether a drift of this severity counts."""
        least = self.predictions if prediction else self.features
        return severity != "none" and SEVERITIES.index(severity) >= SEVERITIES.index(least)

    def plain(self) -> dict[str, Any]:
        """As plain values."""
        return self.model_dump(mode="json")


@dataclass(frozen=True)
class Quality:
    """How good the champion's newest predictions turned out to be.

    Attributes:
        metric: ``ndcg@10``.
        since: First instant of the predictions that are judged.
        until: Behind the last.
        value: Mean over the predictions after which something was liked.
        low: Lower end of its 95 % interval, by user.
        high: Upper end.
        judged: How many predictions that are.
        users: Of how many users.
        floor: What it must not fall below.
        enough: Whether these are users enough to judge.
    """

    metric: str
    since: datetime
    until: datetime
    value: float
    low: float
    high: float
    judged: int
    users: int
    floor: float
    enough: bool

    @property
    def breached(self) -> bool:
        """Whether it may be below its floor: the lower end of its interval is."""
        return self.enough and self.low < self.floor


@dataclass(frozen=True)
class Asked:
    """What follows from what was found.

    Attributes:
        action: ``retrain``, or ``none``: the champion goes on serving.
        reasons: Why, one line each.
    """

    action: Action
    reasons: tuple[str, ...]

    @property
    def why(self) -> str:
        """The reasons in one line."""
        return "; ".join(self.reasons)


def asked_for(
    policy: MonitoringPolicy,
    *,
    alarms: Sequence[str] = (),
    quality: Quality | None = None,
    refused: Sequence[str] = (),
    last: datetime | None = None,
    now: datetime | None = None,
) -> Asked:
    """Decide what to do.

    Args:
        policy: The limits.
        alarms: A line per drift that was there in as many windows in a row as the policy wants.
        quality: Of the champion.
        refused: A line per source of which deliveries were refused: no training helps against these.
        last: When a training was last asked for.
        now: The present; both aware.
    """
    wrong = [f"drift: {line}" for line in alarms]
    if quality is not None and quality.breached:
        interval = f"{quality.value:.4f} ({quality.low:.4f} to {quality.high:.4f})"
        wrong.append(f"{quality.metric} is {interval}, its lower bound is below the floor of {quality.floor:.4f}")
    kept = [f"contract: {line}; the champion goes on serving what it serves" for line in refused]
    if not wrong:
        return Asked("none", tuple(kept) or ("nothing asks for a training",))
    if last is not None and now is not None and now - last < policy.cool_down:
        until = (last + policy.cool_down).strftime("%Y-%m-%d %H:%M")
        return Asked("none", (*wrong, f"a training was asked for lately: none before {until} UTC", *kept))
    return Asked("retrain", (*wrong, *kept))
