from __future__ import annotations

import logging
import os
import shutil
from collections.abc import Callable
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from deltalake import DeltaTable, QueryBuilder
from polars.testing import assert_frame_equal

from feature_groups.store import FeatureStore, Settings, StoredFeatureGroup, connect
from feature_groups.store.engines.delta_log import DeltaLog, DeltaSnapshot
from feature_groups.store.errors import NoChangeFeed, NoSuchVersion, NothingWritten, TableDamaged
from feature_groups.store.reader import Reader
from visits import at, fingerprint_of, frame, in_memory, rows_of, visits


def _some(story: Any, engine: str) -> list[int]:
    """All versions with Polars; with Spark one before deletions and one after."""
    versions = sorted(story.versions)
    return versions if engine == "polars" else [2, versions[-2]]


def test_every_version_reads_as_the_rows_were_then(story: Any, engine: str) -> None:
    for version in _some(story, engine):
        assert rows_of(story.group.read(version)) == story.versions[version]
    assert rows_of(story.group.read()) == story.rows


def test_one_engine_reads_what_the_other_wrote(story: Any, engine: str) -> None:
    other = "spark" if engine == "polars" else "polars"
    for version in _some(story, other):
        assert rows_of(story.group.read(version, engine=other)) == story.versions[version]


def test_an_instant_means_the_newest_version_committed_by_then(light_story: Any) -> None:
    group, commits = light_story.group, light_story.group.history()
    log = Path(group.table.path, "_delta_log")
    for file in log.iterdir():
        os.utime(file, (0, 0))  # what a copy or a restore does to file times
    for commit in commits:
        rows = light_story.versions[commit.version]
        instant = commit.committed_at
        assert rows_of(group.read(instant)) == rows
        assert rows_of(group.read(instant.isoformat())) == rows
        assert rows_of(group.read(instant.astimezone(timezone(timedelta(hours=9))).isoformat())) == rows
    assert rows_of(group.read(datetime(9999, 1, 1, tzinfo=UTC))) == light_story.rows


class Telling(DeltaLog):
    """A log that says the same of the files' last instant, true or not."""

    def __init__(self, told: datetime | None) -> None:
        self._told = told

    def at(self, path: str, version: int | None = None) -> DeltaSnapshot:
        """A snapshot that says so."""
        told = self._told

        class Snapshot(DeltaSnapshot):
            def last(self, column: str) -> datetime | None:  # the port's
                return told

        return Snapshot(path, DeltaTable(path, version=version))


@pytest.mark.parametrize("told", [None, at(-(10**6)), at(30), at(60), at(10**6)], ids=str)
def test_the_last_instant_is_found_whatever_the_log_says_of_the_files(light_story: Any, told: datetime | None) -> None:
    store, table = light_story.store, light_story.group.table
    reader = Reader(Telling(told), store.metadata, store.shop)
    for version, rows in light_story.versions.items():
        wanted = max((at(minute) for _, minute in rows), default=None)
        assert reader.newest(table, version, "at") == store.reader.newest(table, version, "at") == wanted


def test_the_log_says_the_last_instant_of_the_files_in_milliseconds(light_story: Any) -> None:
    path, log, first = light_story.group.table.path, DeltaLog(), light_story.steps[0].receipt.version
    assert log.at(path, first).last("at") == at(60).replace(microsecond=0) < at(60)
    assert log.at(path, first).last("score") is None  # of what is no key it says nothing
    assert log.at(path, 0).last("at") is None


@pytest.mark.parametrize(
    "as_of",
    [
        -1,
        99,
        True,
        1.0,
        datetime(2999, 1, 1),
        "2999-01-01T00:00:00",
        "yesterday",
        "",
        datetime(2000, 1, 1, tzinfo=UTC),
        datetime(1, 1, 1, tzinfo=timezone(timedelta(hours=14))),
    ],
    ids=str,
)
def test_what_is_no_version_and_no_instant_of_the_history_is_refused(light_story: Any, as_of: Any) -> None:
    for read in (light_story.group.read, light_story.group.statistics, light_story.group.read_changes):
        with pytest.raises(NoSuchVersion):
            read(as_of)


def test_a_group_nothing_was_written_to_says_so(light_store: FeatureStore) -> None:
    group = light_store.get_or_create_feature_group(visits())
    for read in (group.read, group.read_changes, group.history, group.statistics):
        with pytest.raises(NothingWritten):
            read()
    assert group.rejected().is_empty()
    assert "nothing written yet" in repr(group)


def test_the_instant_of_ingestion_is_read_when_asked_for(light_story: Any) -> None:
    assert "ingested_at" not in in_memory(light_story.group.read(1)).columns
    found = in_memory(light_story.group.read(1, with_ingested_at=True))
    assert found.schema["ingested_at"] == pl.Datetime("us", "UTC")
    assert set(found["ingested_at"]) == {light_story.steps[0].receipt.ingested_at}


def test_plain_delta_readers_read_the_tables(story: Any) -> None:
    path = story.group.table.path
    assert rows_of(pl.scan_delta(path).drop("ingested_at")) == story.rows
    query = QueryBuilder().register("visits", DeltaTable(path)).execute("select user_id from visits where score > 4")
    expected = [key[0] for key, (score, *_) in story.rows.items() if score is not None and score > 4]
    assert sorted(pl.DataFrame(query.read_all())["user_id"]) == sorted(expected)


def test_auto_takes_the_engine_by_size_and_says_why(light_story: Any, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, logger="feature_groups")
    lake = light_story.store.lake
    small = connect(lake, settings=Settings(engine="auto")).get_or_create_feature_group(visits())
    assert isinstance(small.read(), pl.LazyFrame)
    assert "with polars (7 stored rows fit the budget of 20,000,000)" in caplog.text
    large = connect(lake, settings=Settings(engine="auto", polars_rows=5)).get_or_create_feature_group(visits())
    assert not isinstance(large.read(), pl.LazyFrame)
    assert "with spark (7 stored rows exceed the budget of 5)" in caplog.text
    receipt = large.insert(frame(light_story.rows).head(5))
    assert receipt.engine == "polars (5 rows fit the budget of 5)"


def test_the_history_says_when_what_how_many_who_and_why(story: Any) -> None:
    commits = {c.version: c for c in story.group.history()}
    for number, step in enumerate(story.steps):
        if not step.receipt.committed:
            continue
        commit = commits[step.receipt.version]
        inserted, updated, _, deleted = step.counts
        assert (commit.inserted, commit.updated, commit.deleted) == (inserted, updated, deleted)
        assert (commit.operation, commit.why, commit.batch_key) == (step.operation, f"step {number}", f"step {number}")
        assert commit.who
        assert abs(commit.committed_at - step.receipt.ingested_at) < timedelta(minutes=2)
    assert story.group.history(1)[0] == commits[max(commits)]
    text, page = repr(story.group.history()), story.group.history()._repr_html_()
    for shown in ("overwrite", "step 2", "who"):
        assert shown in text
        assert shown in page


def test_the_statistics_of_any_version_are_computed_once_and_kept(story: Any, engine: str) -> None:
    asked = {version: story.versions[version] for version in _some(story, engine)}
    for version, rows in asked.items():
        found = story.group.statistics(version)
        assert (found.rows, found.version) == (len(rows), version)
        scores = [score for score, *_ in rows.values() if score is not None]
        assert found["score"].count == len(scores)
        assert found["score"].minimum == (min(scores) if scores else None)
        assert found["name"].maximum is None  # personal
        assert found["name"].top == ()
    kept = list((story.store.lake / "metadata").rglob("statistics/*/*.json"))
    assert len(kept) == len(asked)
    before = {file: file.stat().st_mtime_ns for file in kept}
    assert story.group.statistics(2) == story.group.statistics(2)
    assert {file: file.stat().st_mtime_ns for file in kept} == before


def test_a_group_shows_what_it_is_and_what_state_it_is_in(light_story: Any) -> None:
    version = light_story.steps[-1].receipt.version
    for shown in (repr(light_story.group), str(light_story.group.describe()), light_story.group._repr_html_()):
        for fact in ("One row per user and visit.", "user_id", "points", "pii", f"version {version}, 5 rows"):
            assert fact in shown
        assert fingerprint_of(light_story.rows) in shown
    for value in (light_story.steps[0].receipt, light_story.group.statistics()):
        assert value._repr_html_().startswith("<p>")
        assert "visits" in str(value)


def _newest(log: Path, back: int = 0) -> Path:
    return sorted(log.glob("*.json"))[-1 - back]


def _cut(file: Path, share: float) -> None:
    os.truncate(file, int(file.stat().st_size * share))


def _data(table: Path, pattern: str) -> list[Path]:
    """The files of the newest version only."""
    live = set(pl.DataFrame(DeltaTable(table).get_add_actions(flatten=True))["path"])
    return [f for f in table.glob(pattern) if f.suffix != ".parquet" or f.name in live]


DAMAGE: dict[str, Callable[[Path], object]] = {
    "newest commit empty": lambda t: _cut(_newest(t / "_delta_log"), 0),
    "older commit empty": lambda t: _cut(_newest(t / "_delta_log", 2), 0),
    "newest commit cut": lambda t: _cut(_newest(t / "_delta_log"), 0.5),
    "a commit missing": lambda t: _newest(t / "_delta_log", 2).unlink(),
    "a commit not JSON": lambda t: _newest(t / "_delta_log").write_text("<html>"),
    "a data file missing": lambda t: _data(t, "*.parquet")[0].unlink(),
    "a data file empty": lambda t: _cut(_data(t, "*.parquet")[0], 0),
    "a data file cut": lambda t: _cut(_data(t, "*.parquet")[0], 0.9),
    "deletion vectors missing": lambda t: [f.unlink() for f in t.glob("*.bin")],
}


@pytest.mark.parametrize("damage", DAMAGE)
def test_a_damaged_table_is_neither_read_nor_written(
    copied: tuple[StoredFeatureGroup, Path], damage: str, light_story: Any
) -> None:
    group, table = copied
    assert DeltaTable(table).deletion_vectors() is not None
    DAMAGE[damage](table)
    log = sorted((f.name, f.stat().st_size) for f in (table / "_delta_log").iterdir())
    for use in (
        lambda: in_memory(group.read()),
        lambda: in_memory(group.read(engine="spark")) if "vectors" not in damage else in_memory(group.read()),
        group.statistics,
        lambda: group.insert(frame({(800, 0): (1.0, None, None)})),
        lambda: group.delete_rows(pl.DataFrame({"user_id": [4]})),
    ):
        with pytest.raises(TableDamaged) as caught:
            use()
        first = str(caught.value).splitlines()[0]
        assert "visits" in first
        assert "table damaged" in first
    assert sorted((f.name, f.stat().st_size) for f in (table / "_delta_log").iterdir()) == log


def test_damage_to_the_newest_version_leaves_the_others_readable(
    copied: tuple[StoredFeatureGroup, Path], light_story: Any
) -> None:
    group, table = copied
    old = set(pl.DataFrame(DeltaTable(table, version=1).get_add_actions(flatten=True))["path"])
    for file in _data(table, "*.parquet"):
        if file.name not in old:
            file.unlink()
    assert rows_of(group.read(1)) == light_story.versions[1]
    with pytest.raises(TableDamaged):
        group.read()


def test_lost_files_of_the_change_feed_are_told(copied: tuple[StoredFeatureGroup, Path], light_story: Any) -> None:
    group, table = copied
    shutil.rmtree(table / "_change_data")
    with pytest.raises(NoChangeFeed, match="read\\(\\) the two versions"):
        group.read_changes(1)
    assert rows_of(group.read()) == light_story.rows


def test_reads_of_both_engines_have_the_same_columns_types_and_rows(light_story: Any) -> None:
    for options in ({}, {"with_ingested_at": True}):
        polars, spark = (in_memory(light_story.group.read(2, engine=e, **options)) for e in ("polars", "spark"))
        assert_frame_equal(polars, spark, check_row_order=False)
