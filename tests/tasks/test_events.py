from __future__ import annotations

import inspect
import json
from dataclasses import asdict, replace
from datetime import UTC, datetime
from typing import Any

import pytest

from feature_groups.store import Receipt, errors
from feature_groups.store.errors import AlluviaError
from tasks import events
from tasks.events import ContractFailed, FeatureGroupCommitted, emit, is_bad_data

RECEIPT = Receipt(
    group="ratings_v1",
    operation="insert",
    table_id="0f7e",
    version=3,
    committed=True,
    batch_key="ratings_v1-abc",
    content_hash="c0",
    fingerprint="f1",
    table_rows=12,
    received=10,
    inserted=4,
    updated=3,
    unchanged=3,
    deleted=2,
    ingested_at=datetime(2026, 1, 1, tzinfo=UTC),
)
COMMITTED = FeatureGroupCommitted.of(RECEIPT)
FAILED = ContractFailed("ratings_v1", "FG102", "ratings_v1-abc")

BAD_DATA = {
    "ContractViolated",
    "DuplicateKeys",
    "EmptyBatch",
    "SchemaMismatch",
    "SourceDamaged",
    "TooManyRejected",
}


def test_an_event_tells_a_version_and_little_else() -> None:
    assert asdict(COMMITTED) == {
        "group": "ratings_v1",
        "table_id": "0f7e",
        "version": 3,
        "inserted": 4,
        "updated": 3,
        "deleted": 2,
        "fingerprint": "f1",
    }
    assert len(json.dumps(asdict(COMMITTED))) < 500


def test_the_same_version_is_the_same_event_and_another_one_another() -> None:
    assert COMMITTED.id == FeatureGroupCommitted.of(replace(RECEIPT, seconds=9.0)).id
    others = [replace(COMMITTED, version=4), replace(COMMITTED, table_id="1a"), FAILED, replace(FAILED, code="FG502")]
    others.append(replace(FAILED, batch_key="other"))
    assert len({COMMITTED.id, *(other.id for other in others)}) == 6


@pytest.mark.parametrize("event", [COMMITTED, FAILED], ids=lambda event: event.name)
def test_an_event_is_about_its_group(
    event: FeatureGroupCommitted | ContractFailed, monkeypatch: pytest.MonkeyPatch
) -> None:
    sent: list[dict[str, Any]] = []
    monkeypatch.setattr(events, "emit_event", lambda **given: sent.append(given))
    emit(event)

    assert sent == [
        {
            "event": event.name,
            "resource": {
                "prefect.resource.id": "alluvia.feature-group.ratings_v1",
                "prefect.resource.name": "ratings_v1",
            },
            "payload": asdict(event),
            "id": event.id,
        }
    ]


def test_only_refused_data_is_a_failed_contract() -> None:
    """A busy table, a missing JVM or a wrong declaration must not wake who watches the data."""
    kinds = [kind for _, kind in inspect.getmembers(errors, inspect.isclass) if issubclass(kind, AlluviaError)]
    made = [kind("x", what="w", state="s", next_step="n") for kind in kinds]

    assert {type(error).__name__ for error in made if is_bad_data(error)} == BAD_DATA
