"""Deliveries to a feature group: those that were written, and those that its contract refused."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from feature_groups.store.errors import AlluviaError
from feature_groups.store.metadata import Json, Metadata

NEWEST = 20
"""Deliveries that a rate of failures is taken over."""


@dataclass(frozen=True)
class DeliveryRate:
    """What became of the newest deliveries to a feature group.

    Attributes:
        group: ``<name>_v<version>``.
        deliveries: How many are counted.
        refused: How many of them the contract refused.
        newest_refused: Whether the newest was.
        code: The error's code of the newest that was refused; empty when none was.
        received: Rows of those that were written.
        rejected: Rows of these that were set aside.
    """

    group: str
    deliveries: int
    refused: int
    newest_refused: bool
    code: str
    received: int
    rejected: int

    @property
    def rate(self) -> float:
        """Share of deliveries that were refused."""
        return self.refused / max(1, self.deliveries)


def refuse(metadata: Metadata, group: str, batch_key: str, error: AlluviaError) -> bool:
    """Record that a delivery was refused; False for one that was refused just before: it is the same, tried again.

    Args:
        metadata: Of the lake.
        group: ``<name>_v<version>``.
        batch_key: Of the delivery.
        error: What was wrong.
    """
    log = _log(group)
    newest = metadata.last(log)
    if newest is not None and newest["batch_key"] == batch_key:
        return False
    metadata.append(log, {"batch_key": batch_key, "code": error.code, "recorded_at": datetime.now(UTC).isoformat()})
    return True


def delivery_rate(metadata: Metadata, group: str, newest: int = NEWEST) -> DeliveryRate:
    """What became of the newest deliveries of a feature group that a flow brings up to date.

    Args:
        metadata: Of the lake.
        group: ``<name>_v<version>``.
        newest: How many are counted.
    """
    found = [*_tail(metadata, f"steps/{group}", newest), *_tail(metadata, _log(group), newest)]
    counted = sorted(found, key=lambda entry: str(entry["recorded_at"]))[-newest:]
    refused = [entry for entry in counted if "code" in entry]
    receipts = [entry["receipt"] for entry in counted if "receipt" in entry]
    return DeliveryRate(
        group,
        len(counted),
        len(refused),
        newest_refused=bool(counted) and "code" in counted[-1],
        code=refused[-1]["code"] if refused else "",
        received=sum(receipt["received"] for receipt in receipts),
        rejected=sum(receipt["rejected"] for receipt in receipts),
    )


def _log(group: str) -> str:
    return f"refused/{group}"


def _tail(metadata: Metadata, log: str, most: int) -> Sequence[Json]:
    last = metadata.last_number(log)
    found = (metadata.get(f"{log}/{number:06d}.json") for number in range(max(1, last - most + 1), last + 1))
    return [entry for entry in found if entry is not None]
