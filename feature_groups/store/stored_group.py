"""A feature group in a lake: the verbs a user calls on it."""

from __future__ import annotations

import hashlib
import logging
from typing import TYPE_CHECKING, Any

import narwhals as nw
import polars as pl

from feature_groups.store.batch import Batch, Rows, checked, conformed
from feature_groups.store.batch_key import check_batch_key, new_batch_key
from feature_groups.store.border import to_polars
from feature_groups.store.checks import Report
from feature_groups.store.commit_note import Request
from feature_groups.store.contract import ContractSpec
from feature_groups.store.description import Description, describe
from feature_groups.store.engine import Frame
from feature_groups.store.errors import EmptyBatch, InvalidDeclaration, SchemaMismatch, did_you_mean
from feature_groups.store.feature_group import FeatureGroup
from feature_groups.store.history import History
from feature_groups.store.inference import infer, is_spark
from feature_groups.store.reader import AsOf
from feature_groups.store.receipts import Receipt
from feature_groups.store.scope import Scope, Span
from feature_groups.store.selectable import Selectable
from feature_groups.store.settings import EngineChoice
from feature_groups.store.spool import spools_cleared
from feature_groups.store.statistics import Statistics
from feature_groups.store.table import BATCH_KEY, REASON, REJECTED_AT, REJECTED_ID, Table

if TYPE_CHECKING:
    from feature_groups.store.feature_store import FeatureStore

log = logging.getLogger(__name__)


class StoredFeatureGroup(Selectable):
    """One feature group of one lake. Made by `FeatureStore.get_or_create_feature_group`."""

    def __init__(self, store: FeatureStore, group: FeatureGroup, spec: ContractSpec | None) -> None:
        self._store, self.declaration, self._spec = store, group, spec

    @property
    def name(self) -> str:
        """The group's name."""
        return self.declaration.name

    @property
    def version(self) -> int:
        """The group's version, not its table's."""
        return self.declaration.version

    @property
    def table(self) -> Table:
        """Where it lives.

        Raises:
            InvalidDeclaration: It has no contract yet, because nothing was inserted.
        """
        if self._spec is None:
            raise InvalidDeclaration(
                self.declaration.where,
                what="It was declared without a contract, and no frame was inserted to infer one from.",
                state="has no columns yet",
                next_step="insert a first frame, or declare contract=.",
            )
        return Table(self.declaration, self._spec, self._store.lake)

    def insert(
        self,
        data: object,
        *,
        overwrite: bool = False,
        batch_key: str | None = None,
        reason: str = "",
        allow_empty: bool = False,
    ) -> Receipt:
        """Write rows in one commit: new keys are inserted, changed rows replaced, unchanged ones left alone.

        Args:
            data: Polars (eager or lazy), pandas, Arrow or Spark frame, or a list of dicts, with the
                contract's columns. Times aware; they are stored as µs in UTC.
            overwrite: Also remove every row whose key is not in `data`, in the same commit.
            batch_key: Key under which the batch is written once however often it is sent; a new one by default.
            reason: Why, for the history.
            allow_empty: Accept a frame without rows.

        Raises:
            UnsupportedFrame, SchemaMismatch, ContractViolated, TooManyRejected, DuplicateKeys, EmptyBatch,
            BatchUnreadable, IdempotencyConflict, TableBusy, WriteFailed: Nothing was written.
        """
        key = check_batch_key(batch_key, self.declaration.where) if batch_key is not None else new_batch_key()
        return self._write(data, Request("overwrite" if overwrite else "insert", key, reason), allow_empty=allow_empty)

    def replace_within(self, data: object, scope: Scope | Span, *, batch_key: str, reason: str = "") -> Receipt:
        """Replace the rows inside a scope by `data`, in one commit: what increments and backfills write.

        Args:
            data: The rows inside the scope as they should be; may be empty.
            scope: Which rows these are.
            batch_key: As in `insert`.
            reason: As in `insert`.
        """
        return self._write(data, Request("overwrite", batch_key, reason), allow_empty=True, scope=scope)

    def _write(
        self, data: object, request: Request, *, allow_empty: bool, scope: Scope | Span | None = None
    ) -> Receipt:
        self._refuse_without_checks()
        spec = self._spec
        if spec is None:
            data, spec = infer(data, self.declaration)
        table = Table(self.declaration, spec, self._store.lake)
        with spools_cleared():
            rows = conformed(data, spec, self.declaration.where, self._store.shop)
            self._refuse_empty(rows, allow_empty=allow_empty)
            batch = checked(rows, table, self._foreign_keys(rows))
            if self._spec is None:
                table = self._declare(spec)
            receipt = self._store.writer.upsert(table, batch, request, scope)
        log.info("%s", receipt)
        return receipt

    def delete_rows(self, keys: object, *, batch_key: str | None = None, reason: str = "") -> Receipt:
        """Remove rows by key in one commit.

        Args:
            keys: Frame with the primary key columns, and the event time column to name single rows; without it
                all rows of a key go. Keys that are not there are counted as unchanged.
            batch_key: As in `insert`.
            reason: Why, for the history.

        Raises:
            SchemaMismatch: Key columns are missing, or there are others.
        """
        table, where = self.table, self.declaration.where
        key = check_batch_key(batch_key, where) if batch_key is not None else new_batch_key()
        frame = keys if is_spark(keys) else to_polars(keys, where)
        given = list(getattr(frame, "columns", []))
        on = [c for c in table.key if c in given]
        if any(c not in on for c in self.declaration.primary_key) or set(given) - set(on):
            raise SchemaMismatch(
                where,
                what=f"Rows are deleted by {table.key}; the frame has {given[:20]}.",
                state="was not changed",
                next_step=f"give a frame with the columns {list(self.declaration.primary_key)}"
                + (f", and {self.declaration.event_time!r} for single rows." if self.declaration.event_time else "."),
            )
        columns = tuple(table.spec.by_name[c] for c in on)
        spec = ContractSpec(table.spec.grain, columns, (), table.spec.model, table.spec.source_hash)
        with spools_cleared():
            rows = conformed(frame, spec, where, self._store.shop)
            request = Request("delete", key, reason)
            receipt = self._store.writer.delete(table, _keys(rows, spec, on, where), on, request)
        log.info("%s", receipt)
        return receipt

    def read(self, as_of: AsOf = None, *, engine: EngineChoice | None = None, with_ingested_at: bool = False) -> Any:
        """The rows of a version.

        Args:
            as_of: Version, aware instant (in-commit time, inclusive) or None for the newest version.
            engine: ``polars`` gives a Polars LazyFrame, ``spark`` a Spark DataFrame, ``auto`` chooses by size and
                logs which and why.
            with_ingested_at: Add the instant at which the store took each row in.
        """
        frame, reader, why = self._store.reader.read(self.table, as_of, engine, ingested=with_ingested_at)
        log.info("reading %s with %s", self.declaration, why)
        del reader
        return frame.to_native()

    def read_changes(self, since: AsOf = None, until: AsOf = None, *, engine: EngineChoice | None = None) -> Any:
        """Row changes of the versions after `since` up to and including `until`.

        Adds ``_change_type`` (insert, update_preimage, update_postimage, delete) and ``_commit_version`` (int64).
        Same frames as `read`; `since` None is the beginning, `until` None the newest version.
        """
        frame, why = self._store.reader.changes(self.table, since, until, engine)
        log.info("reading changes of %s with %s", self.declaration, why)
        return frame.to_native()

    def history(self, limit: int | None = None) -> History:
        """Every commit, newest first: when, what, how many rows, by whom and why."""
        return self._store.reader.history(self.table, limit)

    def statistics(self, as_of: AsOf = None, *, engine: EngineChoice | None = None) -> Statistics:
        """Statistics of a version, computed at the first request and stored."""
        return self._store.reader.statistics(self.table, as_of, engine)

    def rejected(self, batch_key: str | None = None) -> pl.DataFrame:
        """The quarantined rows, with ``reason``, ``rejected_id``, ``batch_key`` and ``rejected_at``."""
        found = self._store.reader.rejected(self.table)
        if found is None:
            added = {REASON: pl.String(), REJECTED_ID: pl.String(), BATCH_KEY: pl.String()}
            return pl.DataFrame(schema=self.table.spec.polars_schema | added | {REJECTED_AT: pl.Datetime("us", "UTC")})
        frame = found if batch_key is None else found.filter(nw.col(BATCH_KEY) == batch_key)
        return self._store.shop.polars.collect(frame)

    def resubmit(self, fixed: object, *, reason: str = "re-submitted after a fix") -> Receipt:
        """Insert corrected rows that were quarantined, then take them out of the quarantine.

        Args:
            fixed: Rows as `rejected` gives them, values corrected; ``rejected_id`` says which they were.
            reason: Why, for the history.

        Raises:
            SchemaMismatch: The column ``rejected_id`` is missing.
        """
        where = self.declaration.where
        frame = to_polars(fixed, where)
        if REJECTED_ID not in frame.columns:
            raise SchemaMismatch(
                where,
                what=f"The frame has no column {REJECTED_ID!r}. {did_you_mean(REJECTED_ID, frame.columns)}",
                state="was not written; the rows stay in quarantine",
                next_step="correct the frame that fg.rejected() gave and hand it over whole.",
            )
        ids = frame.get_column(REJECTED_ID)
        rows = frame.drop([c for c in (REASON, REJECTED_ID, BATCH_KEY, REJECTED_AT) if c in frame.columns])
        digest = hashlib.sha256("\n".join(sorted(str(i) for i in ids)).encode()).hexdigest()[:24]
        content = hashlib.sha256(str(rows.hash_rows(seed=0).sort().to_list()).encode()).hexdigest()[:24]
        receipt = self.insert(rows, batch_key=f"resubmit-{digest}-{content}", reason=reason)
        kept_back = self.rejected(f"resubmit-{digest}-{content}").height
        self._store.writer.release(self.table, ids.to_list(), f"release-{digest}-{content}")
        log.info("%s rows left the quarantine, %s went back", len(ids) - kept_back, kept_back)
        return receipt

    def describe(self) -> Description:
        """What it is, its columns and its state, printable and as HTML."""
        return describe(self)

    def _queried(self) -> tuple[FeatureGroup, ContractSpec]:
        return self.declaration, self.table.spec

    def _declare(self, spec: ContractSpec) -> Table:
        """Store the contract that the first good frame showed, and say so."""
        self._spec = self._store.declare(self.declaration, spec)
        shown = ", ".join(f"{c.name} {c.type}" for c in self._spec.columns)
        log.warning("%s: contract inferred from the first frame: %s", self.declaration, shown)
        return self.table

    def _refuse_without_checks(self) -> None:
        """Refuse a write through a group opened by name or keywords whose checks are code, which no lake stores."""
        group, spec = self.declaration, self._spec
        if group.contract is not None or spec is None:
            return
        stored = self._store.declaration_log(group)
        lost = spec.model or (stored and not group.foreign_key and stored[-1]["foreign_key"])
        if not lost:
            return
        raise InvalidDeclaration(
            group.where,
            what=f"It was opened without its declaration; the checks of {spec.model or 'its foreign keys'} are code, "
            "which a lake does not store.",
            state="was not written",
            next_step="open it with fs.get_or_create_feature_group(<its declaration>) and write again.",
        )

    def _refuse_empty(self, rows: Rows, *, allow_empty: bool) -> None:
        if rows.count or allow_empty:
            return
        raise EmptyBatch(
            self.declaration.where,
            what="The frame has the right columns, but no rows.",
            state="was not written",
            next_step="find out why nothing came; if nothing is right, pass allow_empty=True.",
        )

    def _foreign_keys(self, rows: Rows) -> dict[str, Frame]:
        found = {}
        for column, other in self.declaration.foreign_key.items():
            target = self._store.get_or_create_feature_group(other).table
            frame, _, _ = self._store.reader.read(target, None, rows.engine.name, ingested=False)  # type: ignore[arg-type]  # an engine's name
            found[column] = frame.select(nw.col(other.primary_key[0]).alias(column))
        return found

    def __repr__(self) -> str:
        return str(self.describe())

    def _repr_html_(self) -> str:
        return self.describe()._repr_html_()


def _keys(rows: Rows, spec: ContractSpec, on: list[str], where: str) -> Batch:
    """Keys to delete, as a batch."""
    count = rows.count
    total = rows.engine.fingerprint(rows.frame, spec.polars_schema)
    content = hashlib.sha256(f"{on}{total:032x}".encode()).hexdigest()
    report, statistics = Report(where, count, 0, (), 0), Statistics(where, count, ())
    return Batch(rows, count, None, 0, 0, report, statistics, total, content)
