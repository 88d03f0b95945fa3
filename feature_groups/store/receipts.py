"""The receipt of a write: what came in, what became of it, and which version holds it."""

from __future__ import annotations

import html
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from feature_groups.store.checks import Finding, Report
from feature_groups.store.html_table import html_table
from feature_groups.store.statistics import Statistics


@dataclass(frozen=True)
class Receipt:
    """What a write did; received = inserted + updated + unchanged + rejected + duplicates.

    Attributes:
        group: ``<name>_v<version>`` of the feature group.
        operation: ``insert``, ``overwrite`` or ``delete``.
        table_id: Delta's id of the table.
        version: Delta version that holds the result.
        committed: Whether this write made that version; False when nothing was new.
        batch_key: Key under which the write happens once.
        content_hash: Fingerprint of the rows received, hexadecimal.
        fingerprint: Content fingerprint of the table at `version`, hexadecimal.
        table_rows: Rows of the table at `version`.
        received: Rows received.
        inserted: Rows with a new key.
        updated: Rows whose values changed.
        unchanged: Rows that were there already.
        deleted: Rows removed.
        rejected: Rows set aside by the quarantine policy.
        duplicates: Rows dropped because a later row of the batch has their key.
        seconds: Wall time of the write.
        engine: Which engine computed it, and why.
        ingested_at: The instant the rows carry as ``ingested_at`` (UTC), None when nothing was written.
        casts: Values cast without loss, by column and types.
        report: What the contract found.
        statistics: Statistics of the rows received that met the contract.
    """

    group: str
    operation: str
    table_id: str
    version: int
    committed: bool
    batch_key: str
    content_hash: str
    fingerprint: str
    table_rows: int
    received: int
    inserted: int
    updated: int
    unchanged: int
    deleted: int = 0
    rejected: int = 0
    duplicates: int = 0
    seconds: float = 0.0
    engine: str = ""
    ingested_at: datetime | None = None
    casts: Mapping[str, int] = field(default_factory=dict)
    report: Report | None = field(default=None, repr=False)
    statistics: Statistics | None = field(default=None, repr=False)

    def to_json(self) -> dict[str, Any]:
        """The receipt as plain JSON."""
        plain = {k: v for k, v in vars(self).items() if k not in ("report", "statistics", "ingested_at", "casts")}
        return {
            **plain,
            "casts": dict(self.casts),
            "ingested_at": self.ingested_at.isoformat() if self.ingested_at else None,
            "report": self.report.to_json() if self.report else None,
            "statistics": self.statistics.to_json() if self.statistics else None,
        }

    @classmethod
    def from_json(cls, stored: Mapping[str, Any]) -> Receipt:
        """A stored receipt."""
        values = dict(stored)
        report = values.pop("report", None)
        statistics = values.pop("statistics", None)
        ingested = values.pop("ingested_at", None)
        if report:
            findings = tuple(Finding(f["rule"], f["count"], tuple(f["samples"])) for f in report["findings"])
            report = Report(report["where"], report["rows"], report["bad_rows"], findings, report["rules"])
        return cls(
            **values,
            ingested_at=datetime.fromisoformat(ingested) if ingested else None,
            report=report,
            statistics=Statistics.from_json(statistics) if statistics else None,
        )

    def __str__(self) -> str:
        done = f"version {self.version}" if self.committed else f"nothing new, still version {self.version}"
        counts = [
            f"{value:,} {name}"
            for name, value in (
                ("inserted", self.inserted),
                ("updated", self.updated),
                ("unchanged", self.unchanged),
                ("deleted", self.deleted),
                ("rejected", self.rejected),
                ("duplicates dropped", self.duplicates),
            )
            if value
        ]
        what = ", ".join(counts) or "none"
        return f"{self.group}: {done}; {self.received:,} rows received: {what}; {self.seconds:.2f} s"

    def _repr_html_(self) -> str:
        shown = ("version", "received", "inserted", "updated", "unchanged", "deleted", "rejected", "duplicates")
        table = html_table(shown, [[f"{getattr(self, name):,}" for name in shown]])
        return f"<p><b>{html.escape(self.group)}</b>, {html.escape(self.operation)}</p>{table}"
