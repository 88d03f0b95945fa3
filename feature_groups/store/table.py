"""Where one feature group lives in a lake, and with which columns."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path

from feature_groups.store.contract import ContractSpec
from feature_groups.store.feature_group import FeatureGroup
from feature_groups.store.names import INGESTED_AT, IS_DELETED

REASON, REJECTED_ID, REJECTED_AT, BATCH_KEY = "reason", "rejected_id", "rejected_at", "batch_key"


@dataclass(frozen=True)
class Layout:
    """How a table's files are laid out.

    Attributes:
        indexed: Columns whose minimum and maximum are kept per file.
        partition_by: Columns with a folder per value.
        cluster_by: Columns by which files are clustered.
    """

    indexed: tuple[str, ...] = ()
    partition_by: tuple[str, ...] = ()
    cluster_by: tuple[str, ...] = ()


@dataclass(frozen=True)
class Table:
    """One version of a feature group in a lake.

    Attributes:
        group: The declaration.
        spec: Its contract, as stored.
        lake: The lake's folder.
    """

    group: FeatureGroup
    spec: ContractSpec
    lake: Path

    @property
    def path(self) -> str:
        """The Delta table."""
        return str(self.lake / "feature_groups" / self.group.id)

    @property
    def rejected_path(self) -> str:
        """The Delta table of quarantined rows."""
        return str(self.lake / "rejected" / self.group.id)

    @property
    def lock_path(self) -> Path:
        """The lock file every writer holds."""
        return self.lake / "locks" / f"{self.group.id}.lock"

    @property
    def keeps(self) -> bool:
        """Whether corrections are kept beside what they correct."""
        return self.group.corrections == "keep"

    @property
    def key(self) -> list[str]:
        """The columns rows are unique by."""
        return list(self.group.key)

    @property
    def content(self) -> list[str]:
        """The contract's other columns."""
        return [n for n in self.spec.names if n not in self.group.key]

    @property
    def layout(self) -> Layout:
        """How its files are laid out."""
        indexed = dict.fromkeys([*self.group.key, INGESTED_AT, *self.group.cluster_by])
        return Layout(tuple(indexed), tuple(self.group.partition_by), tuple(self.group.cluster_by))

    def receipt_path(self, batch_key: str) -> str:
        """The metadata object of a batch's receipt."""
        return f"groups/{self.group.id}/receipts/{hashlib.sha256(batch_key.encode()).hexdigest()[:32]}.json"

    def columns(self) -> list[tuple[str, str, bool, str]]:
        """The table's columns as (name, Spark type, nullable, comment), reserved ones last."""
        declared = [(c.name, c.spark, c.nullable, _comment(c.description, c.unit)) for c in self.spec.columns]
        reserved = [(INGESTED_AT, "timestamp", False, "When the store took the row in.")]
        if self.keeps:
            reserved.append((IS_DELETED, "boolean", False, "Whether the row says that its key was deleted."))
        return declared + reserved

    def rejected_columns(self) -> list[tuple[str, str, bool, str]]:
        """The columns of the table of quarantined rows; everything may be NULL in a bad row."""
        declared = [(c.name, c.spark, True, c.description) for c in self.spec.columns]
        return [
            *declared,
            (REASON, "string", False, "The rules the row breaks."),
            (REJECTED_ID, "string", False, "Names the row when it is re-submitted."),
            (BATCH_KEY, "string", False, "The batch the row came with."),
            (REJECTED_AT, "timestamp", False, "When the row was set aside."),
        ]


def _comment(description: str, unit: str) -> str:
    return f"{description} Unit: {unit}." if unit else description
