"""What happened in a demo, when, and why: one line per delivery and per thing that came of it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from rich.box import SIMPLE
from rich.table import Table

_STYLES = {"refused": "bold red", "drift": "yellow", "released": "green", "kept": "yellow"}


@dataclass(frozen=True)
class Happened:
    """One line of the timeline.

    Attributes:
        at: The replayed instant, UTC.
        kind: ``delivery``, ``refused``, ``drift``, ``released``, or ``kept`` for a candidate that did not serve.
        what: What happened.
        why: Why, or what followed.
        seconds: Wall time of the runs that belong to it; 0 where none does.
    """

    at: datetime
    kind: str
    what: str
    why: str = ""
    seconds: float = 0.0


Timeline = list[Happened]


def timeline_table(timeline: Timeline) -> Table:
    """The whole story."""
    table = Table(title="What happened, and why", title_justify="left", box=SIMPLE, collapse_padding=True)
    for name in ("when (replayed)", "kind"):
        table.add_column(name, no_wrap=True)
    table.add_column("what", overflow="fold", min_width=30)
    table.add_column("why", overflow="fold", min_width=30)
    table.add_column("seconds", justify="right", no_wrap=True)
    for one in timeline:
        seconds = f"{one.seconds:.0f}" if one.seconds else ""
        table.add_row(f"{one.at:%Y-%m-%d}", one.kind, one.what, one.why, seconds, style=_STYLES.get(one.kind))
    return table
