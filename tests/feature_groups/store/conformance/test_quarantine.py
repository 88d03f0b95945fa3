from __future__ import annotations

import logging

import polars as pl
import pytest

from feature_groups.store import FeatureStore
from feature_groups.store.errors import ContractViolated, SchemaMismatch, TooManyRejected
from visits import Rows, frame, rows_of, visits

SECRET = "Ada Lovelace, 10 Down Street"
GOOD: Rows = {(user, 0): (float(user), SECRET, None) for user in range(1, 9)}
BAD: Rows = {(0, 0): (1.0, SECRET, None), (10, 0): (101.0, SECRET, ["x"])}
REASONS = {0: "user_id greater_than_or_equal_to(1)", 10: "score less_than_or_equal_to(100)"}


def test_bad_rows_are_set_aside_told_corrected_and_taken_back(
    light_store: FeatureStore, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG, logger="feature_groups")
    group = light_store.get_or_create_feature_group(visits(policy="quarantine", max_rejected=0.5))
    receipt = group.insert(frame({**GOOD, **BAD}), batch_key="monday")
    assert (receipt.received, receipt.inserted, receipt.rejected) == (10, 8, 2)
    assert receipt.report is not None
    assert {f.rule: f.count for f in receipt.report.findings} == dict.fromkeys(REASONS.values(), 1)
    assert rows_of(group.read()) == GOOD

    aside = group.rejected()
    assert dict(aside.select("user_id", "reason").rows()) == REASONS
    assert set(aside["batch_key"]) == {"monday"}
    assert aside["rejected_id"].n_unique() == 2
    assert rows_of(aside.lazy().select(frame(BAD).columns)) == BAD
    assert group.rejected("tuesday").is_empty()
    assert group.insert(frame({**GOOD, **BAD}), batch_key="monday") == receipt
    assert group.rejected().height == 2

    with pytest.raises(SchemaMismatch, match="rejected_id"):
        group.resubmit(aside.drop("rejected_id"))
    half = group.resubmit(aside.with_columns(score=pl.lit(50.0)))
    assert (half.inserted, half.rejected) == (1, 1)
    aside = group.rejected()
    assert dict(aside.select("user_id", "reason").rows()) == {0: REASONS[0]}
    assert set(aside["batch_key"]) == {half.batch_key}

    fixed = aside.with_columns(user_id=20)
    back = group.resubmit(fixed)
    assert (back.inserted, back.rejected) == (1, 0)
    assert group.rejected().is_empty()
    assert rows_of(group.read()) == {**GOOD, (20, 0): (50.0, SECRET, None), (10, 0): (50.0, SECRET, ["x"])}
    assert group.resubmit(fixed) == back
    assert group.history(1)[0].version == back.version == 3

    shown = [caplog.text, repr(receipt), str(receipt), str(receipt.report), repr(receipt.statistics), repr(group)]
    shown += [receipt.report._repr_html_(), repr(group.history())]
    shown += [file.read_text() for file in (light_store.lake / "metadata").rglob("*.json")]
    assert not [text for text in shown if SECRET in text]
    assert not list((light_store.lake / "spool").iterdir())


def test_too_many_bad_rows_are_refused_and_nothing_is_set_aside(light_store: FeatureStore) -> None:
    group = light_store.get_or_create_feature_group(visits(policy="quarantine", max_rejected=0.19))
    with pytest.raises(TooManyRejected, match=r"2 of 10 rows \(20\.0%\) are bad; 19\.0% is accepted") as caught:
        group.insert(frame({**GOOD, **BAD}))
    assert SECRET not in str(caught.value)
    assert group.rejected().is_empty()
    assert not (light_store.lake / "feature_groups").exists()


def test_a_warning_policy_writes_and_reports(light_store: FeatureStore) -> None:
    group = light_store.get_or_create_feature_group(visits(policy="warn"))
    receipt = group.insert(frame({**GOOD, **BAD}))
    assert (receipt.inserted, receipt.rejected) == (10, 0)
    assert receipt.report is not None
    assert receipt.report.bad_rows == 2
    assert rows_of(group.read()) == {**GOOD, **BAD}
    with pytest.raises(ContractViolated, match="score finite"):
        group.insert(frame({(1, 1): (float("nan"), None, None)}))


def test_a_strict_policy_writes_nothing_and_shows_no_personal_value(light_store: FeatureStore) -> None:
    group = light_store.get_or_create_feature_group(visits())
    with pytest.raises(ContractViolated) as caught:
        group.insert(frame({**GOOD, **BAD}))
    assert "2 of 10 rows are bad" in str(caught.value)
    assert SECRET not in str(caught.value)
    assert not (light_store.lake / "feature_groups").exists()
    with pytest.raises(SchemaMismatch) as mismatch:
        group.insert(frame(GOOD).with_columns(name=pl.lit(SECRET.encode())))
    assert SECRET not in str(mismatch.value)


def test_every_engine_sets_the_same_rows_aside_and_all_that_repeat_a_key(store: FeatureStore) -> None:
    group = store.get_or_create_feature_group(visits(policy="quarantine", max_rejected=1.0))
    twice: Rows = {(1, 0): (7.0, SECRET, None)}
    receipt = group.insert(pl.concat([frame({**BAD, **twice, (2, 0): (2.0, None, None)}), frame(twice)]))
    assert (receipt.received, receipt.inserted, receipt.rejected, receipt.duplicates) == (5, 1, 4, 0)
    aside = group.rejected()
    again = aside.filter(pl.col("reason") == "key repeated in the batch")
    assert again["user_id"].to_list() == [1, 1]
    rest = aside.filter(pl.col("user_id") != 1)
    assert dict(rest.select("user_id", "reason").rows()) == REASONS
    assert rows_of(rest.lazy().select(frame(BAD).columns)) == BAD
    assert rows_of(group.read(engine="polars")) == {(2, 0): (2.0, None, None)}
