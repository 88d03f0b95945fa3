"""The catalogue of good, odd and bad inputs, as Spark frames."""

from __future__ import annotations

import itertools
from typing import Any

import polars as pl
import pytest
from polars.testing import assert_frame_equal

from bad_inputs import CANARY, EQUAL, GROUP, ITEMS, NORMALISED, SCHEMA, Item
from feature_groups.store import Settings, connect
from feature_groups.store.batch import Batch, checked, conformed
from feature_groups.store.errors import AlluviaError
from feature_groups.store.table import Table

# Parquet, the way into Spark here, has no durations, and of no rows nothing can be wrong but their number.
KNOWN = [i for i in ITEMS if i.spark is not None and i.name not in ("count: a duration", "frame: no rows")]
AS_TYPED = [item for item in KNOWN if item.spark == EQUAL]
REFUSED_BY_TYPE = [item for item in KNOWN if item.spark == "FG101"]
OTHERS = [item for item in KNOWN if item.spark not in (EQUAL, "FG101")]


@pytest.fixture(scope="module")
def gate(tmp_path_factory: pytest.TempPathFactory) -> Any:
    """Everything up to the writer: from a Polars frame, by way of a Spark frame, to the batch to write."""
    lake = tmp_path_factory.mktemp("odd")
    shop = connect(lake / "lake", settings=Settings(engine="spark")).shop
    assert GROUP.spec is not None
    table, number = Table(GROUP, GROUP.spec, lake), itertools.count()

    def batch(frame: pl.DataFrame) -> Batch:
        folder = lake / f"{next(number)}"
        folder.mkdir()
        frame.write_parquet(folder / "part-0.parquet")
        spark: Any = shop.spark()
        given = spark.spark.read.parquet(str(folder))
        return checked(conformed(given, table.spec, GROUP.where, shop), table, {})

    return batch


def _rows(batch: Batch) -> pl.DataFrame:
    # Polars takes a dict of types.
    return batch.rows.engine.collect(batch.rows.frame).cast(dict(SCHEMA))  # type: ignore[arg-type]


def test_values_of_the_declared_types_are_kept_as_they_are(gate: Any) -> None:
    frames = [frame.select(list(SCHEMA)) for item in AS_TYPED if (frame := item.frame()).schema == SCHEMA]
    given = pl.concat(frames).with_columns(user_id=pl.int_range(pl.len(), dtype=pl.Int64))
    assert len(frames) > 50
    assert_frame_equal(_rows(gate(given)).sort("user_id"), given, check_exact=True)


@pytest.mark.parametrize("item", REFUSED_BY_TYPE, ids=str)
def test_columns_of_other_types_are_refused(gate: Any, item: Item) -> None:
    with pytest.raises(AlluviaError) as caught:
        gate(item.frame())
    assert caught.value.code == "FG101"
    assert CANARY not in str(caught.value)


@pytest.mark.slow
@pytest.mark.parametrize("item", OTHERS, ids=str)
def test_other_frames_meet_their_verdict(gate: Any, item: Item) -> None:
    if item.spark != NORMALISED:
        with pytest.raises(AlluviaError) as caught:
            gate(item.frame())
        assert caught.value.code == item.spark
        assert CANARY not in str(caught.value)
        return
    assert item.expected is not None
    assert_frame_equal(_rows(gate(item.frame())), item.expected(), check_exact=True, check_row_order=False)
