from __future__ import annotations

import dataclasses
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import narwhals as nw
import pandera.polars as pa
import polars as pl
import pytest

from feature_groups.store import Aggregation, FeatureGroup, FeatureStore, Source, UtcDatetime
from feature_groups.store.errors import (
    AlluviaError,
    BatchUnreadable,
    EmptyBatch,
    InvalidDeclaration,
    NothingWritten,
    SourceDamaged,
)
from feature_groups.store.materialize import Materialized, materialize

CANARY = "canary-7f3a"


class Row(pa.DataFrameModel):
    """One row per thing."""

    thing: int
    name: str = pa.Field(metadata={"pii": True})


class Open(pa.DataFrameModel):
    """One row per thing."""

    thing: int
    name: str


class Event(pa.DataFrameModel):
    """One row per thing and instant."""

    thing: int
    at: UtcDatetime
    count_all: int


def things(
    read: Callable[[Path], Any] | None = None, contract: type[pa.DataFrameModel] = Row, **more: Any
) -> FeatureGroup:
    source = Source(name="raw_things", path="things.csv", contract=contract, read=read)
    given = {"source": source, "contract": contract, "primary_key": ["thing"], "static": True}
    return FeatureGroup(**{"name": "things", "version": 1, "description": "Things.", **given, **more})


def run(store: FeatureStore, group: FeatureGroup, data: Path, **more: Any) -> Materialized:
    return materialize(store, group, data=data, batch_key="k1", **more)


@pytest.fixture
def data(tmp_path: Path) -> Path:
    (tmp_path / "things.csv").write_text(f"thing,name\n1,{CANARY}\n2,b\n")
    return tmp_path


def failing_read(path: Path) -> pl.DataFrame:
    raise ValueError(f"cannot read {CANARY}")


def failing_transform(rows: Any) -> Any:
    raise ValueError(f"cannot use {CANARY}")


def failing_later(rows: Any) -> Any:
    return rows.with_columns(thing=nw.col("name").cast(nw.Int64))


def eager(rows: Any) -> Any:
    return rows.collect()


@pytest.mark.parametrize("contract", [Row, Open], ids=["personal", "open"])
@pytest.mark.parametrize(
    ("options", "error", "named"),
    [
        ({"read": failing_read}, SourceDamaged, "Its reader failed: ValueError"),
        ({"transform": failing_transform}, InvalidDeclaration, "Its transform failed: ValueError"),
        ({"transform": failing_later}, BatchUnreadable, "failed while it was computed"),
    ],
    ids=["reader", "transform", "its plan"],
)
def test_code_that_fails_is_named_and_quotes_no_personal_value(
    options: dict[str, Any],
    error: type[AlluviaError],
    named: str,
    contract: type[pa.DataFrameModel],
    data: Path,
    light_store: FeatureStore,
) -> None:
    with pytest.raises(error) as caught:
        run(light_store, things(contract=contract, **options), data)

    assert named in str(caught.value)
    assert (CANARY in str(caught.value)) == (contract is Open)
    assert (caught.value.__cause__ is None) == (contract is Row)


@pytest.mark.parametrize("contract", [Row, Open], ids=["personal", "open"])
def test_a_transform_whose_plan_fails_below_aggregations_is_named_too(
    contract: type[pa.DataFrameModel], data: Path, store: FeatureStore
) -> None:
    def failing_events(rows: Any) -> Any:
        at = nw.lit(datetime(2000, 1, 1, tzinfo=UTC))
        return rows.select(nw.col("name").cast(nw.Int64).alias("thing"), at.alias("at"))

    events = {"event_time": "at", "static": False, "aggregations": [Aggregation("count")]}
    group = dataclasses.replace(things(contract=contract), transform=failing_events, contract=Event, **events)
    with pytest.raises(BatchUnreadable, match="failed while it was computed") as caught:
        run(store, group, data)
    assert (CANARY in str(caught.value)) == (contract is Open)


def test_a_transform_must_stay_lazy(data: Path, light_store: FeatureStore) -> None:
    with pytest.raises(InvalidDeclaration, match="returns a DataFrame, not a lazy narwhals frame") as caught:
        run(light_store, things(transform=eager), data)
    assert caught.value.next_step.endswith("test_materialize.eager.")


def test_a_file_without_rows_is_refused(data: Path, light_store: FeatureStore) -> None:
    (data / "things.csv").write_text("thing,name\n")
    empty = lambda path: pl.DataFrame(schema={"thing": pl.Int64(), "name": pl.String()})  # noqa: E731  # a reader in a line

    with pytest.raises(EmptyBatch, match="The file has no rows"):
        run(light_store, things(read=empty), data)


def test_what_is_not_computed_says_how_its_rows_come(data: Path, light_store: FeatureStore) -> None:
    inserted = FeatureGroup(name="notes", version=1, description="Notes.", primary_key=["id"], static=True)
    with pytest.raises(InvalidDeclaration, match="It is not computed") as caught:
        run(light_store, inserted, data)
    assert "fg.insert" in caught.value.next_step


def test_rows_made_from_parents_follow_them_and_what_they_no_longer_make_goes(
    data: Path, light_store: FeatureStore
) -> None:
    parent = things()
    child = FeatureGroup(
        name="names",
        version=1,
        description="Names by thing.",
        primary_key=["thing"],
        static=True,
        parents=[parent],
        transform=lambda rows: rows.select("thing", "name"),
        derive=lambda rows: rows.with_columns(nw.col("name").str.to_uppercase()),
        contract=Row,
    )
    with pytest.raises(NothingWritten):
        run(light_store, child, data)

    stored = light_store.get_or_create_feature_group(parent)
    stored.insert(pl.DataFrame({"thing": [1, 2, 3], "name": ["a", "b", "c"]}))
    first = materialize(light_store, child, data=None, batch_key="k1", reason="first run")
    assert (first.source_rows, first.receipt.inserted) == (None, 3)

    stored.delete_rows([{"thing": 2}])
    second = materialize(light_store, child, data=None, batch_key="k2")
    assert (second.receipt.deleted, second.receipt.unchanged) == (1, 2)
    rows = light_store.get_or_create_feature_group(child).read().collect()
    assert sorted(rows.rows()) == [(1, "A"), (3, "C")]

    again = materialize(light_store, child, data=None, batch_key="k2")
    assert (again.receipt.version, again.receipt.deleted) == (second.receipt.version, 1)


def test_a_delivery_is_committed_with_its_reason_and_rows(data: Path, light_store: FeatureStore) -> None:
    made = run(light_store, things(), data, reason="things.csv changed")

    assert made.source_rows == made.receipt.received == 2
    newest = light_store.get_or_create_feature_group(things()).history()[0]
    assert (newest.why, newest.batch_key, newest.inserted) == ("things.csv changed", "k1", 2)
    assert list((light_store.lake / "spool").iterdir()) == []
