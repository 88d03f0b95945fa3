"""The catalogue: every feature group and version of a lake, searchable and printable."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING

from feature_groups.store.html_table import html_table

if TYPE_CHECKING:
    from feature_groups.store.declarations import Declarations
    from feature_groups.store.feature_store import FeatureStore


@dataclass(frozen=True)
class Entry:
    """One version of a feature group.

    Attributes:
        name: Group.
        version: The group's version.
        description: What a row tells.
        table_version: Delta version, None while nothing is written.
        rows: Visible rows.
        committed_at: Instant of the newest commit (UTC).
        owner: Whom to ask.
        tags: ``key=value`` pairs.
        deprecated: Why not to use it any more; empty while it is current.
        columns: Column names.
    """

    name: str
    version: int
    description: str
    table_version: int | None
    rows: int
    committed_at: datetime | None
    owner: str
    tags: tuple[str, ...]
    deprecated: str
    columns: tuple[str, ...]


class Catalogue(Sequence[Entry]):
    """The entries found, by name and version; prints as a table."""

    def __init__(self, entries: Sequence[Entry]) -> None:
        self._entries = tuple(entries)

    def __getitem__(self, index):  # type: ignore[no-untyped-def]  # the Sequence's own overloads say more
        return self._entries[index]

    def __len__(self) -> int:
        return len(self._entries)

    def _rows(self) -> list[list[str]]:
        return [
            [
                e.name,
                f"v{e.version}",
                "-" if e.table_version is None else str(e.table_version),
                f"{e.rows:,}",
                f"{e.committed_at:%Y-%m-%d %H:%M}" if e.committed_at else "never",
                e.owner,
                (f"DEPRECATED: {e.deprecated}. " if e.deprecated else "") + e.description,
            ]
            for e in self._entries
        ]

    def __repr__(self) -> str:
        rows = [list(_HEAD), *self._rows()]
        widths = [max(len(r[i]) for r in rows) for i in range(len(_HEAD))]
        lines = ["  ".join(c.ljust(w) for c, w in zip(r, widths, strict=True)).rstrip() for r in rows]
        return "\n".join(lines if self._entries else ["no feature group found"])

    def _repr_html_(self) -> str:
        return html_table(_HEAD, self._rows())


_HEAD = ("group", "version", "table", "rows", "committed (UTC)", "owner", "description")


def catalogue(store: FeatureStore, declarations: Declarations, search: str) -> Catalogue:
    """The groups in whose name, description, columns, owner or tags every word of `search` occurs."""
    words = search.lower().split()
    entries = []
    for group_id in declarations.ids():
        stored = declarations.newest(group_id)
        if stored is None:
            continue
        tags = tuple(f"{k}={v}" for k, v in stored["tags"].items())
        columns = tuple(c[0] for c in stored["columns"])
        text = " ".join([stored["name"], stored["description"], stored["owner"], *tags, *columns]).lower()
        if all(word in text for word in words):
            entries.append(_entry(store, stored["name"], stored["version"], tags, columns))
    return Catalogue(sorted(entries, key=lambda e: (e.name, e.version)))


def _entry(store: FeatureStore, name: str, version: int, tags: tuple[str, ...], columns: tuple[str, ...]) -> Entry:
    from feature_groups.store.errors import NothingWritten

    group = store.get_feature_group(name, version)
    table_version: int | None
    when: datetime | None
    try:
        newest = group.history(1)[0]
        state = store.writer.states.at(group.table)
        table_version, rows, when = newest.version, state.rows, newest.committed_at
    except NothingWritten:
        table_version, rows, when = None, 0, None
    declared = group.declaration
    return Entry(
        name,
        version,
        declared.description,
        table_version,
        rows,
        when,
        declared.owner,
        tags,
        declared.deprecated,
        columns,
    )
