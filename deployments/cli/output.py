"""What a verb answers, printed as tables for people or as one JSON document for programs."""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, fields, is_dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import polars as pl
    from rich.console import RenderableType
    from rich.table import Table

_ID = re.compile(r"[0-9a-f]{64}")
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
        if isinstance(part, str):
            console.print(part, markup=False, soft_wrap=True)
        else:
            console.print(part)


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


def frame_table(title: str, frame: pl.DataFrame) -> Table:
    """A frame as a table: numbers to the right, instants to the second, ids by their first twelve digits."""
    numbers = [name for name, dtype in frame.schema.items() if dtype.is_numeric()]
    rows = ([_cell(value) for value in row] for row in frame.iter_rows())
    return table(title, frame.columns, rows, numbers)


def _cell(value: Any) -> str:
    if value is None:
        return "-"
    if isinstance(value, datetime):
        return f"{value:%Y-%m-%d %H:%M:%S}"
    if isinstance(value, float):
        return f"{value:.4g}"
    if isinstance(value, bool):
        return "yes" if value else "no"
    text = f"{value:,}" if isinstance(value, int) else str(value)
    return text[:12] if _ID.fullmatch(text) else text


def facts(title: str, pairs: Iterable[tuple[str, str]]) -> str:
    """Facts, one to a line, below a title."""
    found = list(pairs)
    width = max((len(what) for what, _ in found), default=0)
    return "\n".join([title, *(f"  {what.ljust(width)}  {value}" for what, value in found)])


def instant(value: datetime | None) -> str:
    """An instant in UTC, to the minute."""
    return f"{value:%Y-%m-%d %H:%M}" if value else "-"


def size(count: int) -> str:
    """Bytes for people."""
    return (
        f"{count:,} B"
        if count < 10_000
        else f"{count / 1e3:,.0f} kB"
        if count < 10_000_000
        else f"{count / 1e6:,.0f} MB"
    )
