"""An increment whose process is killed is done once: what comes after it equals a rebuild."""

from __future__ import annotations

from pathlib import Path

import pytest
from polars.testing import assert_frame_equal

from children import start
from feature_groups.store import FeatureStore
from feature_groups.store.steps import Steps
from summing import EVENTS, SUMS, events, rebuilt, refreshed, rows_of, why

CHILD = Path(__file__).parent / "increment_child.py"


def killed(store: FeatureStore, engine: str, point: str, *, committed: bool) -> None:
    """Kill an increment at a point, before or after its commit, and do it again."""
    fg, sums = store.get_or_create_feature_group(EVENTS), store.get_or_create_feature_group(SUMS)
    fg.insert(events((1, 0, 1), (1, 30, 2), (2, 0, 3)))
    refreshed(store)
    fg.insert(events((1, 10, 4), (3, 0, 1)))
    fg.delete_rows(events((2, 0, 3)).select("key", "at"))
    child = start(CHILD, store.lake, engine, ALLUVIA_FAULTS=f"{point}:kill@1")
    _, said = child.communicate(timeout=300)
    assert child.returncode == -9, said
    assert sums.history()[0].version == 1 + committed
    assert rows_of(store).equals(rebuilt(store)) == committed

    receipt = refreshed(store)

    assert receipt.committed != committed
    assert sums.history()[0].version == 2
    assert "increment since events_v1 v1" in why(store)
    assert_frame_equal(rows_of(store), rebuilt(store))
    assert receipt.table_rows == rows_of(store).height
    assert Steps(store).decide(SUMS, None).run is False


def test_an_increment_killed_between_commit_and_record_is_done_once(light_store: FeatureStore) -> None:
    killed(light_store, "polars", "step.before_record", committed=True)


@pytest.mark.slow
@pytest.mark.parametrize(("point", "committed"), [("step.before_record", True), ("write.before_commit", False)])
def test_an_increment_that_is_killed_is_neither_lost_nor_doubled(
    store: FeatureStore, engine: str, point: str, committed: bool
) -> None:
    killed(store, engine, point, committed=committed)
