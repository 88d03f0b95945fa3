"""Others commit to the tables as well: maintenance, plain Spark, restored versions."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import polars as pl
import pytest

from feature_groups.store import FeatureStore, StoredFeatureGroup
from feature_groups.store.engines.spark import SparkEngine
from visits import NEW_YEAR, SCHEMA, Rows, fingerprint_of, frame, in_memory, rows_of, visits

A: Rows = {(1, 0): (1.0, "Ada", None), (2, 0): (2.0, None, ["x"])}
B: Rows = {(1, 0): (9.0, "Ada", None), (3, 0): (3.0, "Cy", [])}
FOREIGN: Rows = {(7, 0): (7.0, "Gus", None)}


def _true(group: StoredFeatureGroup, store: FeatureStore, rows: Rows) -> None:
    """The state the store goes on from is that of the rows."""
    state = store.writer.states.at(group.table)
    assert (state.rows, f"{state.fingerprint:032x}") == (len(rows), fingerprint_of(rows))
    assert state.version == group.history(1)[0].version
    assert rows_of(group.read()) == rows
    receipt = group.insert(frame(rows))
    assert (receipt.committed, receipt.unchanged) == (False, len(rows))


def test_the_store_goes_on_after_commits_of_others(light_store: FeatureStore) -> None:
    group = light_store.get_or_create_feature_group(visits())
    first = group.insert(frame(A), batch_key="a")
    rows: dict[Any, Any] = dict(A) | B
    group.insert(frame(B))

    spark: Any = light_store.shop.spark().spark  # type: ignore[attr-defined]  # this one has it
    assert spark.sql(f"optimize delta.`{group.table.path}`").count()
    assert [c.operation for c in group.history(2)] == ["optimize", "insert"]
    _true(group, light_store, rows)
    assert in_memory(group.read_changes(2)).is_empty()

    later = first.ingested_at + timedelta(days=1) if first.ingested_at else None
    foreign = frame(FOREIGN).with_columns(ingested_at=pl.lit(later))
    spark.createDataFrame(foreign.to_arrow()).write.format("delta").mode("append").save(group.table.path)
    rows |= FOREIGN
    commit = group.history(1)[0]
    assert (commit.operation, commit.inserted, commit.who, commit.batch_key) == ("write", 1, "", "")
    _true(group, light_store, rows)
    changed = group.insert(frame({(7, 0): (7.5, "Gus", None)}))
    assert changed.updated == 1
    assert changed.ingested_at is not None
    assert changed.ingested_at > later  # also when others wrote an instant of the future
    rows |= {(7, 0): (7.5, "Gus", None)}
    _true(group, light_store, rows)

    spark.sql(f"restore table delta.`{group.table.path}` to version as of 1")
    _true(group, light_store, A)
    assert group.insert(frame(A), batch_key="a") == first
    feed = group.read_changes(5)  # whole files go and come: rows that both have are deleted and inserted
    of_kind = {k: feed.filter(pl.col("_change_type") == k).select(SCHEMA.names()) for k in ("delete", "insert")}
    gone, back = rows_of(of_kind["delete"]), rows_of(of_kind["insert"])
    assert {key: rows[key] for key in gone} == gone
    assert {key: values for key, values in rows.items() if key not in gone} | back == A


def test_a_commit_that_slips_in_past_the_lock_is_noticed(
    light_store: FeatureStore, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    group = light_store.get_or_create_feature_group(visits())
    append = SparkEngine.append

    def second(engine: SparkEngine, path: str, *given: Any) -> None:
        foreign = frame(FOREIGN).with_columns(ingested_at=pl.lit(NEW_YEAR))
        engine.spark.createDataFrame(foreign.to_arrow()).write.format("delta").mode("append").save(path)
        append(engine, path, *given)

    monkeypatch.setattr(SparkEngine, "append", second)
    receipt = group.insert(frame(A), batch_key="a")
    assert "version 1 was committed beside the store's lock" in caplog.text
    assert (receipt.version, receipt.inserted, receipt.table_rows) == (2, 2, 3)
    assert receipt.fingerprint == fingerprint_of({**A, **FOREIGN})
    assert group.insert(frame(A), batch_key="a") == receipt
    _true(group, light_store, {**A, **FOREIGN})


@pytest.mark.parametrize("note", ['{"alluvia": null}', "[1]", '"alluvia"', "{not json", '{"alluvia": {"rows": null}}'])
def test_a_note_that_is_not_the_stores_own_is_not_believed(note: str) -> None:
    from datetime import UTC, datetime

    from feature_groups.store.history import Commit

    entry = {"userMetadata": note, "operation": "WRITE", "operationMetrics": {"numOutputRows": "3"}}
    commit = Commit.from_log(1, datetime(2026, 1, 1, tzinfo=UTC), entry)
    assert (commit.operation, commit.inserted, commit.batch_key) == ("write", 3, "")
