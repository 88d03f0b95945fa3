"""What a verb answers, printed as tables for people or as one JSON document for programs."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, fields, is_dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from rich.console import RenderableType
    from rich.table import Table

_PIPED = 500
"""Columns where no terminal says how many it has: lines stay whole for what reads them."""


@dataclass(frozen=True)
class Answer:
    """What a verb answers.

    Attributes:
        document: What ``--json`` prints; anything that `plain` knows.
        shown: The same for people.
        code: Exit code.
    """

    document: Any
    shown: Sequence[RenderableType] = ()
    code: int = 0


def print_answer(answer: Answer, *, as_json: bool) -> None:
    """Print an answer to standard output."""
    if as_json:
        json.dump(plain(answer.document), sys.stdout, indent=2, ensure_ascii=False)
        sys.stdout.write("\n")
        return
    from rich.console import Console

    console = Console(highlight=False)
    if not console.is_terminal:
        console = Console(width=_PIPED, highlight=False)
    for part in answer.shown:
        console.print(part, markup=False)


def plain(value: Any) -> Any:
    """A value as JSON can hold it: dataclasses and frames as mappings, instants as ISO text, spans in seconds."""
    if is_dataclass(value) and not isinstance(value, type):
        return {f.name: plain(getattr(value, f.name)) for f in fields(value)}
    if isinstance(value, Mapping):
        return {str(key): plain(item) for key, item in value.items()}
    if isinstance(value, datetime):
        return value.isoformat()
    if isinstance(value, timedelta):
        return value.total_seconds()
    if value is None or isinstance(value, (str, bool, int, float)):
        return value
    if hasattr(value, "to_dicts"):
        return plain(value.to_dicts())
    return [plain(item) for item in value] if isinstance(value, Iterable) else str(value)


def table(title: str, head: Sequence[str], rows: Iterable[Sequence[str]], numbers: Iterable[str] = ()) -> Table:
    """A table with a title; the columns named in `numbers` are set to the right."""
    from rich.box import SIMPLE
    from rich.table import Table
    from rich.text import Text

    right = set(numbers)
    made = Table(title=Text(title), title_justify="left", box=SIMPLE, collapse_padding=True)
    for number, name in enumerate(head):
        justify, last = "right" if name in right else "left", number == len(head) - 1
        made.add_column(name, justify=justify, no_wrap=not last, overflow="fold")  # type: ignore[arg-type]  # one of both
    for row in rows:
        made.add_row(*(Text(cell) for cell in row))
    return made


def instant(value: datetime | None) -> str:
    """An instant in UTC, to the minute."""
    return f"{value:%Y-%m-%d %H:%M}" if value else "-"
