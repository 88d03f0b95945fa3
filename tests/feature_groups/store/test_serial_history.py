"""Any sequence of writes is what a dictionary would do with it."""

from __future__ import annotations

import itertools
import random
from datetime import timedelta
from pathlib import Path
from typing import Any

import narwhals as nw
import polars as pl
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from polars.testing import assert_frame_equal

from feature_groups.store import FeatureGroup, FeatureStore, Settings, connect
from feature_groups.store.classify import CHANGE_TYPE
from feature_groups.store.engines.polars import PolarsEngine
from feature_groups.store.engines.spark import SparkEngine
from feature_groups.store.plan import Plan, plan_delete, plan_upsert, rows_to_commit
from feature_groups.store.row_hash import MODULUS, fingerprint
from feature_groups.store.table import Table
from visits import (
    NEW_YEAR,
    SCHEMA,
    Key,
    Rows,
    Values,
    Visit,
    fingerprint_of,
    frame,
    in_memory,
    keys,
    rows_of,
    users,
    visits,
)

LATER = NEW_YEAR + timedelta(days=1)
QUICK = {"deadline": None, "derandomize": True, "database": None, "suppress_health_check": list(HealthCheck)}

KEYS = st.tuples(st.integers(1, 4), st.sampled_from([-1440, 0, 1, 60]))
VALUES: st.SearchStrategy[Values] = st.tuples(
    st.sampled_from([None, 0.0, -0.0, 0.5, 99.0]),
    st.sampled_from([None, "", "a", "\x00"]),
    st.sampled_from([None, [], ["a"], ["a", "b"], [""]]),
)
ROWS = st.dictionaries(KEYS, VALUES, max_size=8)
WRITES = st.one_of(
    st.tuples(st.just("insert"), ROWS),
    st.tuples(st.just("overwrite"), ROWS),
    st.tuples(st.just("delete"), st.lists(KEYS, min_size=1, max_size=4, unique=True)),
    st.tuples(st.just("forget"), st.lists(st.integers(1, 5), min_size=1, max_size=2, unique=True)),
)
"""A write of any kind: rows to insert, all rows, keys to delete, or users to delete whole."""


def after(rows: Rows, operation: str, given: Any) -> tuple[dict[Key, Values], tuple[int, int, int, int]]:
    """The rows after a write, and how many are inserted, updated, unchanged and deleted by it."""
    new = dict(rows)
    if operation in ("delete", "forget"):
        gone = [key for key in rows if (key if operation == "delete" else key[0]) in given]
        for key in gone:
            del new[key]
        found = set(gone) if operation == "delete" else {key[0] for key in gone}
        return new, (0, 0, len(set(given) - found), len(gone))
    if operation == "overwrite":
        new = {key: values for key, values in new.items() if key in given}
    # Equal values are not written: 0.0 stays -0.0.
    changed = {key: values for key, values in given.items() if rows.get(key) != values}
    new |= changed
    inserted = sum(key not in rows for key in given)
    deleted = len(rows.keys() - given.keys()) if operation == "overwrite" else 0
    return new, (inserted, len(changed) - inserted, len(given) - len(changed), deleted)


@settings(max_examples=150, **QUICK)
@given(ROWS, WRITES)
def test_a_plan_is_what_a_dictionary_would_do(rows: Rows, write: tuple[str, Any]) -> None:
    operation, given = write
    # There is one.
    engine, table = PolarsEngine(), Table(visits(), visits().spec, Path())  # type: ignore[arg-type]
    current = nw.from_native(frame(rows).lazy().with_columns(ingested_at=pl.lit(NEW_YEAR)))
    if operation in ("delete", "forget"):
        wanted = keys(given) if operation == "delete" else users(given)
        plan = plan_delete(engine, nw.from_native(wanted.lazy()), wanted.columns, current, table, spool=Path)
    else:
        plan = plan_upsert(
            engine,
            nw.from_native(frame(given).lazy()),
            current if rows else None,
            table,
            batch_fingerprint=int(fingerprint_of(given), 16),
            count=len(given),
            overwrite=operation == "overwrite",
            spool=Path,
        )
    new, counts = after(rows, operation, given)
    assert (plan.inserted, plan.updated, plan.unchanged, plan.deleted) == counts
    assert plan.empty == (new == rows)
    assert applied(rows, plan, table) == new
    assert (int(fingerprint_of(rows), 16) + plan.fingerprint) % MODULUS == int(fingerprint_of(new), 16)


def applied(rows: Rows, plan: Plan, table: Table) -> dict[Key, Values]:
    """What committing the planned rows makes of a table."""
    feed = PolarsEngine().collect(rows_to_commit(plan, table, LATER))
    if CHANGE_TYPE not in feed.columns:
        feed = feed.with_columns(pl.lit("insert").alias(CHANGE_TYPE))
    taken_in = feed.select(CHANGE_TYPE, "ingested_at").unique().rows()
    assert set(taken_in) <= {
        ("insert", LATER),
        ("update_postimage", LATER),
        ("update_preimage", NEW_YEAR),
        ("delete", NEW_YEAR),
    }
    return _replayed(rows, feed.drop("ingested_at").with_columns(_commit_version=1))


class Case(Visit):
    """One row per case, user and visit."""

    trial: int


def test_spark_plans_what_polars_plans(tmp_path: Path) -> None:
    """A hundred cases in one Spark job, told apart by a column of the key."""
    cases: list[tuple[Rows, Rows]] = []

    @settings(max_examples=100, **QUICK)
    @given(ROWS, ROWS)
    def collect(rows: Rows, batch: Rows) -> None:
        cases.append((rows, batch))

    collect()
    group = FeatureGroup(
        name="cases", version=1, description="Cases.", primary_key=["trial", "user_id"], event_time="at", contract=Case
    )
    assert group.spec is not None
    table, schema = Table(group, group.spec, Path()), group.spec.polars_schema
    stored, batch = (
        pl.concat([frame(case[side]).with_columns(trial=pl.lit(n, pl.Int64)) for n, case in enumerate(cases)])
        for side in (0, 1)
    )
    spark, light = SparkEngine(Settings(lake=tmp_path)), PolarsEngine()
    stored = stored.with_columns(ingested_at=pl.lit(NEW_YEAR))
    for name, rows in (("stored", stored), ("batch", batch)):
        (tmp_path / name).mkdir()
        rows.write_parquet(tmp_path / name / "part-0.parquet")
    folders = (tmp_path / f"spool-{n}" for n in itertools.count())
    made = {}
    for engine in (light, spark):
        plan = plan_upsert(
            engine,
            engine.files(str(tmp_path / "batch")).select(*schema),
            engine.files(str(tmp_path / "stored")),
            table,
            batch_fingerprint=fingerprint(batch, schema),
            count=batch.height,
            overwrite=True,
            spool=lambda: next(folders),
        )
        # Polars takes a dict of types.
        feed = engine.collect(rows_to_commit(plan, table, LATER)).cast(dict(schema))  # type: ignore[arg-type]
        counts = (plan.inserted, plan.updated, plan.unchanged, plan.deleted, plan.fingerprint)
        made[engine.name] = (counts, feed.sort("trial", "user_id", "at", CHANGE_TYPE))
    assert made["spark"][0] == made["polars"][0]
    assert_frame_equal(made["spark"][1], made["polars"][1], check_exact=True)


def play(group: Any, store: FeatureStore, writes: list[tuple[str, Any]]) -> None:
    """Do the writes, then compare everything the store says with what a dictionary says."""
    rows: dict[Key, Values] = {}
    versions: dict[int, Rows] = {}
    told: dict[int, tuple[int, int, int]] = {}
    for operation, given_rows in writes:
        before = max(versions, default=0)
        expected, counts = after(rows, operation, given_rows)
        if operation in ("delete", "forget"):
            receipt = group.delete_rows(keys(given_rows) if operation == "delete" else users(given_rows))
        else:
            receipt = group.insert(frame(given_rows), overwrite=operation == "overwrite", allow_empty=True)
        assert (receipt.inserted, receipt.updated, receipt.unchanged, receipt.deleted) == counts
        assert receipt.committed == (expected != rows)
        assert receipt.version == before + receipt.committed
        assert (receipt.table_rows, receipt.fingerprint) == (len(expected), fingerprint_of(expected))
        rows = expected
        versions |= {0: {}, receipt.version: rows}
        if receipt.committed:
            told[receipt.version] = (receipt.inserted, receipt.updated, receipt.deleted)

    state = store.writer.states.computed(group.table, max(versions))
    assert (state.rows, f"{state.fingerprint:032x}") == (len(rows), fingerprint_of(rows))
    history = {c.version: (c.inserted, c.updated, c.deleted) for c in group.history()}
    assert history == {0: (0, 0, 0)} | told
    for version, then in versions.items():
        assert rows_of(group.read(version)) == then
    for since, until in itertools.combinations(sorted(versions), 2):
        assert _replayed(versions[since], in_memory(group.read_changes(since, until))) == versions[until]


def _replayed(before: Rows, feed: pl.DataFrame) -> Rows:
    rows = dict(before)
    for (_version,), part in feed.sort("_commit_version").group_by("_commit_version", maintain_order=True):
        for kinds, take in ((("delete", "update_preimage"), True), (("insert", "update_postimage"), False)):
            found = part.filter(pl.col("_change_type").is_in(kinds))
            for key, values in rows_of(found.lazy().select(list(SCHEMA))).items():
                if take:
                    assert rows.pop(key) == values
                else:
                    assert key not in rows
                    rows[key] = values
    return rows


def drawn(seed: int, length: int) -> list[tuple[str, Any]]:
    """A history by chance, mostly of rows that meet stored ones."""
    chance = random.Random(seed)
    everything = [(user, minute) for user in (1, 2, 3) for minute in (-1440, 0, 60)]

    def rows() -> Rows:
        scores, names, tags = (0.0, 0.5, None), ("a", None), (["a"], None)
        found = chance.sample(everything, chance.randint(2, 6))
        return {key: (chance.choice(scores), chance.choice(names), chance.choice(tags)) for key in found}

    writes: list[tuple[str, Any]] = [("insert", rows())]
    while len(writes) < length:
        operation = chance.choice(["insert", "insert", "overwrite", "delete", "forget"])
        given = chance.sample(everything, 2) if operation == "delete" else [chance.randint(1, 4)]
        writes.append((operation, rows() if operation in ("insert", "overwrite") else given))
    return writes


@pytest.mark.parametrize("corrections", ["replace", "keep"])
def test_a_history_is_what_a_dictionary_would_do(light_store: FeatureStore, corrections: str) -> None:
    play(light_store.get_or_create_feature_group(visits(corrections=corrections)), light_store, drawn(30, 5))


@pytest.mark.slow
@pytest.mark.timeout(3600)
@pytest.mark.parametrize("corrections", ["replace", "keep"])
def test_many_histories_are_what_a_dictionary_would_do(tmp_path: Path, engine: str, corrections: str) -> None:
    lakes = (tmp_path / f"lake-{n}" for n in itertools.count())

    @settings(max_examples=10, **QUICK)
    @given(st.lists(WRITES, min_size=10, max_size=10))
    def history(writes: list[tuple[str, Any]]) -> None:
        store = connect(next(lakes), settings=Settings(engine=engine))
        play(store.get_or_create_feature_group(visits(corrections=corrections)), store, writes)

    history()
