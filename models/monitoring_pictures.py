"""Pictures of what monitoring found."""

from __future__ import annotations

from collections.abc import Sequence

from models.charts import bars, lines
from models.drift_findings import Finding
from models.monitoring_policy import Quality
from models.monitoring_windows import Window, shown

_MOST = 5


def drift_pictures(findings: Sequence[Finding]) -> str:
    """How far the features moved that moved most, and where the first few of them went."""
    if not findings:
        return ""
    moved = [f for f in findings if f.drifted]
    farthest = sorted(findings, key=lambda f: -f.effect)[: 2 * _MOST]
    drawn = [bars("effect of drift: PSI beyond chance", [(shown(f), f.effect, None, None) for f in farthest])]
    return "".join([*drawn, *map(_shares, moved[:_MOST])])


def trend_picture(windows: Sequence[Window]) -> str:
    """Effects over the windows, of what moved most in the newest one."""
    if len(windows) < 2:
        return ""
    names = [shown(f) for f in sorted(windows[-1].findings, key=lambda f: -f.effect)[:_MOST]]
    effects = [{shown(f): f.effect for f in window.findings} for window in windows]
    series = {n: [(float(i), e[n]) for i, e in enumerate(effects, 1 - len(windows)) if n in e] for n in names}
    return lines("effect of drift over time", "windows ago", series)


def quality_picture(quality: Quality) -> str:
    """What the champion's recommendations turned out to be worth, beside its floor."""
    rows = [(quality.metric, quality.value, quality.low, quality.high), ("floor", quality.floor, None, None)]
    return bars(f"{quality.metric} of {quality.judged:,} predictions since {quality.since:%Y-%m-%d}", rows)


def _shares(finding: Finding) -> str:
    before, after = finding.shares
    if finding.kind == "category":
        named = sorted(zip(finding.labels, before, after, strict=True), key=lambda row: -max(row[1:]))[: 2 * _MOST]
        rows = [
            (f"{label} ({when})", share, None, None)
            for label, *both in named
            for when, share in zip(("training", "now"), both, strict=True)
        ]
        return bars(f"{shown(finding)}: shares", rows)
    places = [(i + 0.5) / len(before) for i in range(len(before))]
    series = {"training": list(zip(places, before, strict=True)), "now": list(zip(places, after, strict=True))}
    return lines(f"{shown(finding)}: shares of the deciles of training", "decile of training", series)
