"""The write protocol: one Delta commit per batch, exactly once.

A batch has a key. Under the table's lock the key is looked up first: a batch that was committed returns its old
receipt, and the same key with other content is refused. Else the batch is told apart into new, changed and
unchanged rows, and Spark commits the first two, marked with the key (Delta's application transaction) and with a
note in the commit that holds everything a receipt needs. So a retry after a crash or a lost acknowledgement
finds either nothing, or the commit.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

from feature_groups.store.batch import Batch, Rows, Workshop
from feature_groups.store.batch_key import new_batch_key
from feature_groups.store.clock import Clock
from feature_groups.store.commit_note import Request, asides, author, commit_note, receipt_of
from feature_groups.store.comparison import beside, current, near, within
from feature_groups.store.damage import refuse_damaged, refuse_other_columns
from feature_groups.store.engine import Committer, Frame, Snapshot, TableLog
from feature_groups.store.errors import IdempotencyConflict
from feature_groups.store.faults import faultpoint
from feature_groups.store.history import Commit, TableState
from feature_groups.store.lock import table_lock
from feature_groups.store.metadata import Metadata
from feature_groups.store.pins import Pins
from feature_groups.store.plan import (
    Plan,
    handed_over,
    plan_delete,
    plan_repeat,
    plan_upsert,
    rows_to_commit,
)
from feature_groups.store.quarantine import release, set_aside
from feature_groups.store.receipts import Receipt
from feature_groups.store.row_hash import MODULUS
from feature_groups.store.scope import Scope, Span
from feature_groups.store.table import Table
from feature_groups.store.table_state import TableStates
from feature_groups.store.vacuum import vacuum_group
from feature_groups.store.vacuum_report import VacuumedTable
from feature_groups.store.verify import Verified, verified_group
from feature_groups.store.write_failure import write_failed

log = logging.getLogger(__name__)


class Writer:
    """Writes batches to tables.

    Args:
        log: The tables' logs.
        committer: Starts Spark when called.
        metadata: Where receipts are kept.
        clock: Where "now" comes from.
        shop: The engines.
        lock_timeout: Seconds to wait for another writer.
    """

    def __init__(
        self,
        log: TableLog,
        committer: Callable[[], Committer],
        metadata: Metadata,
        clock: Clock,
        shop: Workshop,
        lock_timeout: float,
    ) -> None:
        self._log, self._committer, self._metadata, self._clock = log, committer, metadata, clock
        self._shop, self.lock_timeout = shop, lock_timeout
        self.states = TableStates(log, shop)

    def prepare(self) -> None:
        """Get ready to commit beside other work; for when it is as good as certain that a commit follows."""
        self._committer().prepare()

    def upsert(self, table: Table, batch: Batch, request: Request, scope: Scope | Span | None = None) -> Receipt:
        """Insert, or with the operation ``overwrite`` replace, the batch in one commit.

        With a `scope` only rows inside are replaced.

        Raises:
            IdempotencyConflict: The key was used for other content.
            TableBusy: Another process kept the lock too long.
            WriteFailed: Spark could not commit; the table is as it was.
        """
        started = time.monotonic()
        faultpoint("write.before_lock")
        with self._locked(table, request):
            there = self._open(table.path)
            earlier = self._earlier(table, there, batch, request)
            if earlier is not None:
                return earlier
            state = self._ready(table, there, batch.rows.engine.name)
            if batch.rejected is not None:
                set_aside(self._log, self._committer(), table, batch, request, self._clock(), self._shop.spool)
                faultpoint("write.quarantined")
            batch = beside(batch, state.rows, self._shop)
            if request.operation == "insert" and batch.content_hash == state.upserted:
                plan = plan_repeat(batch.rows.frame, batch.rows.count)
            else:
                plan = plan_upsert(
                    batch.rows.engine,
                    batch.rows.frame,
                    self._current(table, state.version, batch.rows, request, scope) if state.rows else None,
                    table,
                    batch_fingerprint=batch.fingerprint,
                    count=batch.rows.count,
                    overwrite=request.operation == "overwrite",
                    spool=self._shop.spool,
                )
            faultpoint("write.classified")
            return self._finish(table, batch, request, plan, state, started)

    def delete(self, table: Table, keys: Batch, on: list[str], request: Request) -> Receipt:
        """Remove the rows whose columns `on` are among the given keys, in one commit; raises as `upsert`."""
        started = time.monotonic()
        faultpoint("write.before_lock")
        with self._locked(table, request):
            there = self._open(table.path)
            earlier = self._earlier(table, there, keys, request)
            if earlier is not None:
                return earlier
            state = self._ready(table, there, keys.rows.engine.name)
            keys = beside(keys, state.rows, self._shop)
            seen = current(table, state.version, keys.rows)
            plan = plan_delete(keys.rows.engine, keys.rows.frame, on, seen, table, spool=self._shop.spool)
            faultpoint("write.classified")
            return self._finish(table, keys, request, plan, state, started)

    def release(self, table: Table, rejected_ids: list[str], key: str) -> None:
        """Take rows out of the quarantine, once."""
        with self._locked(table, Request("release", key)):
            release(self._log, self._committer(), self._shop.polars, table, rejected_ids, key)

    def vacuum(self, table: Table, retain: timedelta, *, dry_run: bool) -> list[VacuumedTable]:
        """Remove files that no version to be kept needs, see `vacuum`."""
        with self._locked(table, Request("vacuum", "")):
            return vacuum_group(self._log, self._metadata, table, retain, dry_run=dry_run)

    def verify(self, table: Table) -> Verified:
        """Compare what the table's files hold with what was said when they were written; changes nothing."""
        return verified_group(self._log, self.states, self._metadata, table)

    def pin(self, table: Table, version: int, owner: str) -> None:
        """Keep a version from every vacuum, see `Pins`; raises as `Reader.read` when it cannot be read any more."""
        with self._locked(table, Request("pin", "")):
            there = self._log.at(table.path, version)
            refuse_damaged(there, self._metadata, table, "spark", "was not pinned")
            Pins(self._metadata).pin(table.group.id, there.table_id, version, owner)

    def migrate(self, table: Table, added: Sequence[tuple[str, str, str]], reason: str) -> None:
        """Add nullable columns, as (name, Spark type, comment), to the table and to the rejected rows.

        Old rows read NULL; columns that are there already are left alone.
        """
        request = Request("migrate", new_batch_key(), reason)
        with self._locked(table, request):
            for path in (table.path, table.rejected_path):
                there = self._open(path)
                if there is None:
                    continue
                known = there.columns
                wanted = [column for column in added if column[0] not in known]
                note: dict[str, Any] = {"operation": request.operation, "who": author()}
                if path == table.path:
                    state = self.states.of(table, there)
                    after = replace(state, version=state.version + 1)
                    note = commit_note(table, request, "", {}, after, state.ingested_at)
                if wanted:
                    self._committer().add_columns(path, wanted, note)

    def _open(self, path: str) -> Snapshot | None:
        return self._log.at(path) if self._log.exists(path) else None

    def _locked(self, table: Table, request: Request) -> Any:
        who = f"{author()}, {request.operation} since {datetime.now(UTC):%H:%M:%S} UTC"
        return table_lock(table.lock_path, timeout=self.lock_timeout, who=who, where=table.group.where)

    def _ready(self, table: Table, there: Snapshot | None, engine: str) -> TableState:
        faultpoint("write.locked")
        if there is None:
            self._committer().create(table.path, table.group.description, table.columns(), table.layout)
            faultpoint("write.created")
            there = self._log.at(table.path)
        refuse_damaged(there, self._metadata, table, engine, "was not written")
        refuse_other_columns(table, there.columns)
        return self.states.of(table, there)

    def _current(self, table: Table, version: int, rows: Rows, request: Request, scope: Scope | Span | None) -> Frame:
        seen = current(table, version, rows)
        if scope is not None:
            return within(scope, seen, table, rows, self._shop)
        return seen if request.operation == "overwrite" else near(seen, table, rows)

    def _earlier(self, table: Table, there: Snapshot | None, batch: Batch, request: Request) -> Receipt | None:
        """The receipt of the same batch, when it was written before."""
        where = f"{table.group.where}, batch {request.batch_key!r}"
        if there is None:
            return None
        table_id = there.table_id
        stored = self._metadata.get(table.receipt_path(request.batch_key))
        found: Receipt | None = None
        # A receipt of a table that was removed since then is no proof.
        if stored is not None and stored["table_id"] == table_id:
            found = Receipt.from_json(stored)
        elif there.has_batch(request.batch_key):
            commit = self._commit_of(table, request.batch_key)
            made = receipt_of(table_id, table, batch, request, commit, seconds=0.0)
            found = Receipt.from_json(made.to_json())
        if found is None:
            return None
        if found.content_hash != batch.content_hash or found.operation != request.operation:
            raise IdempotencyConflict(
                where,
                what=f"The key was used at version {found.version} for {found.operation} of other rows "
                f"(content {found.content_hash[:12]}, now {batch.content_hash[:12]}).",
                state="was not written; the earlier batch stands",
                next_step="leave batch_key out to write these rows as a new batch.",
            )
        if stored is None:
            self._metadata.put_if_absent(table.receipt_path(request.batch_key), found.to_json())
        return found

    def _commit_of(self, table: Table, key: str) -> Commit:
        """The commit of a batch; its note holds the table's true state also when another commit slipped in before."""
        now = self._log.at(table.path)
        commit = next(c for c in now.commits() if c.batch_key == key)
        if commit.note["table"].get("version", commit.version) == commit.version:
            return commit
        log.warning("%s: version %s was committed beside the store's lock", table.group.where, commit.version - 1)
        true = self.states.of(table, now, commit.version)
        stated = {"version": true.version, "rows": true.rows, "fingerprint": f"{true.fingerprint:032x}"}
        return replace(commit, note={**commit.note, "table": stated})

    def _finish(
        self, table: Table, batch: Batch, request: Request, plan: Plan, state: TableState, started: float
    ) -> Receipt:
        if plan.empty:
            commit = Commit(state.version, datetime.now(UTC), request.operation, batch_key=request.batch_key)
            rows = {"received": batch.received, "unchanged": plan.unchanged}
            note = commit_note(table, request, batch.content_hash, rows | asides(batch), state, None)
            commit = Commit(**{**vars(commit), "note": note})
        else:
            commit = self._commit(table, batch, request, plan, state)
        seconds = time.monotonic() - started
        receipt = receipt_of(state.table_id, table, batch, request, commit, seconds, committed=not plan.empty)
        faultpoint("write.before_receipt")
        stored = receipt.to_json()
        self._metadata.put_if_absent(table.receipt_path(request.batch_key), stored)
        faultpoint("write.after_receipt")
        return Receipt.from_json(stored)

    def _commit(self, table: Table, batch: Batch, request: Request, plan: Plan, state: TableState) -> Commit:
        """Make the one commit; an error after which the commit is nevertheless in the log is a success."""
        instant = self._next_instant(state)
        after = TableState(
            state.table_id,
            state.version + 1,
            state.rows + plan.inserted - plan.deleted,
            (state.fingerprint + plan.fingerprint) % MODULUS,
            instant,
        )
        rows = {
            "received": batch.received,
            "inserted": plan.inserted,
            "updated": plan.updated,
            "unchanged": plan.unchanged,
            "deleted": plan.deleted,
            **asides(batch),
        }
        note = commit_note(table, request, batch.content_hash, rows, after, instant)
        moved = rows_to_commit(plan, table, instant)
        faultpoint("write.spooled")
        committer = self._committer()
        source = handed_over(batch.rows.engine, moved, self._shop.spool, by=table.key)
        faultpoint("write.before_commit")
        try:
            if table.keeps or not (plan.updated or plan.deleted):
                committer.append(table.path, source, request.batch_key, note)
            else:
                committer.replace(table.path, source, table.key, request.batch_key, note)
        except Exception as error:
            now = self._log.at(table.path)
            if not now.has_batch(request.batch_key):
                raise write_failed(table, now.version, error) from error
        faultpoint("write.after_commit")
        return self._commit_of(table, request.batch_key)

    def _next_instant(self, state: TableState) -> datetime:
        now = self._clock()
        return now if state.ingested_at is None else max(now, state.ingested_at + timedelta(microseconds=1))
