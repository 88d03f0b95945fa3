"""What vacuums removed, told to those who later ask for it: a numbered log per feature group."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import asdict, dataclass
from datetime import datetime, timedelta
from typing import Literal

from feature_groups.store.metadata import Json, Metadata
from feature_groups.store.table_files import shown

Part = Literal["rows", "changes"]
"""What of a version is asked for: its rows, or the changes that its commit made."""


@dataclass(frozen=True)
class VacuumRecord:
    """One vacuum of a table, written before it removes the first file.

    Attributes:
        table_id: Delta's id of the table.
        at: When (UTC), as ISO text.
        who: User or flow run.
        retain: Seconds of history it kept.
        newest: The newest version then.
        rows: Runs (first, last) of versions whose rows it left readable.
        changes: Runs of versions whose commits' changes it left readable.
    """

    table_id: str
    at: str
    who: str
    retain: float
    newest: int
    rows: tuple[tuple[int, int], ...]
    changes: tuple[tuple[int, int], ...]

    def left(self, version: int, part: Part) -> bool:
        """Whether the version stayed readable, or came later."""
        runs = self.rows if part == "rows" else self.changes
        return version > self.newest or any(first <= version <= last for first, last in runs)

    def __str__(self) -> str:
        kept = f"retain {period(timedelta(seconds=self.retain))}"
        return f"The vacuum of {datetime.fromisoformat(self.at):%Y-%m-%d %H:%M:%S} UTC by {self.who} ({kept})"


class VacuumLog:
    """The vacuums of one feature group.

    Args:
        metadata: Where they are kept.
        group_id: ``<name>_v<version>`` of the feature group.
    """

    def __init__(self, metadata: Metadata, group_id: str) -> None:
        self._metadata, self._path = metadata, f"groups/{group_id}/vacuums"

    def append(self, record: VacuumRecord) -> None:
        """Record a vacuum."""
        self._metadata.append(self._path, asdict(record))

    def explanation(self, table_id: str, versions: Iterable[int], part: Part = "rows") -> str | None:
        """Which vacuum removed files of one of these versions, and what can still be read; None when none did."""
        newest = self._metadata.last(self._path)
        if newest is None:
            return None
        last, wanted = _record(newest), list(versions)
        # What a vacuum removed no later one brings back; a table made anew has another id.
        if last.table_id != table_id or all(last.left(v, part) for v in wanted):
            return None
        records = [r for r in map(_record, self._metadata.entries(self._path)) if r.table_id == table_id]
        first = next(r for r in records if not all(r.left(v, part) for v in wanted))
        left = f"{'versions' if part == 'rows' else 'the changes of versions'} {shown(getattr(last, part))}"
        return f"{first} removed it; readable are still {left} and all after {last.newest}."


def _record(entry: Json) -> VacuumRecord:
    runs = {part: tuple((first, last) for first, last in entry[part]) for part in ("rows", "changes")}
    return VacuumRecord(**{**entry, **runs})


def period(span: timedelta) -> str:
    """A span of time for people."""
    return str(span).removesuffix(", 0:00:00")
