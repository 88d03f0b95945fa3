"""What a vacuum did, or with `dry_run` would do: per table what was kept, what went, and who holds what."""

from __future__ import annotations

import html
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta

from feature_groups.store.html_table import html_table
from feature_groups.store.table_files import shown, spans
from feature_groups.store.vacuum_log import period


@dataclass(frozen=True)
class HeldVersion:
    """A pinned version, and what goes when nobody pins it any more.

    Attributes:
        version: Delta version.
        owners: Who pins it.
        files: Files that the retention alone would not keep.
        size: Their bytes.
        problem: Why it cannot be read in spite of the pin; empty when it can.
    """

    version: int
    owners: tuple[str, ...]
    files: int
    size: int
    problem: str = ""


@dataclass(frozen=True)
class VacuumedTable:
    """One table's part of a vacuum.

    Attributes:
        name: ``<name>_v<version>`` of the feature group; its table of rejected rows says so.
        kept: Files that stay.
        kept_size: Their bytes.
        removed: Files that went.
        freed: Their bytes.
        young: Files of no known commit among the kept ones: a foreign writer may be about to commit them.
        readable: The versions whose rows can still be read.
        changes: The versions whose commits' changes can still be read.
        pins: The pinned versions.
    """

    name: str
    kept: int
    kept_size: int
    removed: int
    freed: int
    young: int
    readable: tuple[int, ...]
    changes: tuple[int, ...]
    pins: tuple[HeldVersion, ...] = ()

    def __str__(self) -> str:
        return (
            f"{self.name}: {self.removed:,} files removed ({_bytes(self.freed)}), {self.kept:,} kept "
            f"({_bytes(self.kept_size)}); readable: {shown(spans(self.readable))}"
        )


class VacuumReport(Sequence[VacuumedTable]):
    """The tables a vacuum went through; prints as a table.

    Attributes:
        retain: The history that was kept.
        dry_run: Whether nothing was removed.
    """

    def __init__(self, tables: Sequence[VacuumedTable], *, retain: timedelta, dry_run: bool) -> None:
        self._tables, self.retain, self.dry_run = tuple(tables), retain, dry_run

    def __getitem__(self, index):  # type: ignore[no-untyped-def]  # the Sequence's own overloads say more
        return self._tables[index]

    def __len__(self) -> int:
        return len(self._tables)

    @property
    def removed(self) -> int:
        """Files that went, in all tables."""
        return sum(table.removed for table in self._tables)

    @property
    def freed(self) -> int:
        """Their bytes."""
        return sum(table.freed for table in self._tables)

    @property
    def title(self) -> str:
        """What was done, in a line."""
        did = "would remove" if self.dry_run else "removed"
        return f"Vacuum (retain {period(self.retain)}) {did} {self.removed:,} files, {_bytes(self.freed)}"

    def _files(self) -> list[tuple[str, ...]]:
        head = ("table", "files kept", "bytes kept", "files removed", "bytes freed", "versions readable", "of changes")
        return [
            head,
            *(
                (
                    t.name,
                    f"{t.kept:,}" + (f" ({t.young:,} young)" if t.young else ""),
                    _bytes(t.kept_size),
                    f"{t.removed:,}",
                    _bytes(t.freed),
                    shown(spans(t.readable)),
                    shown(spans(t.changes)),
                )
                for t in self._tables
            ),
        ]

    def _pins(self) -> list[tuple[str, ...]]:
        head = ("pinned", "version", "by", "files only it keeps", "bytes", "")
        return [
            head,
            *(
                (t.name, str(p.version), ", ".join(p.owners), f"{p.files:,}", _bytes(p.size), p.problem)
                for t in self._tables
                for p in t.pins
            ),
        ]

    def __repr__(self) -> str:
        parts = [rows for rows in (self._files(), self._pins()) if len(rows) > 1]
        return "\n".join([self.title, *(line for rows in parts for line in _lines(rows))])

    def _repr_html_(self) -> str:
        parts = [rows for rows in (self._files(), self._pins()) if len(rows) > 1]
        return f"<p>{html.escape(self.title)}</p>" + "".join(html_table(head, rows) for head, *rows in parts)


def _lines(rows: Sequence[tuple[str, ...]]) -> list[str]:
    widths = [max(len(cell) for cell in column) for column in zip(*rows, strict=True)]
    return ["  ".join(cell.ljust(w) for cell, w in zip(row, widths, strict=True)).rstrip() for row in rows]


def _bytes(size: int) -> str:
    return f"{size:,} B" if size < 10_000 else f"{size / 1e3:,.0f} kB" if size < 10_000_000 else f"{size / 1e6:,.0f} MB"
