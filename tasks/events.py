"""The events we emit: small, typed, idempotent. An event is a hint that a version moved; the log is the truth."""

from __future__ import annotations

import uuid
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, ClassVar

from prefect.events import emit_event
from prefect.runtime import flow_run

from feature_groups.store import Receipt
from feature_groups.store.errors import (
    AlluviaError,
    ContractViolated,
    DuplicateKeys,
    EmptyBatch,
    SchemaMismatch,
    SourceDamaged,
    TooManyRejected,
)
from feature_groups.store.metadata import Metadata
from feature_groups.store.outbox import Notice, TableVersion, notice
from feature_groups.store.overdue import Overdue

PART = "alluvia-part"
"""Tag of the runs within a run of the pipeline: each of them can be left behind by a process that died."""

_NAMESPACE = uuid.UUID("6f1c6d0e-4f6b-4d51-9f0a-2f4f0f6f2a51")
_LABEL = 80
"""Characters of a payload's word that is a label too."""

_BAD_DATA = (ContractViolated, DuplicateKeys, EmptyBatch, SchemaMismatch, SourceDamaged, TooManyRejected)


@dataclass(frozen=True)
class FeatureGroupCommitted:
    """A feature group has a new version.

    Attributes:
        group: ``<name>_v<version>``.
        table_id: Delta's id of the table.
        version: Delta version.
        inserted: Rows added.
        updated: Rows changed.
        deleted: Rows removed.
        fingerprint: Content fingerprint of the version.
    """

    name: ClassVar[str] = "feature-group.committed"
    group: str
    table_id: str
    version: int
    inserted: int
    updated: int
    deleted: int
    fingerprint: str

    @classmethod
    def of(cls, receipt: Receipt) -> FeatureGroupCommitted:
        """The event of a write that made a version."""
        counts = (receipt.inserted, receipt.updated, receipt.deleted)
        return cls(receipt.group, receipt.table_id, receipt.version, *counts, receipt.fingerprint)

    @classmethod
    def of_version(cls, found: TableVersion) -> FeatureGroupCommitted:
        """The event of a version that stands in a table's log."""
        counts = (found.inserted, found.updated, found.deleted)
        return cls(found.group, found.table_id, found.version, *counts, found.fingerprint)

    @property
    def id(self) -> uuid.UUID:
        """The same for the same version of the same table, however often it is emitted."""
        return uuid.uuid5(_NAMESPACE, f"{self.table_id}@{self.version}")


@dataclass(frozen=True)
class ContractFailed:
    """A delivery or batch broke its contract.

    Attributes:
        group: ``<name>_v<version>``.
        code: The error's code, for example FG102.
        batch_key: The batch that was refused.
    """

    name: ClassVar[str] = "contract.failed"
    group: str
    code: str
    batch_key: str

    @property
    def id(self) -> uuid.UUID:
        """The same for the same refused batch."""
        return uuid.uuid5(_NAMESPACE, f"{self.batch_key}:{self.code}")


@dataclass(frozen=True)
class ModelReleased:
    """A training has made a release.

    Attributes:
        registry: Name of the registry.
        release: Id of the release.
        blessed: Whether it passed its gates.
        switch: Number of the newest switch of the registry.
    """

    name: ClassVar[str] = "model.released"
    registry: str
    release: str
    blessed: bool
    switch: int

    @property
    def id(self) -> uuid.UUID:
        """The same for the same release at the same switch."""
        return uuid.uuid5(_NAMESPACE, f"{self.release}@{self.switch}")


@dataclass(frozen=True)
class FeatureDrifted:
    """What a release sees, or says, has moved away from what it was trained on.

    Attributes:
        registry: Name of the registry.
        release: Id of the release that serves.
        window: First instant of the window, as ISO text.
        what: The features, or ``score``; at most ten, the most severe first.
        severity: Of the most severe one.
    """

    name: ClassVar[str] = "feature.drifted"
    registry: str
    release: str
    window: str
    what: tuple[str, ...]
    severity: str

    @property
    def id(self) -> uuid.UUID:
        """The same for the same window of the same release."""
        return uuid.uuid5(_NAMESPACE, f"{self.release}@{self.window}:drifted")


@dataclass(frozen=True)
class MetricBreached:
    """A metric of a release may be below what it must not fall below: the lower end of its interval is.

    Attributes:
        registry: Name of the registry.
        release: Id of the release.
        metric: For example ``ndcg@10``.
        window: First instant of the window, as ISO text.
        value: As measured.
        lower: Lower confidence bound of the value.
        upper: Upper confidence bound of the value.
        floor: What it must not fall below.
    """

    name: ClassVar[str] = "metric.breached"
    registry: str
    release: str
    metric: str
    window: str
    value: float
    lower: float
    upper: float
    floor: float

    @property
    def id(self) -> uuid.UUID:
        """The same for the same metric, window and release."""
        return uuid.uuid5(_NAMESPACE, f"{self.release}@{self.window}:{self.metric}")


@dataclass(frozen=True)
class FreshnessMissed:
    """A feature group has not changed for longer than it declares.

    Attributes:
        group: ``<name>_v<version>``.
        table_id: Delta's id of the table.
        version: The newest version in which rows changed.
        since: When that was committed, as ISO text.
        allowed: Seconds after it within which the next change was due.
    """

    name: ClassVar[str] = "freshness.missed"
    group: str
    table_id: str
    version: int
    since: str
    allowed: float

    @classmethod
    def of(cls, late: Overdue) -> FreshnessMissed:
        """The event of a group that is overdue."""
        return cls(late.group, late.table_id, late.version, late.since.isoformat(), late.allowed.total_seconds())

    @property
    def id(self) -> uuid.UUID:
        """The same until the group changes."""
        return uuid.uuid5(_NAMESPACE, f"{self.table_id}@{self.version}:overdue")


Event = FeatureGroupCommitted | ContractFailed | ModelReleased | FeatureDrifted | MetricBreached | FreshnessMissed


def is_bad_data(error: AlluviaError) -> bool:
    """Whether the data was refused, and not the machine, the code or the settings at fault."""
    return isinstance(error, _BAD_DATA)


def emit(event: Event, metadata: Metadata | None = None) -> None:
    """Send an event about a feature group or a model to the Prefect server.

    Args:
        event: What happened.
        metadata: Of the lake; there it is kept first, so that it is not lost with the server. A commit needs it not:
            its table's log is where it is kept.
    """
    about = f"feature-group.{event.group}" if hasattr(event, "group") else f"model.{event.registry}"
    if metadata is not None and not isinstance(event, FeatureGroupCommitted):
        notice(metadata, Notice(event.name, str(event.id), about, asdict(event)))
    send(event.name, about, asdict(event), event.id)


def send(name: str, about: str, payload: Mapping[str, Any], identity: uuid.UUID) -> None:
    """Send an event by its parts; of two with one identity the server takes one.

    Words and switches of the payload are labels of the resource as well, for automations can match only those. So is
    whether the pipeline says it, which needs nobody to wake it for what it is at work on.
    """
    plain = {key: str(value).lower() if isinstance(value, bool) else value for key, value in payload.items()}
    words = {key: value for key, value in plain.items() if isinstance(value, str) and 0 < len(value) <= _LABEL}
    labels = {f"alluvia.{key}": word for key, word in words.items()}
    labels["alluvia.within"] = "pipeline" if PART in flow_run.tags else "nothing"
    resource = {"prefect.resource.id": f"alluvia.{about}", "prefect.resource.name": about.partition(".")[2]}
    emit_event(event=name, resource=resource | labels, payload=dict(payload), id=identity)
