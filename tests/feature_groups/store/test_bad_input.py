from __future__ import annotations

import itertools
import re
from pathlib import Path
from types import SimpleNamespace
from typing import cast

import polars as pl
import pytest

from bad_inputs import CANARY, EQUAL, GROUP, ITEMS, NORMALISED, SCHEMA, Item, forms, good
from feature_groups.store.batch import Batch, Workshop, conformed
from feature_groups.store.engines.polars import PolarsEngine
from feature_groups.store.errors import AlluviaError, DuplicateKeys, SchemaMismatch
from feature_groups.store.stored_group import StoredFeatureGroup

FORM = re.compile(r"FG\d{3} [^\n:]+: [^\n]+\.\n(  [^\n]*\n)+  Next: [^\n]+\.\Z")


@pytest.fixture
def gate(tmp_path: Path) -> StoredFeatureGroup:
    """The feature group with everything up to the writer, which here gives back the batch it is to write."""

    def no_spark() -> PolarsEngine:
        raise AssertionError("Spark was started")

    number = itertools.count()
    shop = Workshop(PolarsEngine(), no_spark, "polars", 1, lambda: tmp_path / f"spool-{next(number)}")
    writer = SimpleNamespace(upsert=lambda table, batch, request, scope: batch)
    store = SimpleNamespace(shop=shop, writer=writer, lake=tmp_path)
    return StoredFeatureGroup(store, GROUP, GROUP.spec)  # type: ignore[arg-type]  # wrong on purpose


def test_there_are_enough_items_with_names_of_their_own() -> None:
    assert len(ITEMS) >= 250
    assert len({item.name for item in ITEMS}) == len(ITEMS)


@pytest.mark.parametrize("item", ITEMS, ids=str)
def test_every_form_of_an_input_meets_its_verdict(gate: StoredFeatureGroup, item: Item) -> None:
    seen: pl.DataFrame | None = None
    made: pl.DataFrame | AlluviaError
    for form, data in forms(item):
        found = _conformed(gate, data)
        if isinstance(found, pl.DataFrame):
            if seen is None or not _identical(found, seen):
                seen, made = found, _stored(gate, found)
            found = made
        if isinstance(found, AlluviaError):
            assert found.code == item.verdict, f"{form}: {found}"
            _check_message(found)
        else:
            assert item.verdict in (EQUAL, NORMALISED), f"{form} was accepted"
            wanted = item.frame() if item.expected is None else item.expected()
            assert _identical(found, wanted.select(list(SCHEMA))), form


def test_an_insert_takes_the_same_way(gate: StoredFeatureGroup) -> None:
    """What the test above takes apart to save time, in one piece."""
    assert _identical(PolarsEngine().collect(gate.insert(good(3)).rows.frame), good(3))
    with pytest.raises(SchemaMismatch):
        gate.insert(good(3).drop("count"))
    with pytest.raises(DuplicateKeys):
        gate.insert(pl.concat([good(1), good(1)]))


def _conformed(gate: StoredFeatureGroup, data: object) -> pl.DataFrame | AlluviaError:
    try:
        rows = conformed(data, gate.table.spec, GROUP.where, gate._store.shop)
    except AlluviaError as error:
        return error
    return PolarsEngine().collect(rows.frame)


def _stored(gate: StoredFeatureGroup, rows: pl.DataFrame) -> pl.DataFrame | AlluviaError:
    """The rows that are handed to the writer; nothing that is said of them shows the personal value."""
    try:
        batch = cast("Batch", gate.insert(rows))
    except AlluviaError as error:
        return error
    assert CANARY not in f"{batch.report}{batch.report.to_json()}{batch.statistics}{batch.statistics.to_json()}"
    return PolarsEngine().collect(batch.rows.frame)


def _identical(one: pl.DataFrame, other: pl.DataFrame) -> bool:
    """Equal in columns, types and values, and in the signs of zeros."""
    signs = [repr(x) for x in one["ratio"]] == [repr(x) for x in other["ratio"]]
    return one.schema == other.schema and one.equals(other, null_equal=True) and signs


def _check_message(error: AlluviaError) -> None:
    text = str(error)
    assert FORM.fullmatch(text), text
    assert len(text) < 5_000
    assert CANARY not in text + repr(error) + str(error.to_dict())
    shown = error.__cause__ if error.__suppress_context__ else error.__context__
    assert CANARY not in str(shown), "a traceback would show it"
    assert text.isprintable() or set(text) - {"\n"} <= {c for c in text if c.isprintable()}, "control characters"
