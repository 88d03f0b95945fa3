"""The note a commit carries: everything its receipt and the next write need."""

from __future__ import annotations

import getpass
import os
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from feature_groups.store.batch import Batch
from feature_groups.store.history import Commit, TableState
from feature_groups.store.receipts import Receipt
from feature_groups.store.row_hash import FORMAT
from feature_groups.store.table import Table


@dataclass(frozen=True)
class Request:
    """What a caller asks of a write.

    Attributes:
        operation: ``insert``, ``overwrite`` or ``delete``.
        batch_key: Key under which it happens once.
        reason: Why, for the history.
    """

    operation: str
    batch_key: str
    reason: str = ""


def commit_note(
    table: Table,
    request: Request,
    content_hash: str,
    rows: Mapping[str, int],
    after: TableState,
    instant: datetime | None,
) -> dict[str, Any]:
    """What a commit says about itself: the batch, its effect, and the table's state after it."""
    ingested = instant or after.ingested_at
    return {
        "batch_key": request.batch_key,
        "content_hash": content_hash,
        "operation": request.operation,
        "reason": request.reason,
        "who": author(),
        "contract": table.spec.source_hash,
        "rows": dict(rows),
        "ingested_at": ingested.isoformat() if ingested else None,
        # The version tells whether another commit slipped in between; then the rest is not true.
        "table": {
            "version": after.version,
            "rows": after.rows,
            "fingerprint": f"{after.fingerprint:032x}",
            "format": FORMAT,
        },
    }


def asides(batch: Batch) -> dict[str, int]:
    """The rows of a batch that are not written."""
    return {"rejected": batch.rejected_count, "duplicates": batch.duplicates}


def receipt_of(
    table_id: str,
    table: Table,
    batch: Batch,
    request: Request,
    commit: Commit,
    seconds: float,
    *,
    committed: bool = True,
) -> Receipt:
    """The receipt of a batch from the commit's note."""
    note, rows = commit.note, commit.note["rows"]
    return Receipt(
        group=table.group.id,
        operation=str(note["operation"]),
        table_id=table_id,
        version=commit.version,
        committed=committed,
        batch_key=request.batch_key,
        content_hash=str(note["content_hash"]),
        fingerprint=str(note["table"]["fingerprint"]),
        table_rows=int(note["table"]["rows"]),
        received=int(rows.get("received", 0)),
        inserted=int(rows.get("inserted", 0)),
        updated=int(rows.get("updated", 0)),
        unchanged=int(rows.get("unchanged", 0)),
        deleted=int(rows.get("deleted", 0)),
        rejected=int(rows.get("rejected", 0)),
        duplicates=int(rows.get("duplicates", 0)),
        seconds=round(seconds, 3),
        engine=batch.rows.why,
        ingested_at=datetime.fromisoformat(note["ingested_at"]) if committed and note["ingested_at"] else None,
        casts=batch.rows.casts,
        report=batch.report,
        statistics=batch.statistics,
    )


def author() -> str:
    """The user, and the flow run when there is one."""
    run = os.environ.get("ALLUVIA_RUN")
    try:
        user = getpass.getuser()
    except (KeyError, OSError):
        user = f"uid {os.getuid()}"
    return f"{user}, {run}" if run else user
