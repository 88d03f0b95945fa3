"""A query for people: as lines of text and as a table."""

from __future__ import annotations

import html
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from feature_groups.store.query import Join, Query


@dataclass(frozen=True)
class _Line:
    depth: int
    group: str
    reached: str
    columns: str
    where: str


def as_text(query: Query) -> str:
    """One line per feature group, indented below the one it is reached through, and one per condition."""
    lines = []
    for line in _lines(query):
        indent = "  " * line.depth
        reached = line.reached.split(" ", 2)
        head = f"{' '.join(reached[:2])} {line.group} {reached[2]}" if line.reached else line.group
        lines.append(f"{indent}{head}: {line.columns or 'no columns'}")
        lines += [f"{indent}  where {line.where}"] if line.where else []
    return "\n".join(lines)


def as_html(query: Query) -> str:
    """One row per feature group."""
    head = "".join(f"<th>{h}</th>" for h in ("feature group", "reached by", "columns", "rows where"))
    rows = ""
    for line in _lines(query):
        cells = (line.group, line.reached, line.columns, line.where)
        indent = f' style="padding-left:{1 + line.depth}em"'
        first, *others = (html.escape(cell) for cell in cells)
        rows += f"<tr><td{indent}>{first}</td>" + "".join(f"<td>{cell}</td>" for cell in others) + "</tr>"
    return f"<table><tr>{head}</tr>{rows}</table>"


def _lines(query: Query, join: Join | None = None, depth: int = 0) -> Iterator[_Line]:
    reached = "" if join is None else f"{join.how} join on {', '.join(_pair(*pair) for pair in join.on)}"
    if join is not None and join.prefix:
        reached += f", prefix {join.prefix!r}"
    where = "" if query.where is None else repr(query.where)
    yield _Line(depth, str(query.group), reached, ", ".join(query.columns), where)
    for inner in query.joins:
        yield from _lines(inner.query, inner, depth + 1)


def _pair(left: str, right: str) -> str:
    return left if left == right else f"{left} = {right}"
