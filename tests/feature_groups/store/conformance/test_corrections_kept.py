from __future__ import annotations

from pathlib import Path
from typing import Any

import polars as pl
import pytest
from polars.testing import assert_frame_equal

from feature_groups.store import FeatureStore, Settings, connect
from visits import Rows, at, fingerprint_of, frame, in_memory, keys, rows_of, users, visits

FIRST: Rows = {(1, 0): (1.0, "Ada", ["x"]), (2, 0): (2.0, "Bob", None), (3, 0): (3.0, None, None)}
CORRECTED: Rows = {(1, 0): (1.5, "Ada", ["x"]), (2, 0): (2.0, "Bob", None), (4, 9): (4.0, "Dan", [])}
LAST: Rows = {(2, 0): (9.0, "Bob", None), (1, 0): (1.5, "Ada", ["x"])}
SORTED = ["_commit_version", "user_id", "at", "_change_type"]


@pytest.fixture
def kept(light_store: FeatureStore) -> Any:
    """A group that keeps its corrections, what was done to it, and its rows by version."""
    group = light_store.get_or_create_feature_group(visits(corrections="keep"))
    receipts = [group.insert(frame(FIRST))]
    receipts.append(group.insert(frame(CORRECTED)))
    receipts.append(group.delete_rows(keys([(2, 0), (7, 7)])))
    receipts.append(group.insert(frame(LAST), overwrite=True))
    second = {**FIRST, **CORRECTED}
    third = {key: values for key, values in second.items() if key != (2, 0)}
    return group, receipts, [{}, FIRST, second, third, LAST]


def test_corrected_and_deleted_rows_stay_beside_what_corrects_them(kept: Any) -> None:
    group, receipts, versions = kept
    counts = [(r.inserted, r.updated, r.unchanged, r.deleted) for r in receipts]
    assert counts == [(3, 0, 0, 0), (1, 1, 1, 0), (0, 0, 1, 1), (1, 0, 1, 2)]
    for receipt, rows in zip(receipts, versions[1:], strict=True):
        assert receipt.table_rows == len(rows)
        assert receipt.fingerprint == fingerprint_of(rows)
    for version, rows in enumerate(versions):
        assert rows_of(group.read(version)) == rows
        newest = group._store.reader.newest(group.table, version, "at")
        assert newest == max((at(minute) for _, minute in rows), default=None)

    stored = pl.read_delta(group.table.path)
    assert stored.height == 3 + 2 + 1 + 1 + 2
    added = stored.group_by("ingested_at").agg(pl.col("is_deleted").sum(), pl.len()).sort("ingested_at")
    assert added["ingested_at"].to_list() == [r.ingested_at for r in receipts]
    assert added.select("is_deleted", "len").rows() == [(0, 3), (0, 2), (1, 1), (2, 3)]
    assert not list((group._store.lake / "feature_groups" / "visits_v1").glob("*.bin"))

    first = in_memory(group.read(2, with_ingested_at=True)).sort("user_id")
    assert first["ingested_at"].to_list() == [receipts[n].ingested_at for n in (1, 0, 0, 1)]

    feeds = {e: in_memory(group.read_changes(engine=e)).sort(SORTED) for e in ("polars", "spark")}
    assert_frame_equal(feeds["polars"], feeds["spark"])
    told = feeds["polars"].select("_commit_version", "_change_type", "user_id", "score").rows()
    assert told == [
        *((1, "insert", user, float(user)) for user in (1, 2, 3)),
        (2, "update_postimage", 1, 1.5),
        (2, "update_preimage", 1, 1.0),
        (2, "insert", 4, 4.0),
        (3, "delete", 2, 2.0),
        (4, "insert", 2, 9.0),
        (4, "delete", 3, 3.0),
        (4, "delete", 4, 4.0),
    ]
    part = in_memory(group.read_changes(1, 3)).sort(SORTED)
    assert_frame_equal(part, feeds["polars"].filter(pl.col("_commit_version").is_in([2, 3])))

    again = group.delete_rows(users([3]))
    assert (again.committed, again.deleted, again.unchanged) == (False, 0, 1)
    assert [(c.inserted, c.updated, c.deleted) for c in group.history()][:-1] == [
        (1, 0, 2), (0, 0, 1), (1, 1, 0), (3, 0, 0),
    ]  # fmt: skip


@pytest.mark.slow
def test_spark_keeps_corrections_alike(lake: Path) -> None:
    group = connect(lake, settings=Settings(engine="spark")).get_or_create_feature_group(visits(corrections="keep"))
    group.insert(frame(FIRST))
    receipt = group.insert(frame(CORRECTED), overwrite=True)
    assert (receipt.inserted, receipt.updated, receipt.unchanged, receipt.deleted) == (1, 1, 1, 1)
    assert receipt.fingerprint == fingerprint_of(CORRECTED)
    stored = pl.read_delta(group.table.path)
    assert stored.height == 3 + 3
    assert stored.filter("is_deleted")["user_id"].to_list() == [3]
    for engine in ("polars", "spark"):
        assert rows_of(group.read(1, engine=engine)) == FIRST
        assert rows_of(group.read(engine=engine)) == CORRECTED
