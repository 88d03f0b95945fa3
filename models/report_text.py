"""Evaluation reports for people: as text, Markdown and HTML."""

from __future__ import annotations

import html
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

from feature_groups.store.html_table import html_table
from models.charts import bars, calibration, lines

if TYPE_CHECKING:
    from models.evaluation_report import EvaluationReport, Figure

Rows = Sequence[Sequence[str]]
_HEAD = ("metric", "of", "value", "95 % interval", "users")
_ALL = "all"


def report_text(report: EvaluationReport) -> str:
    """As aligned text."""
    table = [_HEAD, *_figures(report.figures)]
    widths = [max(len(row[i]) for row in table) for i in range(len(_HEAD))]
    shown = ["  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in table]
    facts = [f"{name}: {value}" for name, value in _facts(report)]
    return "\n".join([report.title, *shown, *facts])


def report_markdown(report: EvaluationReport) -> str:
    """As Markdown; names are shown as they are, whatever they hold."""
    facts = [f"- {markdown(name)}: {markdown(value)}" for name, value in _facts(report)]
    parts = [f"## {markdown(report.title)}", markdown_table(_HEAD, _figures(report.figures)), "\n".join(facts)]
    if report.curve:
        parts.append(markdown_table(_measured(report), _curve(report)))
    return "\n\n".join(part for part in parts if part)


def report_html(report: EvaluationReport) -> str:
    """As HTML with pictures; every text is escaped."""
    facts = "".join(f"<li>{html.escape(name)}: {html.escape(value)}</li>" for name, value in _facts(report))
    parts = [f"<h3>{html.escape(report.title)}</h3>", html_table(_HEAD, _figures(report.figures)), f"<ul>{facts}</ul>"]
    metrics = dict.fromkeys(f.metric for f in report.figures if f.segment != _ALL and not f.than)
    for metric in metrics:
        chosen = [f for f in report.figures if f.metric == metric and not f.than]
        parts.append(bars(f"{metric} by segment", [(f.segment, f.value, f.low, f.high) for f in chosen]))
    if report.calibration:
        points = [(b.predicted, b.observed, b.count) for b in report.calibration.bins]
        parts.append(calibration(f"calibration, ECE {report.calibration.ece:.4f}", points))
    if report.curve:
        names = _measured(report)
        parts.append(html_table(names, _curve(report)))
        series = {n: [(p[names[0]], p[n]) for p in report.curve if n in p] for n in names[1:]}
        parts.append(lines("what each threshold costs and spares", "threshold", series))
    return "".join(parts)


def markdown_table(head: Iterable[str], rows: Rows) -> str:
    """A table; what Markdown or HTML would read in a cell is escaped."""
    names = [markdown(name) for name in head]
    lines = ["| " + " | ".join(markdown(cell) for cell in row) + " |" for row in rows]
    return "\n".join(["| " + " | ".join(names) + " |", "|" + " --- |" * len(names), *lines])


def markdown(text: str) -> str:
    """A text on one line that Markdown shows as it is."""
    flat = html.escape(" ".join(text.split()), quote=False)
    return "".join(f"\\{c}" if c in "\\|`*_[]<>#!" else c for c in flat)


def _figures(figures: Iterable[Figure]) -> list[list[str]]:
    return [
        [
            f"{f.metric} less that of {f.than}" if f.than else f.metric,
            f.segment,
            f"{f.value:+.4f}" if f.than else f"{f.value:.4f}",
            f"{f.low:.4f} to {f.high:.4f}" if f.low is not None and f.high is not None else "",
            f"{f.users:,}" if f.users is not None else "",
        ]
        for f in figures
    ]


def _measured(report: EvaluationReport) -> list[str]:
    """The threshold, and what was measured at it, by name: JSON keeps no order."""
    return ["threshold", *sorted({name for point in report.curve for name in point} - {"threshold"})]


def _curve(report: EvaluationReport) -> list[list[str]]:
    names = _measured(report)
    return [[f"{point[name]:.4g}" if name in point else "" for name in names] for point in report.curve]


def _facts(report: EvaluationReport) -> list[tuple[str, str]]:
    found = [("protocol", report.protocol), ("window", report.window)]
    if report.calibration:
        found.append(("calibration", f"ECE {report.calibration.ece:.4f}, Brier {report.calibration.brier:.4f}"))
    if report.exposure is not None:
        found.append(("restricted items shown to whom they are restricted", f"{report.exposure:.1%}"))
    if report.regret is not None:
        found.append(("regret of routing by prediction", f"{report.regret.value:.4f} {report.regret.metric}"))
    return found
