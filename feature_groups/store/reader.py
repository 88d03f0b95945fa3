"""Reading: a version, the changes between versions, the history, the statistics."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import narwhals as nw
import polars as pl

from feature_groups.store.batch import Workshop
from feature_groups.store.classify import BEFORE, CHANGE_TYPE, DELETE, INSERT, UPDATE, visible
from feature_groups.store.damage import refuse_damaged
from feature_groups.store.engine import Engine, Frame, Snapshot, TableLog
from feature_groups.store.errors import NoChangeFeed, NoSuchVersion, NothingWritten
from feature_groups.store.history import History
from feature_groups.store.metadata import Metadata
from feature_groups.store.names import INGESTED_AT, IS_DELETED
from feature_groups.store.settings import EngineChoice
from feature_groups.store.statistics import Statistics
from feature_groups.store.table import Table
from feature_groups.store.vacuum_log import VacuumLog

COMMIT_VERSION = "_commit_version"

AsOf = int | datetime | str | None
"""A version, an aware instant (or its ISO text), or None for the newest version."""


class Reader:
    """Reads tables by version, on the engine their size asks for."""

    def __init__(self, log: TableLog, metadata: Metadata, shop: Workshop) -> None:
        self._log, self._metadata, self._shop = log, metadata, shop

    def resolve(self, table: Table, as_of: AsOf) -> int:
        """The version meant.

        Raises:
            NothingWritten: The group has no table yet.
            NoSuchVersion: There is no such version, nothing was committed by then, or the instant is naive.
        """
        if not self._log.exists(table.path):
            raise NothingWritten(
                table.group.where,
                what="It is declared, but nothing was ever inserted.",
                state="was not read",
                next_step="insert rows, or bring it up to date with make run.",
            )
        log = self._log.at(table.path)
        newest = log.version
        if as_of is None:
            return newest
        if isinstance(as_of, int) and not isinstance(as_of, bool):
            if 0 <= as_of <= newest:
                return as_of
            raise self._no_version(table, f"Version {as_of} is not there; versions 0 to {newest} are.")
        instant = self._instant(table, as_of)
        version = log.version_at(instant)
        if version is None:
            first = log.commits()[-1].committed_at
            raise self._no_version(table, f"Nothing was committed by {instant}; the first commit is of {first}.")
        return version

    def read(
        self, table: Table, as_of: AsOf, engine: EngineChoice | None, *, ingested: bool
    ) -> tuple[Frame, Engine, str]:
        """The visible rows, the engine that reads them, and why that one."""
        version = self.resolve(table, as_of)
        reader, why = self.choose(table, version, engine)
        names = [*table.spec.names, *([INGESTED_AT] if ingested else [])]
        stored = self._stored(reader, table, version)
        there = stored.collect_schema().names()
        frame = visible(stored, table.key, [n for n in names if n in there])
        return _widened(frame, table, there).select(*names), reader, why

    def choose(self, table: Table, version: int, engine: EngineChoice | None) -> tuple[Engine, str]:
        """The engine asked for, or by ``auto`` Polars when the table fits its budget; with the reason."""
        wanted = engine or self._shop.choice
        if wanted == "polars":
            return self._shop.polars, "polars (as asked)"
        if wanted == "spark":
            return self._shop.spark(), "spark (as asked)"
        rows = self._log.at(table.path, version).size()
        if rows <= self._shop.budget:
            return self._shop.polars, f"polars ({rows:,} stored rows fit the budget of {self._shop.budget:,})"
        return self._shop.spark(), f"spark ({rows:,} stored rows exceed the budget of {self._shop.budget:,})"

    def changes(self, table: Table, since: AsOf, until: AsOf, engine: EngineChoice | None) -> tuple[Frame, str]:
        """Row changes of the versions in (since, until], with the kind and version of each, and why that engine.

        Raises:
            NoChangeFeed: The table or the log does not have the changes of these versions.
        """
        last = self.resolve(table, until)
        first = 0 if since is None else self.resolve(table, since)
        problem = self._log.at(table.path).change_feed_problem(first, last)
        if problem:
            raise self._no_feed(table, first, last, problem)
        reader, why = self.choose(table, last, engine)
        try:
            feed = reader.changes(table.path, first, last)
        except Exception as error:
            problem = str(error).strip().splitlines()[0][:300]
            if reader.name == "spark" or (engine or self._shop.choice) != "auto":
                raise self._no_feed(table, first, last, problem) from error
            # delta-rs does not find the folders of partition values such as 'a/b'.
            reader, why = self._shop.spark(), f"spark (polars cannot: {problem})"
            feed = reader.changes(table.path, first, last)
        there = feed.collect_schema().names()
        if table.keeps:
            names = [n for n in table.spec.names if n in there]
            feed = _kept_changes(feed, self._stored(reader, table, last), table, names)
        return _widened(feed, table, there).select(*table.spec.names, CHANGE_TYPE, COMMIT_VERSION), why

    def log(self, table: Table) -> Snapshot | None:
        """The table's log as it stands now, or None while nothing is written."""
        return self._log.at(table.path) if self._log.exists(table.path) else None

    def history(self, table: Table, limit: int | None) -> History:
        """The commits, newest first."""
        self.resolve(table, None)
        return History(table.group.where, self._log.at(table.path).commits(limit))

    def statistics(self, table: Table, as_of: AsOf, engine: EngineChoice | None) -> Statistics:
        """Statistics of a version: computed at the first request, then stored."""
        version = self.resolve(table, as_of)
        path = f"groups/{table.group.id}/statistics/{self._log.at(table.path).table_id}/{version}.json"
        stored = self._metadata.get(path)
        if stored is not None:
            return Statistics.from_json(stored)
        frame, reader, _ = self.read(table, version, engine, ingested=False)
        rows, columns = reader.statistics(frame, table.spec)
        made = Statistics(table.group.where, rows, columns, version)
        self._metadata.put_if_absent(path, made.to_json())
        return Statistics.from_json(made.to_json())

    def newest(self, table: Table, version: int, column: str) -> datetime | None:
        """The last instant in a column of the visible rows, None without any; computed by Polars.

        What the log says of the files only spares reading those that lie wholly before: rows at or after any instant
        hold the last one, or there are none, and then all are read.
        """
        rows, _, _ = self.read(table, version, "polars", ingested=False)
        known = self._log.at(table.path, version).last(column)
        found: datetime | None = None
        for some in (rows if known is None else rows.filter(nw.col(column) >= known), rows):
            found = found or self._shop.polars.collect(some.select(nw.col(column).max())).item()
        return found

    def versions(self, table: Table, version: int, engine: Engine) -> Frame:
        """Every version of every row of a group that keeps corrections, with ``ingested_at`` and ``is_deleted``."""
        stored = self._stored(engine, table, version)
        there = stored.collect_schema().names()
        return _widened(stored, table, there).select(*table.spec.names, INGESTED_AT, IS_DELETED)

    def rejected(self, table: Table) -> Frame | None:
        """The quarantined rows that were not re-submitted, or None when there never were any."""
        if not self._log.exists(table.rejected_path):
            return None
        return self._shop.polars.table(table.rejected_path, self._log.at(table.rejected_path).version)

    def _stored(self, reader: Engine, table: Table, version: int) -> Frame:
        refuse_damaged(self._log.at(table.path, version), self._metadata, table, reader.name, "was not read")
        return reader.table(table.path, version)

    def _instant(self, table: Table, as_of: Any) -> datetime:
        value = as_of
        if isinstance(value, str):
            try:
                value = datetime.fromisoformat(value)
            except ValueError:
                raise self._no_version(table, f"{as_of!r} is neither a version nor an ISO instant.") from None
        if not isinstance(value, datetime) or value.tzinfo is None:
            raise self._no_version(table, f"{as_of!r} has no time zone, so it is no instant.")
        try:
            return value.astimezone(UTC)
        except OverflowError:
            raise self._no_version(table, f"{as_of!r} lies outside the years 1 to 9999 in UTC.") from None

    @staticmethod
    def _no_version(table: Table, what: str) -> NoSuchVersion:
        return NoSuchVersion(
            table.group.where,
            what=what,
            state="was not read",
            next_step="see fg.history(); give a version or an aware instant such as '2026-01-31T12:00+00:00'.",
        )

    def _no_feed(self, table: Table, since: int, until: int, problem: str) -> NoChangeFeed:
        vacuums, table_id = VacuumLog(self._metadata, table.group.id), self._log.at(table.path).table_id
        removed = vacuums.explanation(table_id, range(since + 1, until + 1), "changes")
        return NoChangeFeed(
            table.group.where,
            what=f"The changes of versions {since + 1} to {until} cannot be read: {problem}. {removed or ''}".strip(),
            state="was not read",
            next_step="read() the two versions and compare them, or rebuild from the newest one.",
        )


def _kept_changes(feed: Frame, stored: Frame, table: Table, names: list[str]) -> Frame:
    """The feed of a group that keeps corrections: every appended row against the one it corrects."""
    before = [nw.col(c).shift(1).over(*table.key, order_by=INGESTED_AT).alias(f"__was_{c}") for c in table.content]
    gone = nw.col(IS_DELETED).cast(nw.Int64).shift(1).over(*table.key, order_by=INGESTED_AT).alias("__was_deleted")
    told = stored.with_columns(gone, *before)
    marks = feed.select(*table.key, INGESTED_AT, COMMIT_VERSION)
    rows = told.join(marks, on=[*table.key, INGESTED_AT], how="inner")
    existed = nw.when(nw.col("__was_deleted").is_null()).then(nw.lit(1)).otherwise(nw.col("__was_deleted")) == 0
    wanted = [*names, CHANGE_TYPE, COMMIT_VERSION]

    def kind(name: str) -> nw.Expr:
        return nw.lit(name).alias(CHANGE_TYPE)

    alive = rows.filter(~nw.col(IS_DELETED))
    updates = alive.filter(existed)
    earlier = [nw.col(f"__was_{c}").alias(c) for c in table.content]
    parts = [
        alive.filter(~existed).with_columns(kind(INSERT)).select(*wanted),
        updates.with_columns(kind(UPDATE)).select(*wanted),
        updates.with_columns(kind(BEFORE), *earlier).select(*wanted),
        rows.filter(nw.col(IS_DELETED)).with_columns(kind(DELETE)).select(*wanted),
    ]
    return nw.concat(parts)


def _widened(frame: Frame, table: Table, there: list[str]) -> Frame:
    """The rows with the columns that were added after their version, NULL as in every later one."""
    for column in table.spec.columns:
        if column.name not in there:
            dtype = nw.from_native(pl.DataFrame(schema={"c": column.polars})).schema["c"]
            frame = frame.with_columns(nw.lit(None).cast(dtype).alias(column.name))
    return frame
