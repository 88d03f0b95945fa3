"""Tables for notebooks and cards, as HTML; every text is escaped."""

from __future__ import annotations

import html
from collections.abc import Iterable, Sequence

Rows = Iterable[Sequence[str]]


def html_table(head: Iterable[str], rows: Rows) -> str:
    """A table with a line of names above its rows."""
    return _table([_cells("th", head), *(_cells("td", row) for row in rows)])


def html_facts(facts: Iterable[tuple[str, str]]) -> str:
    """A table of names and values, one pair a row."""
    return _table(_cells("th", (name,)) + _cells("td", (value,)) for name, value in facts)


def _table(rows: Iterable[str]) -> str:
    return f"<table>{''.join(f'<tr>{row}</tr>' for row in rows)}</table>"


def _cells(tag: str, texts: Iterable[str]) -> str:
    return "".join(f"<{tag}>{html.escape(text)}</{tag}>" for text in texts)
