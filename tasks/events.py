"""The events we emit: small, typed, idempotent. An event is a hint that a version moved; the log is the truth."""

from __future__ import annotations

import uuid
from dataclasses import asdict, dataclass
from typing import ClassVar

from prefect.events import emit_event

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

_NAMESPACE = uuid.UUID("6f1c6d0e-4f6b-4d51-9f0a-2f4f0f6f2a51")
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


def is_bad_data(error: AlluviaError) -> bool:
    """Whether the data was refused, and not the machine, the code or the settings at fault."""
    return isinstance(error, _BAD_DATA)


def emit(event: FeatureGroupCommitted | ContractFailed | ModelReleased) -> None:
    """Send an event about a feature group or a model to the Prefect server."""
    if isinstance(event, ModelReleased):
        kind, name = "model", event.registry
    else:
        kind, name = "feature-group", event.group
    resource = {"prefect.resource.id": f"alluvia.{kind}.{name}", "prefect.resource.name": name}
    emit_event(event=event.name, resource=resource, payload=asdict(event), id=event.id)
