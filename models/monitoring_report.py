"""What a run of monitoring found: as text, in a notebook, and as a page of its own with pictures."""

from __future__ import annotations

import html
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from feature_groups.store.deliveries import DeliveryRate
from feature_groups.store.html_table import html_table
from models.drift_findings import Finding
from models.monitoring_health import Fresh
from models.monitoring_pictures import drift_pictures, quality_picture, trend_picture
from models.monitoring_policy import Asked, Quality
from models.monitoring_windows import Drifted, Span, Window, is_prediction, shown
from models.page import page
from models.report_text import markdown, markdown_table

Rows = list[list[str]]
_FACTS = ("what", "found")
_DRIFT = ("feature", "severity", "effect", "p, corrected", "farthest beyond chance", "missing")
_MOST = 12


@dataclass(frozen=True, repr=False)
class MonitoringReport:
    """Everything that a run found; prints as text.

    Attributes:
        registry: Name of the registry.
        release: Id of the champion.
        at: The instant, UTC.
        span: How long windows are.
        windows: Of the champion, ascending; the newest is the one that is judged here.
        alarms: What has moved in as many windows in a row as the policy wants.
        quality: Of the champion; None where nothing is known yet.
        fresh: Ages of the newest events.
        deliveries: What became of the newest deliveries.
        asked: What follows.
    """

    registry: str
    release: str
    at: datetime
    span: Span
    windows: Sequence[Window]
    alarms: Sequence[Drifted]
    quality: Quality | None
    fresh: Sequence[Fresh]
    deliveries: Sequence[DeliveryRate]
    asked: Asked

    def __repr__(self) -> str:
        facts = [f"{name:<11}  {value}" for name, value in self._facts()]
        drifted = [f"  {row[0]}: {row[1]}, effect {row[2]}" for row in self._drift() if row[1] != "none"]
        return "\n".join([f"Monitoring of {self.registry}", *facts, *drifted])

    def _repr_html_(self) -> str:
        return "".join(f"<h3>{html.escape(name)}</h3>{content}" for name, content in self._sections() if content)

    def page(self) -> str:
        """The report as a page of its own."""
        lead = f"<p>{html.escape(self.asked.action)}: {html.escape(self.asked.why)}</p>"
        return page(f"Monitoring of {self.registry}, {self.at:%Y-%m-%d %H:%M} UTC", lead, self._sections())

    def to_markdown(self) -> str:
        """The same in tables, without pictures."""
        parts = [f"# Monitoring of {markdown(self.registry)}", markdown_table(_FACTS, [list(f) for f in self._facts()])]
        if rows := self._drift():
            parts.append(markdown_table(_DRIFT, rows[:_MOST]))
        return "\n\n".join(parts)

    def _sections(self) -> list[tuple[str, str]]:
        findings = self.windows[-1].findings if self.windows else ()
        said, seen = ([f for f in findings if is_prediction(f) is wanted] for wanted in (True, False))
        return [
            ("Found", html_table(_FACTS, [list(fact) for fact in self._facts()])),
            ("What it says", html_table(_DRIFT, map(_row, said)) if said else ""),
            ("What it sees", _told(seen) if seen else ""),
            ("Pictures", drift_pictures(findings) + trend_picture(self.windows)),
            ("Quality", quality_picture(self.quality) if self.quality else "<p>Nothing is known of it yet.</p>"),
            ("Freshness", html_table(("group", "newest event", "age", "may be", "stale"), self._ages())),
            ("Deliveries", html_table(("group", "newest", "refused", "rows set aside"), self._delivered())),
        ]

    def _facts(self) -> list[tuple[str, str]]:
        newest = self.windows[-1] if self.windows else None
        quality = "nothing is known yet"
        if (q := self.quality) is not None:
            verdict = "too few users to judge" if not q.enough else "below its floor" if q.breached else "holds"
            quality = f"{q.metric} {q.value:.4f} ({q.low:.4f} to {q.high:.4f}), {q.users:,} users, floor {q.floor:.4f}"
            quality = f"{quality}: {verdict}"
        facts = [
            ("asks for", f"{self.asked.action}: {self.asked.why}"),
            ("release", self.release[:12]),
            ("window", f"{newest.start:%Y-%m-%d}, one {self.span}, {newest.rows:,} users" if newest else "none yet"),
            ("alarm", ", ".join(f"{d.name} ({d.severity})" for d in self.alarms) or "none"),
            ("quality", quality),
            ("freshness", "; ".join(f"{f.group} {'stale' if f.stale else 'fresh'}, {_age(f)}" for f in self.fresh)),
            ("deliveries", "; ".join(map(refused_line, self.deliveries)) or "none recorded"),
        ]
        if newest and newest.told:
            by = ", ".join(name for name, _ in newest.told.by)
            facts.append(("classifier", f"AUC {newest.told.auc:.3f} ({newest.told.severity}), by {by}"))
        return facts + ([("not seen", note) for note in newest.notes] if newest else [])

    def _drift(self) -> Rows:
        return [_row(finding) for finding in (self.windows[-1].findings if self.windows else ())]

    def _ages(self) -> Rows:
        return [
            [f.group, f"{f.newest:%Y-%m-%d %H:%M}" if f.newest else "none", _age(f), str(f.limit), str(f.stale).lower()]
            for f in self.fresh
        ]

    def _delivered(self) -> Rows:
        return [
            [d.group, str(d.deliveries), f"{d.refused} {d.code}".strip(), f"{d.rejected:,} of {d.received:,}"]
            for d in self.deliveries
        ]


def _row(finding: Finding) -> list[str]:
    beyond = {name: (value, chance) for name, (value, chance) in finding.measures.items() if abs(value) > chance}
    farthest = sorted(beyond, key=lambda name: -abs(beyond[name][0]) / beyond[name][1])[:2]
    named = [f"{name} {beyond[name][0]:.2g} (chance {beyond[name][1]:.2g})" for name in farthest]
    named += [f"new: {', '.join(finding.unseen)}"] if finding.unseen else []
    missing = " to ".join(f"{share:.1%}" for share in finding.missing)
    figures = f"{finding.effect:.3f}", f"{finding.adjusted:.4f}", "; ".join(named), missing
    return [shown(finding), finding.severity, *figures]


def _told(findings: Sequence[Finding]) -> str:
    """The features that moved, or that a measure says might have; the others by name."""
    rows = {shown(f): _row(f) for f in findings}
    moved = {name: row for name, row in rows.items() if row[1] != "none" or row[4]}
    rest = html.escape(", ".join(name for name in rows if name not in moved))
    table = html_table(_DRIFT, moved.values()) if moved else ""
    return table + (f"<p>{len(rows) - len(moved)} have not moved: {rest}.</p>" if rest else "")


def refused_line(rate: DeliveryRate) -> str:
    """What became of deliveries, in a few words."""
    if not rate.refused:
        return f"{rate.group} none of {rate.deliveries} refused"
    newest = ", the newest too" if rate.newest_refused else ""
    return f"{rate.group} {rate.refused} of {rate.deliveries} refused ({rate.code}){newest}"


def _age(fresh: Fresh) -> str:
    return "no event yet" if fresh.age is None else f"{fresh.age.total_seconds() / 86_400:.1f} days old"
