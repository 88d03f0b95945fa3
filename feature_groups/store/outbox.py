"""The outbox: what a lake's logs say has happened, and how far each consumer of that has come.

An event is only a hint, and hints get lost, doubled and reordered. The truth is the log of every table, and for what
moves no table a log of notices beside them. A consumer keeps a cursor in a numbered log of its own; what lies after it
is pending, whatever was heard.

    notices/000001.json             what was noticed: drift, a metric, a delivery overdue
    consumers/<name>/000001.json    how far a consumer has come; the newest entry counts
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from feature_groups.store.commit_note import author
from feature_groups.store.engine import Snapshot
from feature_groups.store.lock import table_lock

if TYPE_CHECKING:
    from feature_groups.store.feature_store import FeatureStore
    from feature_groups.store.metadata import Metadata

_NOTICES = "notices"
_PATIENCE = 60.0
"""Seconds that one who delivers waits for another."""


@dataclass(frozen=True)
class TableVersion:
    """A version of a feature group's table in which rows came, went or changed.

    Attributes:
        group: ``<name>_v<version>``.
        table_id: Delta's id of the table.
        version: Delta version.
        committed_at: In-commit instant (UTC).
        inserted: Rows added; of a commit by others, as far as it tells.
        updated: Rows changed, likewise.
        deleted: Rows removed, likewise.
        fingerprint: Content fingerprint of the version; empty for a commit by others.
        rows: Rows of the table then; 0 for a commit by others.
    """

    group: str
    table_id: str
    version: int
    committed_at: datetime
    inserted: int = 0
    updated: int = 0
    deleted: int = 0
    fingerprint: str = ""
    rows: int = 0


@dataclass(frozen=True)
class Notice:
    """What was noticed about a lake that no table's log tells.

    Attributes:
        name: Of the event, for example ``feature.drifted``.
        id: The same for the same thing, however often it is noticed.
        about: What it is about, for example ``model.films``.
        payload: The event's fields.
        at: When, as ISO text.
        number: In the log, from 1.
    """

    name: str
    id: str
    about: str
    payload: Mapping[str, Any] = field(default_factory=dict)
    at: str = ""
    number: int = 0


def notice(metadata: Metadata, noticed: Notice) -> bool:
    """Keep what was noticed; False when it was noticed before."""
    if any(known["id"] == noticed.id for known in metadata.entries(_NOTICES)):
        return False
    entry = {"name": noticed.name, "id": noticed.id, "about": noticed.about, "payload": dict(noticed.payload)}
    metadata.append(_NOTICES, entry | {"at": datetime.now(UTC).isoformat()})
    return True


class Outbox:
    """What one consumer has yet to handle.

    Args:
        store: The lake.
        consumer: Name of the consumer.
    """

    def __init__(self, store: FeatureStore, consumer: str) -> None:
        self._store, self.consumer = store, consumer
        self._log = f"consumers/{consumer}"

    def moved_at(self) -> datetime | None:
        """When the cursor was last moved; None for a consumer that never handled anything."""
        last = self._store.metadata.last(self._log)
        return datetime.fromisoformat(last["at"]) if last else None

    def pending(self, groups: Collection[str] | None = None) -> list[TableVersion]:
        """The versions after the cursor, oldest first.

        Args:
            groups: Only these, as ``<name>_v<version>``; by default every group of the lake.
        """
        position = self._last()["position"]
        found: list[TableVersion] = []
        for group, log in self._logs(groups).items():
            found += _after(log, group, position.get(group))
        return sorted(found, key=lambda v: (v.committed_at, v.group, v.version))

    def notices(self) -> list[Notice]:
        """What was noticed after the cursor, oldest first, each once."""
        first, entries = self._last()["notices"], self._store.metadata.entries(_NOTICES)
        numbered = [Notice(**entry, number=number) for number, entry in enumerate(entries, 1)]
        seen = {one.id for one in numbered[:first]}
        return list({one.id: one for one in reversed(numbered[first:]) if one.id not in seen}.values())[::-1]

    def deliver(self, work: Callable[[TableVersion], None], tell: Callable[[Notice], None] | None = None) -> int:
        """Hand everything pending to a function, one by one, and move the cursor behind each; returns how many.

        One process at a time delivers to a consumer. When it dies between the work and the cursor, the next one does
        that piece of work again: work must be idempotent by the version's or the notice's id.

        Raises:
            TableBusy: Another process has been delivering for a minute.
        """
        path, where = self._store.lake / "locks" / f"consumer-{self.consumer}.lock", f"consumer {self.consumer!r}"
        with table_lock(path, timeout=_PATIENCE, who=author(), where=where):
            versions = self.pending()
            for version in versions:
                work(version)
                self._advance({version.group: [version.table_id, version.version]}, 0)
            notices = self.notices() if tell else []
            for noticed in notices:
                assert tell is not None
                tell(noticed)
                self._advance({}, noticed.number)
        return len(versions) + len(notices)

    def advance(self, versions: Mapping[str, int], notices: int = 0) -> None:
        """Say that everything up to these versions, and up to this notice, is handled; the cursor never goes back.

        Args:
            versions: Delta versions by ``<name>_v<version>``.
            notices: Number of the newest notice handled.
        """
        self._advance({g: [log.table_id, versions[g]] for g, log in self._logs(versions).items()}, notices)

    def skip(self) -> bool:
        """Begin at what is there now, unless the consumer has begun; says whether it did."""
        if self._store.metadata.last_number(self._log):
            return False
        self.advance(*self.newest())
        return True

    def newest(self, groups: Collection[str] | None = None) -> tuple[dict[str, int], int]:
        """Where the lake is now: the Delta version of each group that has a table, and the number of the last notice.

        Args:
            groups: As in `pending`.
        """
        versions = {group: log.version for group, log in self._logs(groups).items()}
        return versions, self._store.metadata.last_number(_NOTICES)

    def _advance(self, reached: Mapping[str, list[Any]], notices: int) -> None:
        while True:
            number = self._store.metadata.last_number(self._log)
            last = self._last()
            was = last["position"]
            further = {group: to for group, to in reached.items() if _is_further(to, was.get(group))}
            entry = {
                "position": was | further,
                "notices": max(notices, last["notices"]),
                "at": self._store.clock().isoformat(),
                "by": author(),
            }
            if self._store.metadata.append_after(self._log, number, entry):
                return

    def _last(self) -> dict[str, Any]:
        return self._store.metadata.last(self._log) or {"position": {}, "notices": 0}

    def _logs(self, groups: Collection[str] | None) -> dict[str, Snapshot]:
        """The logs of these groups, as far as they are in the lake and have a table."""
        found = {}
        for group in self._store.group_ids():
            if groups is None or group in groups:
                name, _, version = group.rpartition("_v")
                log = self._store.reader.log(self._store.get_feature_group(name, int(version)).table)
                if log is not None:
                    found[group] = log
        return found


def _after(log: Snapshot, group: str, position: list[Any] | None) -> list[TableVersion]:
    """The versions in which rows changed, after a position in the same table; of another table all."""
    known = position[1] if position and position[0] == log.table_id else -1
    if known >= log.version:
        return []
    found = []
    for commit in log.commits(log.version - known):
        if commit.version > known and commit.changes_rows:
            table = commit.note.get("table") or {}
            ours = table if table.get("version") == commit.version else {}
            counts = (commit.inserted, commit.updated, commit.deleted)
            state = (ours.get("fingerprint", ""), int(ours.get("rows", 0)))
            found.append(TableVersion(group, log.table_id, commit.version, commit.committed_at, *counts, *state))
    return found


def _is_further(to: list[Any], at: list[Any] | None) -> bool:
    return at is None or at[0] != to[0] or to[1] > at[1]
