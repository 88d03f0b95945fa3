"""Which files of a table its versions need: for a version's rows, and for the changes that its commit made."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from datetime import datetime
from typing import NamedTuple


class RowFile(NamedTuple):
    """Rows of a table: a data file, less the rows that a deletion vector marks.

    Files are named by their path in the table's folder, or absolutely when they lie elsewhere.

    Attributes:
        data: The data file.
        vector: The file with its deletion vector; empty when there is none, or when it stands in the log itself.
        mark: Tells vectors of one file apart.
    """

    data: str
    vector: str = ""
    mark: str = ""

    @property
    def files(self) -> tuple[str, ...]:
        """The files all of which are needed to read the rows."""
        return (self.data, self.vector) if self.vector else (self.data,)


class CommitFiles(NamedTuple):
    """What one commit did to a table's files.

    Attributes:
        version: The version it made.
        committed_at: In-commit instant (UTC); None when the log does not say.
        added: What the version has and the one before has not.
        removed: What the version before has and this one has not.
        changes: The files its change feed is read from.
        table_id: Delta's id of the table, where the commit says it; else empty.
    """

    version: int
    committed_at: datetime | None
    added: tuple[RowFile, ...] = ()
    removed: tuple[RowFile, ...] = ()
    changes: tuple[str, ...] = ()
    table_id: str = ""

    @property
    def files(self) -> Iterator[str]:
        """Every file it mentions."""
        yield from (file for rows in (*self.added, *self.removed) for file in rows.files)
        yield from self.changes


class FoundFile(NamedTuple):
    """A file that lies in a table's folder.

    Attributes:
        name: Its path in the folder.
        size: Bytes.
        modified: When it was last changed, in seconds since 1970.
        of: The file it goes with: a checksum with what it is the checksum of, any other with itself.
    """

    name: str
    size: int
    modified: float
    of: str


class CheckedFile(NamedTuple):
    """A file that was read and compared with its checksum.

    Attributes:
        name: Its path in the table's folder.
        size: Bytes.
        problem: What is wrong with it; empty when nothing is.
        has_checksum: Whether there was a checksum to compare with.
    """

    name: str
    size: int
    problem: str
    has_checksum: bool


def in_force_since(commits: Sequence[CommitFiles], instant: datetime) -> range:
    """The versions that were the newest one at that instant or at any later one; the newest is always among them.

    Args:
        commits: All commits, oldest first.
        instant: An aware instant; compared with in-commit times. A commit of unknown time counts as later.
    """
    last = commits[-1].version
    later = (c.version for c in commits if c.committed_at is None or c.committed_at > instant)
    first = min(later, default=last + 1)
    return range(max(first - 1, commits[0].version), last + 1)


def rows_at(commits: Sequence[CommitFiles], version: int) -> set[RowFile]:
    """The rows of one version, by file."""
    now: set[RowFile] = set()
    for commit in commits:
        if commit.version <= version:
            now.difference_update(commit.removed)
            now.update(commit.added)
    return now


def needed(commits: Sequence[CommitFiles], versions: Collection[int]) -> set[str]:
    """The files from which the rows of these versions, and the changes that their commits made, are read.

    Args:
        commits: All commits, oldest first.
        versions: Some of their versions.
    """
    now: set[RowFile] = set()
    found: set[str] = set()
    before = False
    for commit in commits:
        now.difference_update(commit.removed)
        now.update(commit.added)
        kept = commit.version in versions
        if kept:
            fresh = commit.added if before else now
            found.update(file for rows in fresh for file in rows.files)
            found.update(commit.changes)
        before = kept
    return found


def whole(commits: Sequence[CommitFiles], gone: Collection[str]) -> tuple[list[int], list[int]]:
    """The versions whose rows, and those whose commits' changes, can be read without the files that are gone."""
    broken: set[RowFile] = set()
    rows: list[int] = []
    for commit in commits:
        broken.difference_update(commit.removed)
        broken.update(added for added in commit.added if any(file in gone for file in added.files))
        if not broken:
            rows.append(commit.version)
    return rows, [c.version for c in commits if not any(file in gone for file in c.changes)]


def spans(versions: Collection[int]) -> list[tuple[int, int]]:
    """Ascending versions as (first, last) of every gapless run."""
    found: list[tuple[int, int]] = []
    for version in sorted(versions):
        if found and version == found[-1][1] + 1:
            found[-1] = (found[-1][0], version)
        else:
            found.append((version, version))
    return found


def shown(found: Collection[tuple[int, int]]) -> str:
    """Runs of versions for people: ``1, 4 to 6``."""
    return ", ".join(str(a) if a == b else f"{a} to {b}" for a, b in found) or "none"
