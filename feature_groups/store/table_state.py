"""The state of a table at a version: rows, content fingerprint, newest ingestion."""

from __future__ import annotations

from datetime import datetime

import narwhals as nw

from feature_groups.store.batch import Workshop
from feature_groups.store.classify import visible
from feature_groups.store.engine import Engine, Snapshot, TableLog
from feature_groups.store.history import NO_DATA_CHANGE, TableState
from feature_groups.store.names import INGESTED_AT
from feature_groups.store.row_hash import FORMAT
from feature_groups.store.table import Table


class TableStates:
    """Finds the state of tables: from the notes in their logs, else by reading them."""

    def __init__(self, log: TableLog, shop: Workshop) -> None:
        self._log, self._shop = log, shop

    def at(self, table: Table, version: int | None = None) -> TableState:
        """Rows, fingerprint and newest ingestion at a version, from the log; computed when the log cannot say."""
        return self.of(table, self._log.at(table.path), version)

    def of(self, table: Table, log: Snapshot, version: int | None = None) -> TableState:
        """Likewise, from a log that is open, by default at the version it is open at."""
        commits = [c for c in log.commits() if version is None or c.version <= version]
        at = commits[0].version
        for commit in commits:
            note = commit.note.get("table")
            if note and note.get("format") != FORMAT:
                break
            if note and note.get("version", commit.version) == commit.version:
                ingested = commit.note.get("ingested_at")
                instant = datetime.fromisoformat(ingested) if ingested else None
                rows, total = int(note["rows"]), int(note["fingerprint"], 16)
                upserted = str(commit.note["content_hash"]) if commit.operation in ("insert", "overwrite") else ""
                return TableState(log.table_id, at, rows, total, instant, upserted)
            if commit.operation == "create table" or commit.operation not in NO_DATA_CHANGE:
                break
        if commits[-1].version == at and commits[-1].operation == "create table":
            return TableState(log.table_id, at, 0, 0, None)
        return self.computed(table, at)

    def computed(self, table: Table, version: int) -> TableState:
        """The state of a version from its rows, whatever the log says of it."""
        log = self._log.at(table.path, version)
        engine = engine_for(self._shop, log.size())
        stored = engine.table(table.path, log.version)
        seen = visible(stored, table.key, table.spec.names)
        rows, newest = engine.collect(stored.select(nw.len().alias("n"), nw.col(INGESTED_AT).max())).row(0)
        if table.keeps:
            rows = engine.collect(seen.select(nw.len())).item()
        total = engine.fingerprint(seen, table.spec.polars_schema)
        return TableState(log.table_id, log.version, int(rows), total, newest)


def engine_for(shop: Workshop, rows: int) -> Engine:
    """The engine set, or by `auto` Polars when the rows fit its budget."""
    if shop.choice == "spark" or (shop.choice == "auto" and rows > shop.budget):
        return shop.spark()
    return shop.polars
