"""A Delta table's log, read with delta-rs: milliseconds, no JVM."""

from __future__ import annotations

import os
from datetime import datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

from feature_groups.store.engines.delta_files import (
    EPOCH,
    KNOWN_FEATURES,
    found_files,
    located,
    logged_versions,
    read_commit,
)
from feature_groups.store.engines.local_checksums import checked_file
from feature_groups.store.errors import TableDamaged
from feature_groups.store.history import Commit
from feature_groups.store.table_files import CheckedFile, CommitFiles, FoundFile, rows_at

if TYPE_CHECKING:
    from deltalake import DeltaTable


class DeltaLog:
    """Answers from ``_delta_log``; instants are in-commit times, never file times."""

    def exists(self, path: str) -> bool:
        """Whether there is a table."""
        log = Path(path) / "_delta_log"
        return log.is_dir() and any(log.glob("*.json"))

    def at(self, path: str, version: int | None = None) -> DeltaSnapshot:
        """A version of a table, by default the newest."""
        return DeltaSnapshot(path, _open(path, version))

    def commit_files(self, path: str) -> list[CommitFiles]:
        """What every commit did to the table's files, oldest first."""
        versions = logged_versions(path)
        table = _open(path, versions[-1] if versions else None)
        if versions != list(range(table.version() + 1)):
            raise _unreadable(path, "commits of older versions are gone, so which files are needed cannot be told")
        commits, features = [], set[str]()
        for version in versions:
            commit, named = _read_commit(path, version)
            commits.append(commit)
            features |= named
        if unknown := sorted(features - KNOWN_FEATURES):
            raise _unreadable(path, f"it has table features whose files are not known: {', '.join(unknown)}")
        # Read twice, by delta-rs and by us: before anything is removed both must mean the same.
        now = {located(path, str(name)) for name in table.get_add_actions(flatten=True).column("path").to_pylist()}
        if now != {rows.data for rows in rows_at(commits, versions[-1])}:
            raise _unreadable(path, "its newest version is not what its commits add up to")
        return commits

    def found_files(self, path: str) -> list[FoundFile]:
        """The files in the table's folder, less the log's."""
        return found_files(path)

    def checked_files(self, path: str) -> list[CheckedFile]:
        """Every file in the table's folder, those of the log too, read and compared with its checksum."""
        logged = [f"_delta_log/{name}" for name in os.listdir(f"{path}/_delta_log") if not name.endswith(".crc")]
        names = {f.name for f in found_files(path) if f.name == f.of} | set(logged)
        return [checked_file(path, name) for name in sorted(names) if os.path.isfile(os.path.join(path, name))]


class DeltaSnapshot:
    """One version of a table as its log tells it. Made by `DeltaLog.at`.

    Args:
        path: The table's folder.
        table: The table, opened at the version.
    """

    def __init__(self, path: str, table: DeltaTable) -> None:
        self._path, self._table = path, table

    @property
    def version(self) -> int:
        """The version."""
        return int(self._table.version())

    @property
    def table_id(self) -> str:
        """Delta's id of the table."""
        return str(self._table.metadata().id)

    @property
    def columns(self) -> list[str]:
        """The names of its columns."""
        return [str(field.name) for field in self._table.schema().fields]

    def commits(self, limit: int | None = None) -> list[Commit]:
        """The commits, newest first; all of them, or the newest `limit`."""
        return [Commit.from_log(int(e["version"]), _instant(e), e) for e in self._table.history(limit)]

    def has_batch(self, key: str) -> bool:
        """Whether a commit is marked with this batch key (Delta's application transaction id)."""
        return self._table.transaction_version(key) is not None

    def version_at(self, instant: datetime) -> int | None:
        """The newest version committed at or before an instant, or None before the first."""
        return next((commit.version for commit in self.commits() if commit.committed_at <= instant), None)

    def size(self) -> int:
        """Rows in the files; rows marked as deleted are still counted."""
        records = self._table.get_add_actions(flatten=True).column("num_records")
        return sum(int(n or 0) for n in records.to_pylist())

    def last(self, column: str) -> datetime | None:
        """The last instant in a column by the files' statistics: in whole milliseconds, deleted rows counted."""
        files = self._table.get_add_actions(flatten=True)
        if (name := f"max.{column}") not in files.schema.names:
            return None
        return max((instant for instant in files.column(name).to_pylist() if instant is not None), default=None)

    def damage(self, *, vectors: bool = False) -> str | None:
        """Which file is missing or cut short, or None; with `vectors` deletion vectors are opened too."""
        from deltalake.exceptions import DeltaError

        files = self._table.get_add_actions(flatten=True)
        for name, size in zip(files.column("path").to_pylist(), files.column("size_bytes").to_pylist(), strict=True):
            found = _size(self._path, str(name))
            if found is None:
                return f"the data file {name} is missing"
            if found != size:
                return f"the data file {name} has {found:,} of {size:,} bytes"
        if vectors:
            try:
                self._table.deletion_vectors()
            except DeltaError as error:
                return _first_line(error)
        return None

    def missing(self) -> str | None:
        """Which file is missing, deletion vectors included, or None; reads the log from its beginning."""
        path, version = self._path, self.version
        if logged_versions(path)[: version + 1] != list(range(version + 1)):
            return None
        rows = rows_at([_read_commit(path, v)[0] for v in range(version + 1)], version)
        files = sorted({file for found in rows for file in found.files})
        return next((f"the file {f} is missing" for f in files if not os.path.exists(os.path.join(path, f))), None)

    def change_feed_problem(self, since: int, until: int) -> str | None:
        """Why the changes of the versions in (since, until] cannot be read, or None."""
        if self._table.metadata().configuration.get("delta.enableChangeDataFeed") != "true":
            return "the table does not record its changes (delta.enableChangeDataFeed is not set)"
        oldest = min((int(e["version"]) for e in self._table.history()), default=0)
        if since + 1 < oldest and since < until:
            return f"the log of versions before {oldest} is gone"
        for version in range(since + 1, until + 1):
            for file in _read_commit(self._path, version)[0].changes:
                if not os.path.exists(os.path.join(self._path, file)):
                    return f"the file {file} of version {version} is missing"
        return None


def _open(path: str, version: int | None = None) -> DeltaTable:
    """The table at a version.

    Raises:
        TableDamaged: Its log cannot be read, or has an empty file, which delta-rs would read as a commit of nothing.
    """
    from deltalake import DeltaTable
    from deltalake.exceptions import DeltaError

    with os.scandir(f"{path}/_delta_log") as entries:
        empty = sorted(e.name for e in entries if e.name[:1].isdigit() and not e.stat().st_size)
    if empty:
        raise _unreadable(path, f"the commit {empty[0]} is an empty file")
    try:
        return DeltaTable(path, version=version)
    except DeltaError as error:
        raise _unreadable(path, _first_line(error)) from error


def _unreadable(path: str, problem: str) -> TableDamaged:
    return TableDamaged(
        f"the log of table {Path(path).name!r}",
        what=f"{path}/_delta_log: {problem}.",
        state="was not read, and the table is as it was",
        next_step="restore the folder from a copy; a newest commit that is empty or cut short was never finished "
        "and may be removed.",
    )


def _read_commit(path: str, version: int) -> tuple[CommitFiles, set[str]]:
    try:
        return read_commit(path, version)
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise _unreadable(path, f"the commit of version {version}: {_first_line(error)}") from error


def _size(path: str, name: str) -> int | None:
    """Bytes of a data file, whose name the log writes as a URL."""
    try:
        return os.stat(os.path.join(path, located(path, name))).st_size
    except OSError:
        return None


def _first_line(error: BaseException) -> str:
    return (str(error).strip().splitlines() or [type(error).__name__])[0][:300]


def _instant(entry: dict[str, object]) -> datetime:
    milliseconds = entry.get("inCommitTimestamp") or entry.get("timestamp") or 0
    return EPOCH + timedelta(milliseconds=int(str(milliseconds)))
