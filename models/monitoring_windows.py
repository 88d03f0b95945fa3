"""Windows of event time, what was found in each, and what was found in several in a row: an alarm."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal, Self

import polars as pl

from models.drift_classifier import Told
from models.drift_findings import SEVERITIES, Finding, Severity
from models.monitoring_policy import MonitoringPolicy

Span = Literal["day", "week", "month"]
"""How long a window is; days begin at midnight UTC, weeks on Mondays."""

_EVERY = {"day": "1d", "week": "1w", "month": "1mo"}
TOGETHER = "all features together"
"""Under which name the domain classifier's finding goes."""


@dataclass(frozen=True)
class Drifted:
    """Something that has moved, for an alarm.

    Attributes:
        name: The feature, or ``score of known users``.
        severity: How far.
        prediction: Whether it is what the release says, and not what it sees.
    """

    name: str
    severity: Severity
    prediction: bool


@dataclass(frozen=True)
class Window:
    """What was found in a window.

    Attributes:
        start: Inclusive, UTC.
        end: Exclusive.
        rows: Users whom the release was asked about, each by its newest prediction.
        content: Digest of the predictions that were looked at.
        findings: Of scores and routes first, then of features; each the most severe first.
        told: What the domain classifier says; None where it could not be asked.
        notes: What could not be looked at, and why.
    """

    start: datetime
    end: datetime
    rows: int
    content: str
    findings: tuple[Finding, ...]
    told: Told | None = None
    notes: tuple[str, ...] = ()

    @property
    def drifted(self) -> dict[str, Drifted]:
        """What has moved, by name, predictions first."""
        found = [Drifted(shown(f), f.severity, is_prediction(f)) for f in self.findings if f.drifted]
        if self.told is not None and self.told.severity != "none":
            found.append(Drifted(TOGETHER, self.told.severity, False))
        return {drift.name: drift for drift in found}

    def to_json(self) -> dict[str, Any]:
        """As plain JSON."""
        return {
            "start": self.start.isoformat(),
            "end": self.end.isoformat(),
            "rows": self.rows,
            "content": self.content,
            "findings": [finding.to_json() for finding in self.findings],
            "told": self.told.to_json() if self.told else None,
            "notes": list(self.notes),
        }

    @classmethod
    def from_json(cls, stored: Mapping[str, Any]) -> Self:
        """Back from JSON."""
        return cls(
            datetime.fromisoformat(stored["start"]),
            datetime.fromisoformat(stored["end"]),
            stored["rows"],
            stored["content"],
            tuple(Finding.from_json(finding) for finding in stored["findings"]),
            Told.from_json(stored["told"]) if stored["told"] else None,
            tuple(stored["notes"]),
        )


FEATURES = "features"
"""The part of a profile that holds what a release sees; all others hold what it says."""


def is_prediction(finding: Finding) -> bool:
    """Whether it is about what the release says."""
    return finding.part != FEATURES


def shown(finding: Finding) -> str:
    """How it is called: a feature by its name, what is said with whom of."""
    return f"{finding.name} of {finding.part}" if is_prediction(finding) else finding.name


def window_of(instants: pl.Expr, span: Span) -> pl.Expr:
    """The first instant of each instant's window."""
    return instants.dt.truncate(_EVERY[span])


def end_of(start: datetime, span: Span) -> datetime:
    """The first instant behind a window."""
    end: datetime = pl.select(pl.lit(start, dtype=pl.Datetime("us", "UTC")).dt.offset_by(_EVERY[span])).item()
    return end


def alarm(policy: MonitoringPolicy, windows: Sequence[Window]) -> tuple[Drifted, ...]:
    """What has moved in each of the newest windows in a row, the most severe first, predictions before features.

    Args:
        policy: How many, and from which severity on.
        windows: Of one release, ascending; the last is the one to judge. Windows without predictions are no windows.

    Returns:
        Empty before there are as many windows as the policy wants.
    """
    newest = windows[-policy.running :]
    if len(newest) < policy.running:
        return ()
    counted = [
        {d.name: d for d in window.drifted.values() if policy.counts(d.severity, prediction=d.prediction)}
        for window in newest
    ]
    names = set.intersection(*(set(found) for found in counted))
    return most_severe_first(counted[-1][name] for name in names)


def most_severe_first(found: Iterable[Drifted]) -> tuple[Drifted, ...]:
    """Predictions before features, then by severity and name."""
    return tuple(sorted(found, key=lambda d: (not d.prediction, -SEVERITIES.index(d.severity), d.name)))
