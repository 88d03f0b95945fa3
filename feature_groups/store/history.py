"""What a table's log says: commits, and the state a version is in."""

from __future__ import annotations

import html
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, overload

from feature_groups.store.html_table import html_table

METADATA_KEY = "alluvia"
NO_DATA_CHANGE = ("optimize", "vacuum start", "vacuum end", "set tblproperties", "create table", "create", "migrate")
"""Operations that leave every row as it is."""


@dataclass(frozen=True)
class Commit:
    """One version of a table.

    Attributes:
        version: Delta version.
        committed_at: In-commit instant (UTC).
        operation: ``insert``, ``overwrite``, ``delete``, ``create``, ... or the engine's own word.
        inserted: Rows added.
        updated: Rows whose values changed.
        deleted: Rows removed.
        batch_key: The key of the batch that made it; empty for commits by others.
        who: User or flow run.
        why: The reason given.
        note: Everything the store wrote into the commit.
    """

    version: int
    committed_at: datetime
    operation: str
    inserted: int = 0
    updated: int = 0
    deleted: int = 0
    batch_key: str = ""
    who: str = ""
    why: str = ""
    note: Mapping[str, Any] = field(default_factory=dict, repr=False)

    @classmethod
    def from_log(cls, version: int, committed_at: datetime, entry: Mapping[str, Any]) -> Commit:
        """A commit from its log entry; the store's own note is preferred to the engine's counts."""
        try:
            note = dict(json.loads(entry.get("userMetadata") or "{}").get(METADATA_KEY, {}))
        except (ValueError, TypeError, AttributeError):
            note = {}
        rows = note.get("rows") or _counted(entry.get("operationMetrics") or {})
        return cls(
            version=version,
            committed_at=committed_at,
            operation=str(note.get("operation") or entry.get("operation", "")).lower(),
            inserted=int(rows.get("inserted", 0)),
            updated=int(rows.get("updated", 0)),
            deleted=int(rows.get("deleted", 0)),
            batch_key=str(note.get("batch_key", "")),
            who=str(note.get("who", "")),
            why=str(note.get("reason", "")),
            note=note,
        )

    @property
    def changes_rows(self) -> bool:
        """Whether rows came, went or changed; of a commit by others, as far as its operation tells."""
        if self.note:
            return bool(self.inserted or self.updated or self.deleted)
        return self.operation not in NO_DATA_CHANGE


def _counted(metrics: Mapping[str, Any]) -> dict[str, int]:
    """Row counts of a commit by others, as far as the engine that made it says them."""

    def first(*names: str) -> int:
        return next((int(metrics[n]) for n in names if str(metrics.get(n, "")).isdigit()), 0)

    return {
        "inserted": first("numTargetRowsInserted", "numOutputRows", "num_added_rows"),
        "updated": first("numTargetRowsUpdated", "numUpdatedRows"),
        "deleted": first("numTargetRowsDeleted", "numDeletedRows"),
    }


class History(Sequence[Commit]):
    """The commits of a feature group, newest first; prints as a table."""

    def __init__(self, where: str, commits: Sequence[Commit]) -> None:
        self.where, self._commits = where, tuple(commits)

    @overload
    def __getitem__(self, index: int) -> Commit: ...
    @overload
    def __getitem__(self, index: slice) -> tuple[Commit, ...]: ...
    def __getitem__(self, index: int | slice) -> Commit | tuple[Commit, ...]:
        return self._commits[index]

    def __len__(self) -> int:
        return len(self._commits)

    def _rows(self) -> list[list[str]]:
        return [
            [
                str(c.version),
                c.committed_at.strftime("%Y-%m-%d %H:%M:%S"),
                c.operation,
                f"{c.inserted:,}",
                f"{c.updated:,}",
                f"{c.deleted:,}",
                c.who,
                c.why,
            ]
            for c in self._commits
        ]

    def __repr__(self) -> str:
        head = ["version", "committed (UTC)", "operation", "inserted", "updated", "deleted", "who", "why"]
        rows = [head, *self._rows()]
        widths = [max(len(r[i]) for r in rows) for i in range(len(head))]
        lines = ["  ".join(cell.ljust(w) for cell, w in zip(r, widths, strict=True)).rstrip() for r in rows]
        return "\n".join([f"History of {self.where}", *lines])

    def _repr_html_(self) -> str:
        head = ("version", "committed (UTC)", "operation", "inserted", "updated", "deleted", "who", "why")
        return f"<p>History of {html.escape(self.where)}</p>{html_table(head, self._rows())}"


@dataclass(frozen=True)
class TableState:
    """What a table holds at one version.

    Attributes:
        table_id: Delta's id of the table.
        version: Delta version.
        rows: Visible rows.
        fingerprint: Content fingerprint of the visible rows, see `row_hash`.
        ingested_at: The newest instant at which rows were taken in (UTC), None while empty.
        upserted: Content hash of the batch whose rows the newest change of data left in the table; empty when that
            change was none by an insert or an overwrite, or the log cannot say.
    """

    table_id: str
    version: int
    rows: int
    fingerprint: int
    ingested_at: datetime | None
    upserted: str = ""
