from __future__ import annotations

import inspect
import json
from dataclasses import asdict, replace
from datetime import UTC, datetime
from typing import Any

import pytest

from feature_groups.store import FeatureStore, Receipt, errors
from feature_groups.store.errors import AlluviaError
from feature_groups.store.outbox import Outbox
from tasks import events
from tasks.events import (
    ContractFailed,
    FeatureDrifted,
    FeatureGroupCommitted,
    FreshnessMissed,
    ModelReleased,
    emit,
    is_bad_data,
)

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
LATE = FreshnessMissed("ratings_v1", "0f7e", 3, "2026-01-01T00:00:00+00:00", 3600.0)
DRIFTED = FeatureDrifted("films", "r1", "2026-01-01", ("age", "score"), "severe")
RELEASED = ModelReleased("films", "r1", blessed=True, switch=4)

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


@pytest.fixture
def sent(monkeypatch: pytest.MonkeyPatch) -> list[dict[str, Any]]:
    """What is handed to Prefect."""
    found: list[dict[str, Any]] = []
    monkeypatch.setattr(events, "emit_event", lambda **given: found.append(given))
    return found


@pytest.mark.parametrize("event", [COMMITTED, FAILED, LATE, DRIFTED, RELEASED], ids=lambda event: event.name)
def test_an_event_is_about_its_group_or_model(event: Any, sent: list[dict[str, Any]]) -> None:
    about = "model.films" if event in (DRIFTED, RELEASED) else "feature-group.ratings_v1"
    emit(event)

    (told,) = sent
    assert (told["event"], told["payload"], told["id"]) == (event.name, asdict(event), event.id)
    assert told["resource"]["prefect.resource.id"] == f"alluvia.{about}"
    assert told["resource"]["prefect.resource.name"] == about.partition(".")[2]


def test_words_and_switches_are_labels_that_automations_can_match(sent: list[dict[str, Any]]) -> None:
    emit(RELEASED)
    emit(replace(DRIFTED, severity="x" * 500))

    released, drifted = ({k: v for k, v in told["resource"].items() if k.startswith("alluvia.")} for told in sent)
    labels = {"alluvia.registry": "films", "alluvia.release": "r1", "alluvia.within": "nothing"}
    assert released == labels | {"alluvia.blessed": "true"}
    assert drifted == labels | {"alluvia.window": "2026-01-01"}


def test_what_no_log_of_a_table_tells_is_kept_in_the_lake_before_it_is_sent(
    light_store: FeatureStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    def lost(**given: object) -> None:
        raise ConnectionError("the server is away")

    monkeypatch.setattr(events, "emit_event", lost)
    for event in (DRIFTED, FAILED, COMMITTED):
        with pytest.raises(ConnectionError):
            emit(event, light_store.metadata)

    kept = Outbox(light_store, "reader").notices()
    assert [(one.name, one.id, one.about) for one in kept] == [
        ("feature.drifted", str(DRIFTED.id), "model.films"),
        ("contract.failed", str(FAILED.id), "feature-group.ratings_v1"),
    ]
    assert kept[0].payload["severity"] == "severe"


def test_only_refused_data_is_a_failed_contract() -> None:
    """A busy table, a missing JVM or a wrong declaration must not wake who watches the data."""
    kinds = [kind for _, kind in inspect.getmembers(errors, inspect.isclass) if issubclass(kind, AlluviaError)]
    made = [kind("x", what="w", state="s", next_step="n") for kind in kinds]

    assert {type(error).__name__ for error in made if is_bad_data(error)} == BAD_DATA
