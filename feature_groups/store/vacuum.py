"""Removing the files that no version to be kept needs.

Kept are the versions that are pinned, and those that were the newest one at any time in the last `retain`: their data
files, deletion vectors, and what the changes of their commits are read from. The log says which files those are; the
log itself is never touched. The order of removals does not matter, since no kept version needs what goes; what will be
unreadable is recorded first, so that a reader is told also when a vacuum died half-way.
"""

from __future__ import annotations

import contextlib
import logging
import os
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

from feature_groups.store.clock import system_clock
from feature_groups.store.commit_note import author
from feature_groups.store.engine import TableLog
from feature_groups.store.errors import AlluviaError, InvalidSettings, TableDamaged, WriteFailed
from feature_groups.store.faults import faultpoint
from feature_groups.store.feature_group import FeatureGroup
from feature_groups.store.metadata import Metadata
from feature_groups.store.pins import Pins
from feature_groups.store.table import Table
from feature_groups.store.table_files import FoundFile, in_force_since, needed, spans, whole
from feature_groups.store.vacuum_log import VacuumLog, VacuumRecord
from feature_groups.store.vacuum_report import HeldVersion, VacuumedTable, VacuumReport

if TYPE_CHECKING:
    from feature_groups.store.declarations import Declarations
    from feature_groups.store.feature_store import FeatureStore

log = logging.getLogger(__name__)

RETAIN = timedelta(days=30)
"""The history that is kept when nothing else is asked for."""

SAFETY_AGE = timedelta(hours=1)
"""Files of no commit that are younger may be those of a foreign writer about to commit."""


@dataclass(frozen=True)
class _Plan:
    """What a vacuum of one table will do."""

    path: str
    newest: int
    going: Sequence[FoundFile]
    report: VacuumedTable


def vacuum(
    store: FeatureStore, declarations: Declarations, retain: timedelta, group: FeatureGroup | None, *, dry_run: bool
) -> VacuumReport:
    """Vacuum one feature group or all; a group that cannot be is reported, by the error, after the others are done."""
    if not isinstance(retain, timedelta) or retain < timedelta(0):
        raise InvalidSettings(
            "vacuum",
            what=f"retain is {retain!r}; it is the length of the history to keep.",
            state="removed nothing",
            next_step="give a timedelta of 0 or more, for example retain=timedelta(days=30).",
        )
    names = [group.id] if group is not None else declarations.ids()
    done: list[VacuumedTable] = []
    failed: list[AlluviaError] = []
    for name, _, version in (group_id.rpartition("_v") for group_id in names):
        declared, spec = declarations.load(name, int(version))
        try:
            done += store.writer.vacuum(Table(declared, spec, store.lake), retain, dry_run=dry_run)
        except AlluviaError as error:
            log.warning("%s", error)
            failed.append(error)
    report = VacuumReport(done, retain=retain, dry_run=dry_run)
    if failed:
        failed[0].add_note(f"{report!r}")
        raise failed[0]
    return report


def vacuum_group(
    tables: TableLog, metadata: Metadata, table: Table, retain: timedelta, *, dry_run: bool
) -> list[VacuumedTable]:
    """Vacuum a feature group's rows and its rejected rows; the caller holds the group's lock.

    Args:
        tables: The tables' logs.
        metadata: Where the pins are and the vacuum is recorded.
        table: The group's table.
        retain: The history to keep, back from the system's "now": commits have the system's times, whatever the
            store's clock says.
        dry_run: Only say what would go.

    Raises:
        TableDamaged: A log is not whole or not understood, or the newest version cannot be read; nothing was removed.
        WriteFailed: A file cannot be removed.
    """
    now = system_clock()
    cutoff = now - min(retain, now - datetime.min.replace(tzinfo=UTC))
    pins = Pins(metadata).pinned(table.group.id)
    plans = [
        _plan(tables, path, name, cutoff, pins if path == table.path else {})
        for path, name in ((table.path, table.group.id), (table.rejected_path, f"{table.group.id} (rejected rows)"))
        if tables.exists(path)
    ]
    faultpoint("vacuum.planned")
    for plan in plans:
        if plan.going and not dry_run:
            if plan.path == table.path:
                rows, changes = (tuple(spans(v)) for v in (plan.report.readable, plan.report.changes))
                table_id, length = tables.at(plan.path).table_id, retain.total_seconds()
                record = VacuumRecord(table_id, now.isoformat(), author(), length, plan.newest, rows, changes)
                VacuumLog(metadata, table.group.id).append(record)
                faultpoint("vacuum.recorded")
            _remove(plan, table.group.where)
        log.info("%s%s", "dry run: " if dry_run else "", plan.report)
    return [plan.report for plan in plans]


def _plan(
    tables: TableLog, path: str, name: str, cutoff: datetime, pins: Mapping[tuple[str, int], Sequence[str]]
) -> _Plan:
    commits, found = tables.commit_files(path), tables.found_files(path)
    newest, ids = commits[-1].version, {c.table_id for c in commits}
    young_enough = in_force_since(commits, cutoff)
    kept = {*young_enough, *(version for table_id, version in pins if table_id in ids)}
    keep, known = needed(commits, kept), {file for c in commits for file in c.files}
    oldest = time.time() - SAFETY_AGE.total_seconds()
    young = {f.name for f in found if f.of not in known and f.modified > oldest}
    going = [f for f in found if f.of not in keep and f.name not in young]
    rows, changes = whole(commits, _gone(path, known, found, going))
    now = tables.at(path, newest)
    problem = now.damage() or (None if newest in rows else now.missing())
    if problem:
        raise TableDamaged(
            f"table {name!r}",
            what=f"Its newest version {newest} cannot be read: {problem}.",
            state="was not vacuumed, and is as it was",
            next_step="restore the folder from a copy; what is left of older versions may help.",
        )
    anyhow = needed(commits, young_enough) if pins else set()
    sizes = {f.name: f.size for f in found}
    held = []
    for (table_id, version), owners in pins.items():
        obstacle = _obstacle(version, newest, rows, same_table=table_id in ids)
        only = [] if obstacle else [sizes[f] for f in needed(commits, {version}) - anyhow if f in sizes]
        held.append(HeldVersion(version, tuple(owners), len(only), sum(only), obstacle))
    freed = sum(f.size for f in going)
    report = VacuumedTable(
        name=name,
        kept=len(found) - len(going),
        kept_size=sum(f.size for f in found) - freed,
        removed=len(going),
        freed=freed,
        young=len(young),
        readable=tuple(rows),
        changes=tuple(changes),
        pins=tuple(held),
    )
    return _Plan(path, newest, going, report)


def _gone(path: str, known: set[str], found: Sequence[FoundFile], going: Sequence[FoundFile]) -> set[str]:
    """The files of the log that will not be there."""
    removed = {f.name for f in going}
    there = {f.name for f in found} - removed
    # What is not found may be elsewhere, or behind a symbolic link.
    return {f for f in known - there if f in removed or not os.path.exists(os.path.join(path, f))}


def _obstacle(version: int, newest: int, rows: Sequence[int], *, same_table: bool) -> str:
    if not same_table:
        return "of a table that was removed"
    if version > newest:
        return f"newer than the newest version {newest}"
    return "" if version in rows else "files of it are gone"


def _remove(plan: _Plan, where: str) -> None:
    for file in plan.going:
        faultpoint("vacuum.removing")
        try:
            with contextlib.suppress(FileNotFoundError):
                os.unlink(os.path.join(plan.path, file.name))
        except OSError as error:
            raise WriteFailed(
                where,
                what=f"The file {file.name} cannot be removed: {error.strerror}.",
                state="was not vacuumed to the end; every version to be kept can be read",
                next_step="give this process the right to remove files there, and vacuum again.",
            ) from error
