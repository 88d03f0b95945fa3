"""Every error a user can meet: one class per code.

    AlluviaError
    ├── declarations   FG001 InvalidDeclaration · FG002 UnknownFeatureGroup · FG003 DeclarationChanged
    │                  FG004 UnknownFeatureView
    ├── batches        FG101 SchemaMismatch · FG102 ContractViolated · FG103 DuplicateKeys · FG104 EmptyBatch
    │                  FG105 TooManyRejected · FG106 UnsupportedFrame · FG107 BatchUnreadable
    ├── writes         FG201 IdempotencyConflict · FG202 TableBusy · FG203 WriteFailed · FG204 EngineUnavailable
    ├── reads          FG301 NoSuchVersion · FG302 NoChangeFeed · FG303 KnowledgeTimeUnavailable
    │                  FG304 NothingWritten · FG305 TableDamaged · FG306 TooLarge
    ├── environment    FG401 JavaMissing · FG402 JarsMissing · FG403 JarsTampered · FG404 InvalidSettings
    │                  FG405 ServerUnavailable
    ├── sources        FG501 SourceMissing · FG502 SourceDamaged
    ├── steps          FG601 StepFailed
    └── datasets       FG701 SplitRefused · FG702 UnknownTrainingDataset · FG703 DatasetDamaged · FG704 DatasetDiffers

The printed form is the same for all: code and title, the object and the state its data is in, what is wrong
with counts and at most a few samples (none for personal columns), and what to type next.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Sequence
from typing import Any, ClassVar

from feature_groups.store.html_table import html_facts


class AlluviaError(Exception):
    """Base of every error raised by this project.

    Attributes:
        code: Stable identifier, for example ``FG103``.
        title: The kind of problem, in two or three words.
        where: The object concerned, for example ``feature group 'ratings' v1``.
        what: What is wrong, with counts.
        state: The state the data is in now, for example ``was not written (still at version 41)``.
        next_step: What the reader should do or type next.
    """

    code: ClassVar[str] = "FG000"
    title: ClassVar[str] = "error"

    def __init__(self, where: str, *, what: str, state: str, next_step: str) -> None:
        self.where, self.what, self.state, self.next_step = where, what, state, next_step
        super().__init__(where, what, state, next_step)

    def __str__(self) -> str:
        what = self.what.strip().replace("\n", "\n  ")
        return f"{self.code} {self.title}: {self.where} {self.state}.\n  {what}\n  Next: {self.next_step}"

    __repr__ = __str__  # what Prefect's log shows of a failed run

    def _repr_html_(self) -> str:
        return html_facts(self.to_dict().items())

    def __reduce__(self) -> tuple[Any, ...]:
        return _rebuild, (type(self), self.where, self.what, self.state, self.next_step), vars(self)

    def to_dict(self) -> dict[str, str]:
        """The same fields as one JSON-ready mapping, for logs and artifacts."""
        return {
            "code": self.code,
            "title": self.title,
            "where": self.where,
            "what": self.what,
            "state": self.state,
            "next_step": self.next_step,
        }


_LISTED = 400
_SHOWN = 80
"""Characters of a name that are compared and shown; the names of a user's columns can be of any length."""


def _rebuild(cls: type[AlluviaError], where: str, what: str, state: str, next_step: str) -> AlluviaError:
    return cls(where, what=what, state=state, next_step=next_step)


def did_you_mean(wrong: str, known: Iterable[str]) -> str:
    """A hint naming the closest known word, or all of them when none is close."""
    shown = (name if name.isprintable() else repr(name)[1:-1] for name in known)
    wrong, names = wrong[:_SHOWN], sorted(name[:_SHOWN] for name in shown)
    close = difflib.get_close_matches(wrong, names, n=1, cutoff=0.6)
    if close:
        return f"Did you mean {close[0]!r}?"
    listed = ", ".join(names[:20])
    more = len(names) > 20 or len(listed) > _LISTED
    return f"There is: {listed[:_LISTED]}{', ...' if more else ''}." if names else "There is none."


class InvalidDeclaration(AlluviaError):
    """A feature group, source or contract cannot mean what it says."""

    code, title = "FG001", "invalid declaration"


class UnknownFeatureGroup(AlluviaError):
    """No feature group of that name and version is in the lake."""

    code, title = "FG002", "unknown feature group"


class DeclarationChanged(AlluviaError):
    """The declaration differs from the stored one in a way that needs a new version."""

    code, title = "FG003", "declaration changed"


class UnknownFeatureView(AlluviaError):
    """No feature view of that name and version is in the lake."""

    code, title = "FG004", "unknown feature view"


class SchemaMismatch(AlluviaError):
    """The batch's columns or types are not the contract's."""

    code, title = "FG101", "schema mismatch"


class ContractViolated(AlluviaError):
    """Rows of the batch break checks of the contract."""

    code, title = "FG102", "contract violated"


class DuplicateKeys(AlluviaError):
    """Several rows of the batch share one key."""

    code, title = "FG103", "duplicate keys"


class EmptyBatch(AlluviaError):
    """The batch has no rows where some were expected."""

    code, title = "FG104", "empty batch"


class TooManyRejected(AlluviaError):
    """More rows are bad than the quarantine policy accepts."""

    code, title = "FG105", "too many rejected rows"


class UnsupportedFrame(AlluviaError):
    """The object handed over is not a frame the store can read."""

    code, title = "FG106", "unsupported frame"


class BatchUnreadable(AlluviaError):
    """The batch could not be computed: a lazy plan or its file failed on the way."""

    code, title = "FG107", "unreadable batch"


class IdempotencyConflict(AlluviaError):
    """A batch key was used before for other content."""

    code, title = "FG201", "batch key used twice"


class TableBusy(AlluviaError):
    """Another live process holds the table's write lock."""

    code, title = "FG202", "table busy"


class WriteFailed(AlluviaError):
    """The engine could not commit the batch.

    Attributes:
        transient: Whether the same call may simply be tried again.
    """

    code, title = "FG203", "write failed"
    transient = False


class EngineUnavailable(AlluviaError):
    """The engine asked for does not exist here or cannot do this."""

    code, title = "FG204", "engine unavailable"


class NoSuchVersion(AlluviaError):
    """The version or instant asked for is not in the table's history."""

    code, title = "FG301", "no such version"


class NoChangeFeed(AlluviaError):
    """The change feed of these versions is not available."""

    code, title = "FG302", "no change feed"


class KnowledgeTimeUnavailable(AlluviaError):
    """The group does not keep what was known when."""

    code, title = "FG303", "knowledge time unavailable"


class NothingWritten(AlluviaError):
    """The feature group is declared but has no rows yet."""

    code, title = "FG304", "nothing written yet"


class TableDamaged(AlluviaError):
    """Files of the table are missing or unreadable."""

    code, title = "FG305", "table damaged"


class TooLarge(AlluviaError):
    """The frame does not fit the engine asked for."""

    code, title = "FG306", "too large"


class JavaMissing(AlluviaError):
    """Java is missing or too old for Spark."""

    code, title = "FG401", "Java missing or too old"


class JarsMissing(AlluviaError):
    """Delta's jars are not in the project cache and could not be fetched."""

    code, title = "FG402", "Delta jars missing"


class JarsTampered(AlluviaError):
    """A jar differs from its pinned checksum."""

    code, title = "FG403", "Delta jar differs from its checksum"


class InvalidSettings(AlluviaError):
    """A setting has a value that cannot be used."""

    code, title = "FG404", "invalid settings"


class ServerUnavailable(AlluviaError):
    """The Prefect server could not be started or reached."""

    code, title = "FG405", "Prefect server unavailable"


class SourceMissing(AlluviaError):
    """A declared raw file is not there."""

    code, title = "FG501", "source missing"


class SourceDamaged(AlluviaError):
    """A raw file is there but cannot be what it should be."""

    code, title = "FG502", "source damaged"


class StepFailed(AlluviaError):
    """A step of a flow failed; says which, on what, and how to replay it.

    Attributes:
        done: What became of every step of the run, this one included.
    """

    code, title = "FG601", "step failed"
    done: Sequence[Any] = ()


class SplitRefused(AlluviaError):
    """Rows cannot be split as asked."""

    code, title = "FG701", "split refused"


class UnknownTrainingDataset(AlluviaError):
    """The feature view has no training dataset of that number, or the dataset no such part."""

    code, title = "FG702", "unknown training dataset"


class DatasetDamaged(AlluviaError):
    """Something a training dataset was stored as, or made from, is gone."""

    code, title = "FG703", "training dataset damaged"


class DatasetDiffers(AlluviaError):
    """A training dataset made again from its pins does not hold what it held."""

    code, title = "FG704", "training dataset differs"
