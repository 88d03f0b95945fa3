from __future__ import annotations

import re
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest

from feature_groups.store.checks import Finding, Report
from feature_groups.store.errors import ContractViolated
from feature_groups.store.history import Commit
from feature_groups.store.receipts import Receipt
from tasks import artifacts
from tasks.artifacts import Progress, artifact_key, publish_failure, publish_receipt, publish_summary

RECEIPT = Receipt(
    group="age_labels_v1",
    operation="insert",
    table_id="0f7e",
    version=3,
    committed=True,
    batch_key="k",
    content_hash="c0",
    fingerprint="f1",
    table_rows=12,
    received=10,
    inserted=4,
    updated=3,
    unchanged=2,
    rejected=1,
    report=Report("feature group 'age_labels' v1", 10, 1, (Finding("age_band isin(1, 18)", 1, ("17",)),), 9),
)


@pytest.fixture
def shown(monkeypatch: pytest.MonkeyPatch) -> dict[str, dict[str, Any]]:
    """What would be sent to the server, by key."""
    sent: dict[str, dict[str, Any]] = {}
    for name in ("create_table_artifact", "create_markdown_artifact", "create_progress_artifact"):
        monkeypatch.setattr(artifacts, name, lambda **given: sent.setdefault(given["key"], given) and "id")
    monkeypatch.setattr(
        artifacts, "update_progress_artifact", lambda made, progress: sent["refresh-progress"].update(progress=progress)
    )
    return sent


@pytest.mark.parametrize("group", ["ratings_v1", "a_v12", "x" * 63 + "_v1"])
def test_keys_are_what_prefect_takes(group: str) -> None:
    assert re.fullmatch(r"commits-[a-z0-9-]+", artifact_key("commits", group))


def test_commits_are_a_table_and_a_contract_a_page(shown: dict[str, dict[str, Any]]) -> None:
    at = datetime(2026, 1, 31, 12, tzinfo=UTC)
    publish_receipt(RECEIPT, [Commit(3, at, "insert", 4, 3, 0, why="a delivery"), Commit(2, at, "overwrite", 9)])

    assert set(shown) == {"commits-age-labels-v1", "contract-age-labels-v1"}
    newest, before = shown["commits-age-labels-v1"]["table"]
    assert (newest["version"], newest["inserted"], newest["updated"], newest["why"]) == (3, 4, 3, "a delivery")
    assert newest["committed (UTC)"] == "2026-01-31 12:00:00"
    assert (before["version"], before["operation"]) == (2, "overwrite")
    assert shown["commits-age-labels-v1"]["description"] == str(RECEIPT)
    page = shown["contract-age-labels-v1"]
    assert "1 of 10 rows break age_band isin(1, 18), e.g. 17" in page["markdown"]
    assert page["description"] == "1 of 10 rows break 1 of 9 rules"


def test_a_commit_without_a_report_has_no_page(shown: dict[str, dict[str, Any]]) -> None:
    publish_receipt(replace(RECEIPT, report=None), [])

    assert set(shown) == {"commits-age-labels-v1"}


def test_a_refused_batch_stands_where_its_report_would(shown: dict[str, dict[str, Any]]) -> None:
    error = ContractViolated("feature group 'age_labels' v1", what="Bad.", state="was not written", next_step="fix.")
    publish_failure("age_labels_v1", error)

    page = shown["contract-age-labels-v1"]
    assert page["markdown"].startswith("# FG102 contract violated\n")
    assert str(error) in page["markdown"]
    assert page["description"] == "FG102: feature group 'age_labels' v1 was not written"


def test_the_summary_is_a_table_of_what_there_is_to_say(shown: dict[str, dict[str, Any]]) -> None:
    publish_summary([{"group": "a_v1", "outcome": "skipped", "why": "unchanged", "error": ""}])

    assert shown["refresh"]["table"] == [{"group": "a_v1", "outcome": "skipped", "why": "unchanged"}]


def test_progress_is_shown_from_the_first_piece_of_work_on(shown: dict[str, dict[str, Any]]) -> None:
    progress = Progress(4, "refresh", "Feature groups refreshed")
    progress.advance(1)
    assert shown == {}

    progress.start(1)
    assert shown["refresh-progress"]["progress"] == 25
    progress.start(3)
    progress.advance(4)
    assert shown["refresh-progress"]["progress"] == 100
