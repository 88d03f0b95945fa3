"""The engine port: what the store asks of Polars, of Spark and of the table's log."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, Protocol

import narwhals as nw
import polars as pl

from feature_groups.store.contract import ContractSpec
from feature_groups.store.history import Commit
from feature_groups.store.look_up import LookUp
from feature_groups.store.statistics import ColumnStatistics
from feature_groups.store.table import Layout
from feature_groups.store.table_files import CheckedFile, CommitFiles, FoundFile
from feature_groups.store.window_slices import ChangeLogSpec

Frame = nw.LazyFrame[Any]
"""A lazy frame of any engine."""


def is_transient(error: BaseException) -> bool:
    """Whether the same call may simply be tried again: a lost connection, or a conflict with another writer."""
    return isinstance(error, (ConnectionError, TimeoutError)) or bool(getattr(error, "transient", False))


class Engine(Protocol):
    """Reads and computes; every method means the same on every engine."""

    name: str

    def table(self, path: str, version: int) -> Frame:
        """The stored rows of one version, reserved columns included; timestamps in µs UTC."""

    def changes(self, path: str, since: int, until: int) -> Frame:
        """Row changes of the versions in (since, until], with ``_change_type`` and ``_commit_version``."""

    def files(self, path: str) -> Frame:
        """The rows of a folder of Parquet files."""

    def write_files(self, frame: Frame, path: str) -> int:
        """Compute a frame once and write it as Parquet into a folder; returns its rows."""

    def collect(self, frame: Frame) -> pl.DataFrame:
        """A small frame in memory."""

    def latest(self, frame: Frame, key: Sequence[str], order: str | None) -> Frame:
        """The last row of every key by a column, else by position; Spark knows no position."""

    def numbered(self, frame: Frame, name: str) -> Frame:
        """The rows with a number of their own in a column; on Spark another one at each computation."""

    def fingerprint(self, frame: Frame, schema: Mapping[str, pl.DataType]) -> int:
        """The content fingerprint of a frame, see `row_hash`."""

    def change_log(self, events: Frame, spec: ChangeLogSpec) -> Frame:
        """The change log of events, see `change_log`; on Spark a key may have any number of events."""

    def look_up(self, spine: Frame, looks: Sequence[tuple[LookUp, Frame]], time: str, rows: int) -> Frame:
        """The spine with what each look-up finds and its marker; later ones may go by what earlier ones found.

        Keeps every row of the spine, and on Polars their order; see `as_of.looked_up`. `rows` says about how many
        rows both sides have.
        """

    def events_before(self, spine: Frame, events: Frame, look: LookUp, time: str, last: int | None, rows: int) -> Frame:
        """The events before every instant of a spine, see `event_inputs.events_before`."""

    def statistics(self, frame: Frame, spec: ContractSpec) -> tuple[int, tuple[ColumnStatistics, ...]]:
        """Rows and the statistics of every column, in one pass."""


class Committer(Protocol):
    """Makes commits; only Spark does."""

    def prepare(self) -> None:
        """Get ready beside other work, because a commit will follow; what goes wrong shows when it does."""

    def create(
        self, path: str, description: str, columns: Sequence[tuple[str, str, bool, str]], layout: Layout
    ) -> None:
        """Create an empty table if there is none: columns as (name, Spark type, nullable, comment)."""

    def append(self, path: str, rows: pl.DataFrame | str, key: str, note: Mapping[str, Any]) -> None:
        """Append rows (a frame or a folder of Parquet) in one commit marked with the batch key."""

    def replace(
        self, path: str, changes: pl.DataFrame | str, on: Sequence[str], key: str, note: Mapping[str, Any]
    ) -> None:
        """Insert, update and delete in one commit; `changes` is what the table's change feed will say of it."""

    def add_columns(self, path: str, columns: Sequence[tuple[str, str, str]], note: Mapping[str, Any]) -> None:
        """Add nullable columns as (name, Spark type, comment)."""


class Snapshot(Protocol):
    """One version of a table as its log tells it: opened once, so that all its answers are of one moment."""

    @property
    def version(self) -> int:
        """The version."""

    @property
    def table_id(self) -> str:
        """Delta's id of the table."""

    @property
    def columns(self) -> list[str]:
        """The names of its columns."""

    def commits(self, limit: int | None = None) -> list[Commit]:
        """The commits up to this version, newest first."""

    def has_batch(self, key: str) -> bool:
        """Whether a commit is marked with this batch key."""

    def version_at(self, instant: datetime) -> int | None:
        """The newest version committed at or before an instant, by in-commit time; None before the first."""

    def size(self) -> int:
        """Rows stored, deleted ones perhaps included; an upper estimate."""

    def last(self, column: str) -> datetime | None:
        """The last instant in a column by what the log says of the files; None where it says nothing of any.

        The log may round down, not know of every file, and count deleted rows: a hint where to look.
        """

    def damage(self, *, vectors: bool = False) -> str | None:
        """Which file is missing or cut short, or None; with `vectors` deletion vectors are opened too."""

    def missing(self) -> str | None:
        """Which file is missing, deletion vectors included, or None; reads the log from its beginning."""

    def change_feed_problem(self, since: int, until: int) -> str | None:
        """Why the changes of the versions in (since, until] cannot be read, or None."""


class TableLog(Protocol):
    """The logs of tables, read without starting Spark."""

    def exists(self, path: str) -> bool:
        """Whether there is a table."""

    def at(self, path: str, version: int | None = None) -> Snapshot:
        """A version of a table, by default the newest.

        Raises:
            TableDamaged: The log cannot be read.
        """

    def commit_files(self, path: str) -> list[CommitFiles]:
        """What every commit did to the table's files, oldest first.

        Raises:
            TableDamaged: The log is not whole, or says what is not known here.
        """

    def found_files(self, path: str) -> list[FoundFile]:
        """The files in the table's folder that a vacuum may remove: none of the log."""

    def checked_files(self, path: str) -> list[CheckedFile]:
        """Every file in the table's folder, those of the log too, read and compared with its checksum."""
