from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pandera.polars as pa
import polars as pl
import pytest
from polars.testing import assert_frame_equal

from feature_groups.store import FeatureGroup, FeatureStore, Settings, UtcDatetime, connect
from feature_groups.store.engines.session import spark_session
from feature_groups.store.errors import (
    BatchUnreadable,
    ContractViolated,
    DuplicateKeys,
    EmptyBatch,
    IdempotencyConflict,
    InvalidSettings,
    SchemaMismatch,
)
from visits import SCHEMA, Visit, fingerprint_of, frame, in_memory, keys, rows_of, users, visits

PROJECT = Path(__file__).parents[4]


def test_a_receipt_counts_what_the_batch_changed(story: Any) -> None:
    for step in story.steps:
        receipt = step.receipt
        assert (receipt.inserted, receipt.updated, receipt.unchanged, receipt.deleted) == step.counts
        assert receipt.received == step.given.height
        assert receipt.operation == step.operation
        assert receipt.table_rows == len(step.rows)
        assert (receipt.rejected, receipt.duplicates) == (0, 0)


def test_a_batch_is_one_commit_and_one_that_changes_nothing_is_none(story: Any) -> None:
    version = 0
    for step in story.steps:
        version += step.counts[0] + step.counts[1] + step.counts[3] > 0
        assert step.receipt.version == version
    assert [c.version for c in story.group.history()] == list(range(version, -1, -1))
    assert [step.receipt.committed for step in story.steps][:3] == [True, False, True]


def test_the_fingerprint_of_a_receipt_is_that_of_the_rows_alone(story: Any) -> None:
    for step in story.steps:
        assert step.receipt.fingerprint == fingerprint_of(step.rows)


def test_unchanged_rows_keep_the_instant_at_which_they_were_taken_in(story: Any) -> None:
    def taken_in(version: int) -> dict[tuple[int, datetime], datetime]:
        found = in_memory(story.group.read(version, with_ingested_at=True))
        return {(user, when): at for user, when, at in found.select("user_id", "at", "ingested_at").rows()}

    first, third = story.steps[0].receipt, story.steps[2].receipt
    before, after = taken_in(first.version), taken_in(third.version)
    changed = {key for key in before if after[key] != before[key]}
    assert set(before.values()) == {first.ingested_at}
    assert changed == set(keys([(1, 5), (2, 0)]).rows())
    assert {after[key] for key in after if key in changed or key not in before} == {third.ingested_at}


def test_the_instants_of_batches_strictly_increase(story: Any) -> None:
    instants = [step.receipt.ingested_at for step in story.steps if step.receipt.committed]
    assert instants == sorted(set(instants))
    assert all(step.receipt.ingested_at is None for step in story.steps if not step.receipt.committed)


def test_the_same_batch_key_and_rows_get_the_old_receipt(light_story: Any) -> None:
    before = len(light_story.group.history())
    for number, step in enumerate(light_story.steps):
        key = f"step {number}"
        if step.operation == "delete":
            again = light_story.group.delete_rows(step.given, batch_key=key)
        else:
            again = light_story.group.insert(
                step.given.sample(fraction=1, shuffle=True, seed=1),
                overwrite=step.operation == "overwrite",
                batch_key=key,
            )
        assert again == step.receipt
    assert len(light_story.group.history()) == before


def test_the_same_batch_key_with_other_content_is_refused(light_story: Any) -> None:
    first = light_story.steps[0]
    other = first.given.with_columns(score=pl.lit(3.0))
    for refused in (
        lambda: light_story.group.insert(other, batch_key="step 0"),
        lambda: light_story.group.insert(first.given.head(2), batch_key="step 0"),
        lambda: light_story.group.insert(first.given, overwrite=True, batch_key="step 0"),
        lambda: light_story.group.delete_rows(first.given.select("user_id", "at"), batch_key="step 0"),
    ):
        with pytest.raises(IdempotencyConflict, match="version 1 for insert"):
            refused()
    assert rows_of(light_story.group.read()) == light_story.rows


def test_rows_that_the_newest_change_wrote_are_known_without_reading_the_table(copied: Any, light_story: Any) -> None:
    group, folder = copied
    last = light_story.steps[-1]
    for file in folder.glob("*.parquet"):
        file.write_bytes(bytes(file.stat().st_size))

    receipt = group.insert(last.given.reverse())

    assert (receipt.committed, receipt.unchanged) == (False, last.given.height)
    assert (receipt.version, receipt.fingerprint) == (last.receipt.version, last.receipt.fingerprint)
    with pytest.raises(pl.exceptions.PolarsError):
        group.insert(last.given.head(1))


def test_an_overwrite_by_the_rows_just_inserted_still_removes_the_others(copied: Any, light_story: Any) -> None:
    group, _ = copied
    last = light_story.steps[-1]

    receipt = group.insert(last.given, overwrite=True)

    assert (receipt.unchanged, receipt.deleted) == (last.given.height, len(last.rows) - last.given.height)
    assert receipt.deleted > 0
    again = group.insert(last.given)
    assert (again.committed, again.unchanged) == (False, last.given.height)


@pytest.mark.parametrize("key", ["", "x" * 201, "a\x00b", "a\nb", "\ud800", 7, b"key"])
def test_a_batch_key_is_short_printable_text(light_story: Any, key: Any) -> None:
    with pytest.raises(IdempotencyConflict, match="batch key is"):
        light_story.group.insert(light_story.steps[0].given, batch_key=key)
    with pytest.raises(IdempotencyConflict, match="batch key is"):
        light_story.group.delete_rows(users([1]), batch_key=key)


def test_an_empty_frame_is_refused_unless_it_is_meant(light_story: Any) -> None:
    none = pl.DataFrame(schema=SCHEMA)
    with pytest.raises(EmptyBatch):
        light_story.group.insert(none)
    receipt = light_story.group.insert(none, allow_empty=True)
    assert (receipt.committed, receipt.received) == (False, 0)
    assert receipt.version == light_story.steps[-1].receipt.version


@pytest.mark.parametrize(
    "given",
    [
        pl.DataFrame({"at": [datetime(2026, 1, 1, tzinfo=UTC)]}),
        pl.DataFrame({"user_id": [1], "score": [1.0]}),
        pl.DataFrame({"user": [1]}),
        pl.DataFrame({"user_id": ["one"]}),
        pl.DataFrame({"user_id": [1], "at": [datetime(2026, 1, 1)]}),
    ],
)
def test_rows_are_deleted_by_key_columns_only(light_story: Any, given: pl.DataFrame) -> None:
    with pytest.raises(SchemaMismatch):
        light_story.group.delete_rows(given)
    assert rows_of(light_story.group.read()) == light_story.rows


def _as_list(rows: pl.DataFrame) -> Any:
    return rows.to_dicts()


def _as_pandas(rows: pl.DataFrame) -> Any:
    return rows.to_pandas(use_pyarrow_extension_array=True)


def _as_spark(rows: pl.DataFrame) -> Any:
    return spark_session(Settings()).createDataFrame(rows.to_arrow())


KINDS: dict[str, Callable[[pl.DataFrame], Any]] = {
    "Polars": lambda rows: rows,
    "lazy Polars": lambda rows: rows.lazy(),
    "lazy Polars, other column order": lambda rows: rows.lazy().select(reversed(rows.columns)),
    "pandas": _as_pandas,
    "Arrow": lambda rows: rows.to_arrow(),
    "Arrow batches": lambda rows: rows.to_arrow().to_reader(),
    "list of dicts": _as_list,
    "dict of lists": lambda rows: rows.to_dict(as_series=False),
    "Spark": _as_spark,
}


@pytest.mark.parametrize("kind", KINDS)
def test_frames_of_every_kind_mean_the_same_rows(light_story: Any, kind: str) -> None:
    receipt = light_story.group.insert(KINDS[kind](frame(light_story.rows)), batch_key=None)
    assert (receipt.committed, receipt.unchanged) == (False, len(light_story.rows))


def test_a_lazy_frame_that_fails_half_way_writes_nothing(story: Any) -> None:
    rows = frame({(user, 0): (1.0, None, None) for user in range(1, 200)})

    def fails(value: int) -> float:
        if value == 150:
            raise ZeroDivisionError("row 150")
        return 1.0

    lazy = rows.lazy().with_columns(score=pl.col("user_id").map_elements(fails, return_dtype=pl.Float64))
    broken = rows.lazy().select("user_id", "at", "nothing")
    frames: list[Any] = [lazy, broken, pl.scan_parquet("/nowhere.parquet")]
    if story.store.shop.choice == "spark":
        odd = "if(user_id = 150, raise_error('row 150'), score)"
        frames.append(_as_spark(rows).selectExpr("user_id", "at", f"{odd} as score", "name", "tags"))
    for given in frames:
        with pytest.raises(BatchUnreadable):
            story.group.insert(given)
    assert story.group.history(1)[0].version == story.steps[-1].receipt.version
    assert not list((story.store.lake / "spool").iterdir())


def test_a_spark_frame_with_random_values_is_read_once(lake: Path) -> None:
    store = connect(lake, settings=Settings(engine="spark"))
    group = store.get_or_create_feature_group(visits())
    drawn = _as_spark(frame({(user, 0): (0.0, None, None) for user in range(1, 50)})).selectExpr(
        "user_id", "at", "rand() as score", "name", "tags"
    )
    receipt = group.insert(drawn)
    rows = rows_of(group.read(engine="polars"))
    assert receipt.fingerprint == fingerprint_of(rows)
    assert receipt.statistics is not None
    assert receipt.statistics["score"].minimum == min(values[0] or 0.0 for values in rows.values())
    assert not list((lake / "spool").iterdir())


def test_the_clock_may_go_backwards(lake: Path) -> None:
    now = datetime(2026, 5, 1, tzinfo=UTC)
    ticks = iter([now, now - timedelta(days=400)])
    store = connect(lake, settings=Settings(engine="polars"), clock=lambda: next(ticks))
    group = store.get_or_create_feature_group(visits())
    instants = [group.insert(frame({(n, 0): (1.0, None, None)})).ingested_at for n in (1, 2)]
    assert instants == [now, now + timedelta(microseconds=1)]


def test_a_source_may_say_itself_when_it_knew(light_store: FeatureStore) -> None:
    class Known(Visit):
        """One row per user and visit."""

        known_at: UtcDatetime

    group = light_store.get_or_create_feature_group(visits(contract=Known, ingested_from="known_at"))
    rows = frame({(1, 0): (1.0, None, None), (2, 0): (2.0, None, None)})
    group.insert(rows.with_columns(known_at=pl.col("at") + timedelta(hours=1)))
    found = in_memory(group.read(with_ingested_at=True))
    assert found["ingested_at"].to_list() == found["known_at"].to_list()
    assert (found["known_at"] - found["at"]).unique().to_list() == [timedelta(hours=1)]


QUIET = """
import json, sys
import polars as pl
from feature_groups.store import Settings, connect
from feature_groups.store.connect import session_started
from visits import rows_of, visits

lake, rows, deleted = sys.argv[1:]
fg = connect(lake, settings=Settings(engine="polars")).get_or_create_feature_group(visits())
same = fg.insert(pl.read_parquet(rows))
gone = fg.delete_rows(pl.DataFrame({"user_id": [int(deleted)]}))
fg.read().collect(), fg.read_changes().collect(), fg.history(), fg.statistics(), repr(fg)
print(json.dumps([session_started(), same.committed, gone.committed, gone.unchanged]))
"""


def test_what_changes_nothing_starts_no_jvm(light_story: Any, tmp_path: Path) -> None:
    frame(light_story.rows).write_parquet(tmp_path / "rows.parquet")
    command = [sys.executable, "-c", QUIET, str(light_story.store.lake), str(tmp_path / "rows.parquet"), "77"]
    path = os.pathsep.join([str(PROJECT), str(PROJECT / "tests" / "support")])
    answer = subprocess.run(
        command, capture_output=True, text=True, timeout=120, check=True, env=os.environ | {"PYTHONPATH": path}
    )
    assert json.loads(answer.stdout) == [False, False, False, 1]


class Plain(pa.DataFrameModel):
    """One row per number."""

    number: int
    place: str
    rank: int = pa.Field(nullable=True)


def plain(**options: Any) -> FeatureGroup:
    given: dict[str, Any] = {"name": "plain", "version": 1, "description": "Numbers.", "static": True}
    return FeatureGroup(**given | {"primary_key": ["number"], "contract": Plain} | options)


def places(*rows: tuple[int, str, int | None]) -> pl.DataFrame:
    return pl.DataFrame(rows, schema={"number": pl.Int64(), "place": pl.String(), "rank": pl.Int64()}, orient="row")


def test_of_rows_with_one_key_the_latest_by_sequence_stays(store: FeatureStore) -> None:
    group = store.get_or_create_feature_group(plain(keep="latest", sequence="rank"))
    receipt = group.insert(places((1, "b", 2), (1, "c", 3), (1, "a", 1), (2, "x", None), (2, "y", -5), (3, "z", None)))
    assert (receipt.received, receipt.inserted, receipt.duplicates) == (6, 3, 3)
    assert sorted(in_memory(group.read()).rows()) == [(1, "c", 3), (2, "y", -5), (3, "z", None)]


def test_without_keep_rows_with_one_key_are_refused(light_store: FeatureStore) -> None:
    group = light_store.get_or_create_feature_group(plain())
    with pytest.raises(DuplicateKeys, match=r"4 rows share 2 keys \(number\); e\.g\. \(.[12].,\) x2"):
        group.insert(places((1, "b", 2), (1, "b", 2), (2, "x", 1), (2, "y", 1), (3, "z", 1)))
    assert not Path(group.table.path).exists()


def test_a_value_must_exist_in_the_group_it_refers_to(light_store: FeatureStore) -> None:
    users_group = light_store.get_or_create_feature_group(plain(name="users"))
    users_group.insert(places((1, "a", None), (2, "b", None)))
    group = light_store.get_or_create_feature_group(plain(foreign_key={"rank": users_group.declaration}))
    with pytest.raises(ContractViolated, match=r"1 of 3 rows break rank exists in users\.v1, e\.g\. 7"):
        group.insert(places((1, "a", 1), (2, "b", 7), (3, "c", None)))
    assert not Path(group.table.path).exists()


FINE = ["a b", "plain", "A", "a", " ", "null", "1", "x" * 40]
AWKWARD = ["a/b", "../x", "%2e", "%2F", "ü😀", "a=b", "it's", "a:b", "a#b?c[1]{2}*", "\\", "__HIVE_DEFAULT_PARTITION__"]


@pytest.mark.parametrize("layout", ["partition_by", "cluster_by"])
def test_files_are_laid_out_by_columns_without_changing_what_is_read(light_store: FeatureStore, layout: str) -> None:
    group = light_store.get_or_create_feature_group(plain(**{layout: ["place"]}))
    rows = places(*((n, place, n) for n, place in enumerate(FINE)))
    group.insert(rows)
    moved = rows.with_columns(place=pl.when(pl.col("number") % 2 == 0).then(pl.lit("plain")).otherwise("place"))
    receipt = group.insert(moved)
    assert receipt.updated == moved.join(rows, on=["number", "place"], how="anti").height
    assert_frame_equal(in_memory(group.read(1)), rows, check_row_order=False)
    for engine in ("polars", "spark"):
        assert_frame_equal(in_memory(group.read(engine=engine)), moved, check_row_order=False)
    changes = in_memory(group.read_changes(1))
    after = changes.filter(pl.col("_change_type") == "update_postimage").select(rows.columns)
    assert_frame_equal(after, moved.join(rows, on=["number", "place"], how="anti"), check_row_order=False)


def test_a_partition_value_is_kept_as_it_is_or_refused_by_a_rule(light_store: FeatureStore) -> None:
    group = light_store.get_or_create_feature_group(
        plain(partition_by=["place"], policy="quarantine", max_rejected=1.0)
    )
    values = ["", "x" * 300, "a\x00b", "a\nb", *FINE, *AWKWARD]
    given = places(*((n, value, n) for n, value in enumerate(values)))
    receipt = group.insert(given)
    kept = given.filter(pl.col("number").is_in(in_memory(group.read())["number"]))
    aside = group.rejected().select(given.columns)
    assert set(FINE) <= set(kept["place"])
    assert {"", "x" * 300, "a\x00b", "__HIVE_DEFAULT_PARTITION__"} <= set(aside["place"])
    assert (receipt.inserted, receipt.rejected) == (kept.height, aside.height)
    assert_frame_equal(pl.concat([kept, aside]), given, check_row_order=False)
    for engine in ("polars", "spark"):
        assert_frame_equal(in_memory(group.read(engine=engine)), kept, check_row_order=False)
    changes = in_memory(group.read_changes(engine="auto")).select(given.columns)
    assert_frame_equal(changes, kept, check_row_order=False)
    assert group.insert(kept).unchanged == kept.height


ODD = "é'\"`\\/%2F ;--${x}{{y}}😀" + "x" * 150


def test_keys_and_reasons_may_hold_any_printable_text(light_store: FeatureStore) -> None:
    group = light_store.get_or_create_feature_group(plain())
    rows = places((1, "a", 1), (2, "b", 2))
    receipt = group.insert(rows, batch_key=ODD, reason=f"{ODD}\n\x00\ud800")
    assert group.insert(rows, batch_key=ODD) == receipt
    changed = group.insert(rows.with_columns(rank=pl.lit(9)), batch_key=ODD + "2", reason="why not")
    assert (changed.version, changed.updated) == (2, 2)
    assert [(c.batch_key, c.why) for c in group.history(2)] == [
        (ODD + "2", "why not"),
        (ODD, f"{ODD}\n\x00\ud800"),
    ]


@pytest.mark.parametrize("name", ["my lake", "läke", "a%20b", "a[1]", "a#b", "a{b}", "a*", "a?", "a=b"])
def test_a_lake_whose_path_means_other_files_to_other_readers_is_refused(tmp_path: Path, name: str) -> None:
    with pytest.raises(InvalidSettings, match="Its path has"):
        connect(tmp_path / name)
