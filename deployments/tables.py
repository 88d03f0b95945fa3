"""What `make run` shows when it has ended."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

from rich.box import SIMPLE
from rich.table import Table
from rich.text import Text

if TYPE_CHECKING:
    from deployments.pipeline import Ran
    from flows.refresh import Refreshed
    from flows.scoring import Scored
    from flows.training import Trained

_STYLES = {"run": "green", "skipped": "dim", "failed": "bold red", "blocked": "yellow"}


def shown(ran: Ran, data: Path | None) -> list[Table | Text]:
    """What became of every step that a run reached."""
    parts: list[Table | Text] = []
    if ran.refreshed:
        parts.append(refresh_table(ran.refreshed, data))
    elif ran.refreshed is not None:
        parts.append(Text("Nothing to refresh: these feature groups get their rows by insert, not from files."))
    if ran.trained is not None:
        parts.append(training_table(ran.trained))
        parts += [Text(candidate_lines(ran.trained))] if ran.trained.candidate else []
    if ran.scored is not None:
        parts += [scoring_table(ran.scored), Text(scoring_lines(ran.scored))]
        parts += [outcomes_table(ran.scored)] if ran.scored.outcomes else []
    return parts


def refresh_table(done: Sequence[Refreshed], data: Path | None) -> Table:
    """What became of each feature group."""
    table = Table(title=f"Feature groups from {data or '.'}", title_justify="left", box=SIMPLE, collapse_padding=True)
    table.add_column("group", no_wrap=True)
    for name in ("version", "rows", "new", "changed", "rejected", "seconds"):
        table.add_column(name, justify="right", no_wrap=True)
    table.add_column("run or skipped, and why", min_width=30, overflow="fold")
    for d in done:
        numbers = (f"{d.rows:,}", f"{d.new:,}", f"{d.changed:,}", f"{d.rejected:,}", f"{d.seconds:.1f}")
        version = "-" if d.version is None else str(d.version)
        table.add_row(d.group, version, *numbers, f"{d.outcome}: {d.why}", style=_STYLES[d.outcome])
    return table


def training_table(trained: Trained) -> Table:
    """What became of each step of the training."""
    table = Table(title="Training", title_justify="left", box=SIMPLE, collapse_padding=True)
    table.add_column("step", no_wrap=True)
    table.add_column("what came of it", min_width=30, overflow="fold")
    table.add_column("seconds", justify="right", no_wrap=True)
    table.add_column("run or skipped, and why", min_width=30, overflow="fold")
    for step in trained.steps:
        why = f"{step.outcome}: {step.why}"
        table.add_row(step.name, step.told, f"{step.seconds:.1f}", why, style=_STYLES[step.outcome])
    return table


def candidate_lines(trained: Trained) -> str:
    """How good the candidate is, whether it serves, and where its card is."""
    figures = ("router auc", "ece", "ndcg@10", "exposure")
    known = [f"{name} {trained.metrics[name]:.3f}" for name in figures if name in trained.metrics]
    lines = [f"Candidate: {', '.join(known)}"]
    if trained.blessed:
        lines.append(f"Release {trained.release[:12] if trained.release else '-'} serves: it passed every gate.")
    else:
        lines.append("Refused: " + "; ".join(trained.reasons))
        lines.append(f"Release {trained.release[:12]} goes on serving." if trained.release else "Nothing serves yet.")
    if trained.card:
        lines.append(f"Model card: {trained.card}")
    return "\n".join(lines)


def scoring_table(scored: Scored) -> Table:
    """How many users were sent where, with what mean score."""
    table = _table("Scoring", "route", ("users", "mean score"))
    for route in scored.routes:
        table.add_row(route["route"], f"{route['users']:,}", _number(route["score"]))
    table.add_row("all", f"{scored.users:,}", _number(scored.score))
    return table


def scoring_lines(scored: Scored) -> str:
    """Which release was asked when, and what was written."""
    at = datetime.fromisoformat(scored.asked_at)
    written = f"{scored.new:,} predictions written" if scored.new else "nothing new"
    asked = f"Release {scored.release[:12]} was asked at {at:%Y-%m-%d %H:%M:%S} UTC: {written}"
    judged = "" if scored.outcomes else "\nThere is no earlier prediction to judge yet."
    return f"{asked} ({scored.outcome}: {scored.why}; {scored.seconds:.1f} s){judged}"


def outcomes_table(scored: Scored) -> Table:
    """How good earlier predictions turned out to be, by what their users liked since."""
    numbers = ("predictions", "judged", "hit rate", "ndcg@10", "95 % interval")
    table = _table("Outcomes of earlier predictions", "release and route", numbers)
    for row in scored.outcomes:
        counts = (f"{row[name]:,}" for name in ("predictions", "judged"))
        figures = (_number(row[name]) for name in ("hit_rate", "ndcg"))
        interval = f"{row['low']:.3f} to {row['high']:.3f}" if row["judged"] else "-"
        table.add_row(f"{row['release'][:12]} {row['route']}", *counts, *figures, interval)
    return table


def _table(title: str, first: str, numbers: Sequence[str]) -> Table:
    table = Table(title=title, title_justify="left", box=SIMPLE, collapse_padding=True)
    table.add_column(first, no_wrap=True)
    for name in numbers:
        table.add_column(name, justify="right", no_wrap=True)
    return table


def _number(value: float | None) -> str:
    return "-" if value is None else f"{value:.3f}"
