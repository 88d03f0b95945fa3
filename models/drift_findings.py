"""Which features of a window drifted: p-values corrected for how many features were looked at, severity by effect."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from typing import Any, Literal, Self

import numpy as np
import polars as pl
from scipy.stats import false_discovery_control

from models.drift_measures import STABILITY, measured
from models.drift_null import null
from models.drift_profile import FeatureProfile, Kind

Severity = Literal["none", "slight", "moderate", "severe"]
SEVERITIES: tuple[Severity, ...] = ("none", "slight", "moderate", "severe")
_FROM = (0.01, 0.1, 0.25)
"""Effects from which on a drift is slight, moderate, severe. Half a standard deviation is an effect of about 0.23."""

RATE = 0.05
"""Share of false ones that is accepted among the features that are said to have drifted."""

PREDICTIONS_RATE = 0.01
"""The same among scores and routes: these are few, and one is enough for an alarm."""


@dataclass(frozen=True)
class Finding:
    """What became of a feature in a window.

    Attributes:
        part: Of the profile, such as ``features``.
        name: Of the feature.
        kind: Number or category.
        rows: Of the window, missing values included.
        measures: By name: value, and what chance alone stays below 99 times of 100.
        p: How often chance alone makes any measure exceed its threshold as far.
        adjusted: The same, corrected for the number of features (Benjamini and Hochberg, 1995).
        effect: Population stability index beyond what chance alone makes of it at this size, from 0.
        missing: Share of missing values in training, and in the window.
        shares: Shares of each decile or category in training, and in the window.
        rate: Share of false ones that is accepted among those it was judged with.
        labels: Of the categories, or the upper ends of the deciles.
        unseen: Categories that training never had.
    """

    part: str
    name: str
    kind: Kind
    rows: int
    measures: Mapping[str, tuple[float, float]]
    p: float
    adjusted: float
    effect: float
    missing: tuple[float, float]
    shares: tuple[tuple[float, ...], tuple[float, ...]]
    rate: float
    labels: tuple[str, ...]
    unseen: tuple[str, ...] = ()

    @property
    def severity(self) -> Severity:
        """How far it drifted; ``none`` where chance alone explains it, or where it is too little to matter."""
        if self.adjusted > self.rate:
            return "none"
        # A share of missing values is an effect by itself, and so is a shift of a mean that few bins show.
        gone = abs(self.missing[1] - self.missing[0])
        return SEVERITIES[int(np.searchsorted(_FROM, max(self.effect, gone), side="right"))]

    @property
    def drifted(self) -> bool:
        """Whether it did."""
        return self.severity != "none"

    def to_json(self) -> dict[str, Any]:
        """As plain JSON."""
        return asdict(self)

    @classmethod
    def from_json(cls, stored: Mapping[str, Any]) -> Self:
        """Back from JSON."""
        plain: dict[str, Any] = {k: tuple(v) if isinstance(v, list) else v for k, v in stored.items()}
        shares = tuple(tuple(row) for row in stored["shares"])
        measures = {name: tuple(pair) for name, pair in stored["measures"].items()}
        return cls(**{**plain, "shares": shares, "measures": measures})


def judged(part: str, profile: Mapping[str, FeatureProfile], window: pl.DataFrame, rate: float = RATE) -> list[Finding]:
    """What became of every feature of a profile, the most severe first.

    Args:
        part: Names the profile in what is found.
        profile: Of training, see `profiled`.
        window: Rows with the profile's columns; others are passed over.
        rate: Share of false ones that is accepted among the features that are said to have drifted.

    Returns:
        None for a window without rows.
    """
    if window.is_empty():
        return []
    found = [_judged(part, feature, window[feature.name], rate) for feature in profile.values()]
    adjusted = false_discovery_control([f.p for f in found]) if found else []
    corrected = (_with(f, float(q)) for f, q in zip(found, adjusted, strict=True))
    return sorted(corrected, key=lambda f: (-SEVERITIES.index(f.severity), -f.effect, f.name))


def worst(findings: Iterable[Finding]) -> Severity:
    """The severity of the most severe one."""
    return max((f.severity for f in findings), key=SEVERITIES.index, default="none")


def _judged(part: str, feature: FeatureProfile, values: pl.Series, rate: float) -> Finding:
    seen = feature.seen(values)
    chance = null(feature, int(seen.counts.sum()), seen.missing)
    measures = measured(feature, seen)
    p = chance.p_value(measures)
    before = feature.missing / max(1, feature.rows + feature.missing)
    return Finding(
        part,
        feature.name,
        feature.kind,
        values.len(),
        {name: (value, chance.thresholds[name]) for name, value in measures.items()},
        p,
        p,
        max(0.0, measures[STABILITY] - chance.stability),
        (before, seen.missing / max(1, seen.rows)),
        (_coarse(feature, feature.counts), _coarse(feature, seen.counts)),
        rate,
        feature.labels or tuple(f"{edge:.4g}" for edge in feature.deciles),
        seen.unseen,
    )


def _coarse(feature: FeatureProfile, counts: Any) -> tuple[float, ...]:
    merged = np.bincount(feature.coarse, np.asarray(counts, dtype=np.float64)).astype(np.float64)
    return tuple((merged / max(1.0, merged.sum())).round(6).tolist())


def _with(finding: Finding, adjusted: float) -> Finding:
    return Finding(**{**vars(finding), "adjusted": adjusted})
