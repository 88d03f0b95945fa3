"""Bit rot, missing files and changed content: everything that a lake stores, compared with what was said when written.

Of a table every file that a commit names is read and compared with its checksum, every version that is promised must
have its files, and the rows of the newest version must have the fingerprint that its commit says. Of a training dataset
every file must have its SHA-256.
"""

from __future__ import annotations

import os
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from feature_groups.store.dataset_files import problem
from feature_groups.store.dataset_log import datasets_folder, every_manifest, stored_files
from feature_groups.store.engine import TableLog
from feature_groups.store.errors import AlluviaError
from feature_groups.store.metadata import Metadata
from feature_groups.store.pins import Pins
from feature_groups.store.table import Table
from feature_groups.store.table_files import CheckedFile, CommitFiles, needed, whole
from feature_groups.store.table_state import TableStates
from feature_groups.store.vacuum_log import VacuumLog

if TYPE_CHECKING:
    from feature_groups.store.declarations import Declarations
    from feature_groups.store.feature_store import FeatureStore

_RESTORE = (
    "restore the files from a copy (history lists other versions, which may be whole); or remove the table's folder "
    "and make it anew from its source."
)


@dataclass(frozen=True)
class Verified:
    """What a verification found of one thing.

    Attributes:
        kind: ``group``, ``dataset`` or ``release``.
        name: Of the thing, for example ``ratings_v1``.
        files: How many files were read.
        bytes: Their bytes.
        unsure: Files that have no checksum to compare with.
        problems: What is wrong, a sentence each; it names the file.
        next_step: What to do about them; empty when there are none.
    """

    kind: str
    name: str
    files: int
    bytes: int
    unsure: int = 0
    problems: tuple[str, ...] = ()
    next_step: str = ""

    @property
    def whole(self) -> bool:
        """Whether nothing is wrong."""
        return not self.problems


def verified(store: FeatureStore, declarations: Declarations, names: Collection[str] | None) -> list[Verified]:
    """Every feature group and training dataset of a lake, or those named ``<name>_v<version>`` and ``<view>/<number>``.

    Nothing is written. A group that is written meanwhile is as it was at one of its versions.
    """
    groups = [name for name in declarations.ids() if names is None or name in names]
    found = []
    for name, _, version in (group_id.rpartition("_v") for group_id in groups):
        declared, spec = declarations.load(name, int(version))
        found.append(store.writer.verify(Table(declared, spec, store.lake)))
    manifests = every_manifest(store.metadata)
    chosen = [m for m in manifests if names is None or f"{m['view']}/{m['number']}" in names]
    return found + [_dataset(store.metadata, store.lake, manifest) for manifest in chosen]


def verified_group(tables: TableLog, states: TableStates, metadata: Metadata, table: Table) -> Verified:
    """One feature group: its rows and its rejected rows."""
    name = table.group.id
    paths = [path for path in (table.path, table.rejected_path) if tables.exists(path)]
    files: list[CheckedFile] = []
    problems: list[str] = []
    for path in paths:
        commits, unread = _commits(tables, path)
        mentioned = {file for commit in commits for file in commit.files}
        found = tables.checked_files(path)
        files += found
        # What no commit names is of a write that failed or is at work: no version needs it, and vacuum removes it.
        wrong = [file for file in found if file.problem]
        counted = [f for f in wrong if unread or f.name in mentioned or f.name.startswith("_delta_log/")]
        problems += [*(f"the file {file.name} {file.problem}" for file in counted), *unread]
        if unread:
            continue
        try:
            problems += _promised(tables, metadata, table, path, commits)
            if path == table.path and not problems:
                problems += _content(states, table)
        except AlluviaError as error:
            problems.append(error.what)
    checked, unsure = sum(file.size for file in files), sum(not file.has_checksum for file in files)
    return Verified("group", name, len(files), checked, unsure, tuple(problems), _RESTORE if problems else "")


def _commits(tables: TableLog, path: str) -> tuple[list[CommitFiles], list[str]]:
    """What the commits did, and why that cannot be read."""
    try:
        return tables.commit_files(path), []
    except AlluviaError as error:
        return [], [error.what]


def _promised(
    tables: TableLog, metadata: Metadata, table: Table, path: str, commits: Sequence[CommitFiles]
) -> Iterator[str]:
    """The files of versions that no vacuum gave up, and of pinned ones, that are not there."""
    ids = {c.table_id for c in commits if c.table_id}
    vacuums = VacuumLog(metadata, table.group.id)
    pins = Pins(metadata).pinned(table.group.id) if path == table.path else {}
    pinned = {version: owners for (table_id, version), owners in pins.items() if table_id in ids}
    table_id = tables.at(path).table_id
    kept = {c.version for c in commits if vacuums.explanation(table_id, [c.version]) is None} | set(pinned)
    mentioned = {file for commit in commits for file in commit.files}
    gone = {file for file in mentioned if not os.path.exists(os.path.join(path, file))}
    readable, _ = whole(commits, gone)
    for version in sorted(kept - set(readable)):
        missing = sorted(needed(commits, {version}) & gone)
        owners = f", which {' and '.join(pinned[version])} needs" if version in pinned else ""
        yield f"version {version}{owners}, lacks the file {missing[0] if missing else '?'}"


def _content(states: TableStates, table: Table) -> Iterator[str]:
    """Whether the newest version holds what its commit says."""
    said = states.at(table)
    try:
        found = states.computed(table, said.version)
    except AlluviaError:
        raise
    except Exception as error:
        yield f"version {said.version} cannot be read: {(str(error).splitlines() or [type(error).__name__])[0][:300]}"
        return
    if (found.rows, found.fingerprint) != (said.rows, said.fingerprint):
        yield (
            f"version {said.version} has {found.rows:,} rows with the fingerprint {found.fingerprint:032x}; "
            f"its commit says {said.rows:,} with {said.fingerprint:032x}"
        )


def _dataset(metadata: Metadata, lake: Path, manifest: Mapping[str, Any]) -> Verified:
    folder = datasets_folder(lake, manifest["view"]) / manifest["folder"]
    listed = [(f, *told) for files in stored_files(metadata, manifest).values() for f, told in files.items()]
    problems = [
        f"the file {file} {found}" for file, size, digest in listed if (found := problem(folder, file, size, digest))
    ]
    number = manifest["number"]
    again = f"make it again from its pins, equal to the last bit: fv.rebuild({number}); a spine: create it again."
    return Verified(
        "dataset",
        f"{manifest['view']}/{number}",
        len(listed),
        sum(size for _, size, _ in listed),
        problems=tuple(problems),
        next_step=again if problems else "",
    )
