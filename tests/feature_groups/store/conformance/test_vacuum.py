"""A vacuum keeps all files of what is pinned, young or newest, removes the others, and later readers are told."""

from __future__ import annotations

import errno
import json
import os
import re
import shutil
import time
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from deltalake import DeltaTable
from polars.testing import assert_frame_equal

from children import PROJECT, start
from feature_groups.store import FeatureStore, Settings, StoredFeatureGroup, connect, faults
from feature_groups.store.engines.delta_files import vector_file
from feature_groups.store.errors import (
    InvalidSettings,
    NoChangeFeed,
    NoSuchVersion,
    TableBusy,
    TableDamaged,
    UnknownFeatureGroup,
    WriteFailed,
)
from feature_groups.store.lock import table_lock
from feature_groups.store.pins import Pins
from feature_groups.store.vacuum_report import VacuumReport
from visits import Rows, fingerprint_of, frame, in_memory, rows_of, visits

NOTHING = timedelta(0)
"""Of the history."""
OWNER = "training-dataset age_gate_v1/3"
SORTED = ["_commit_version", "user_id", "at", "_change_type"]
VACUUM = Path(PROJECT, "tests", "support", "vacuuming.py")
Copied = tuple[StoredFeatureGroup, Path]


def vacuumed(group: StoredFeatureGroup, retain: timedelta = NOTHING, *, dry_run: bool = False) -> VacuumReport:
    return group._store.vacuum(retain=retain, group=group.declaration, dry_run=dry_run)


def aged(table: Path) -> None:
    """Make all files old, as no file of a writer in flight is."""
    for file in table.rglob("*"):
        os.utime(file, (0, 0), follow_symlinks=False)


def files(table: Path) -> dict[str, int]:
    """Everything in a table's folder, with its size."""
    return {str(f.relative_to(table)): f.lstat().st_size for f in table.rglob("*") if f.is_symlink() or f.is_file()}


def data_files(table: Path, versions: Iterable[int]) -> set[str]:
    """The data files of versions, as delta-rs names them."""
    return {os.path.relpath(u, table) for v in versions for u in DeltaTable(table, version=v).file_uris()}


def true_state(group: StoredFeatureGroup, version: int) -> tuple[int, str]:
    """Rows and fingerprint of a version, from nothing but its rows."""
    found = group._store.writer.states.computed(group.table, version)
    return found.rows, f"{found.fingerprint:032x}"


def changes_of(group: StoredFeatureGroup, version: int, engine: Any = None) -> pl.DataFrame:
    return in_memory(group.read_changes(version - 1, version, engine=engine)).sort(SORTED)


def records(group: StoredFeatureGroup) -> list[Path]:
    return list((group._store.lake / "metadata" / "groups" / group.declaration.id).glob("vacuums/*.json"))


@pytest.mark.parametrize("pinned", range(7))
def test_of_all_versions_the_newest_and_the_pinned_are_left_as_they_were(
    copied: Copied, light_story: Any, pinned: int
) -> None:
    group, table = copied
    newest = max(light_story.versions)
    feeds = {version: changes_of(group, version) for version in (pinned, newest) if version}
    group._store.writer.pin(group.table, pinned, OWNER)
    aged(table)
    log = {name: size for name, size in files(table).items() if name.startswith("_delta_log")}

    (done,) = vacuumed(group)

    assert {name: size for name, size in files(table).items() if name.startswith("_delta_log")} == log
    assert {f.name for f in table.glob("*.parquet")} == data_files(table, {pinned, newest})
    assert {pinned, newest} <= set(done.readable) & set(done.changes)
    for version, rows in light_story.versions.items():
        if version in done.readable:
            assert rows_of(group.read(version)) == rows
            assert true_state(group, version) == (len(rows), fingerprint_of(rows))
            assert group.statistics(version).to_json() == light_story.group.statistics(version).to_json()
            continue
        for read in (group.read, group.statistics):
            with pytest.raises(NoSuchVersion) as caught:
                read(version)
        told = re.fullmatch(
            rf"Version {version} cannot be read: the file (\S+) is missing\. The vacuum of .* UTC by .* "
            r"\(retain 0:00:00\) removed it; readable are still versions .*",
            caught.value.what,
        )
        assert told
        assert not (table / told.group(1)).exists()
    for version, feed in feeds.items():
        assert_frame_equal(changes_of(group, version), feed)

    before = files(table)
    assert vacuumed(group).removed == 0
    assert files(table) == before
    assert len(records(group)) == 1
    assert group.insert(frame(light_story.rows)).unchanged == len(light_story.rows)


def test_spark_reads_what_is_left_and_is_told_what_is_gone(copied: Copied, light_story: Any) -> None:
    group, table = copied
    newest = max(light_story.versions)
    feed = changes_of(group, newest)
    group._store.writer.pin(group.table, 3, OWNER)
    (done,) = vacuumed(group)

    for version in (3, newest):
        assert rows_of(group.read(version, engine="spark")) == light_story.versions[version]
    assert_frame_equal(changes_of(group, newest, "spark"), feed)
    assert 2 not in done.readable
    assert data_files(table, {2}) <= set(files(table))  # gone are its deletion vectors only
    for engine in ("polars", "spark"):
        with pytest.raises(NoSuchVersion, match=r"the file deletion_vector_\S*\.bin is missing\. The vacuum of"):
            group.read(2, engine=engine)
        with pytest.raises(NoChangeFeed, match=r"the file _change_data/\S* of version 2 is missing\. The vacuum of"):
            group.read_changes(1, engine=engine)


def test_what_was_newest_within_the_time_asked_for_is_kept_whatever_the_times_of_the_files(
    copied: Copied, light_story: Any
) -> None:
    group, table = copied
    newest = max(light_story.versions)
    committed = {v: datetime.now(UTC) - timedelta(days=newest - v) for v in light_story.versions}
    for version, instant in committed.items():
        log = table / "_delta_log" / f"{version:020d}.json"
        told = f'"inCommitTimestamp":{int(instant.timestamp() * 1000)}'
        log.write_text(re.sub(r'"inCommitTimestamp":\d+', told, log.read_text()))
    assert [c.committed_at.date() for c in group.history()] == [committed[v].date() for v in sorted(committed)][::-1]
    aged(table)
    assert vacuumed(group, timedelta(days=99999999)).removed == 0
    for days, first in ((5.5, 0), (3.5, 2), (1.5, 4)):
        (done,) = vacuumed(group, timedelta(days=days))
        assert set(range(first, newest + 1)) <= set(done.readable)
        for version in range(first, newest + 1):
            assert rows_of(group.read(version)) == light_story.versions[version]
        feed = in_memory(group.read_changes(first)).sort(SORTED)
        assert_frame_equal(feed, in_memory(light_story.group.read_changes(first)).sort(SORTED))
        assert {f.name for f in table.glob("*.parquet")} == data_files(table, done.readable)
    instant = committed[4] + timedelta(hours=12)
    assert rows_of(group.read(instant)) == light_story.versions[4]
    with pytest.raises(NoSuchVersion, match=r"retain 1 day, 12:00:00\) removed it"):
        group.read(committed[2])


def test_a_dry_run_says_what_would_go_and_removes_nothing(copied: Copied) -> None:
    group, table = copied
    group._store.writer.pin(group.table, 2, OWNER)
    before = files(table)
    would = vacuumed(group, dry_run=True)
    assert files(table) == before
    assert not records(group)
    done = vacuumed(group)
    assert list(would) == list(done)
    assert sum(before.values()) - sum(files(table).values()) == done.freed > 0
    assert len(before) - len(files(table)) == done.removed > 0
    assert repr(done).startswith(f"Vacuum (retain 0:00:00) removed {done.removed} files")
    assert repr(would).startswith(f"Vacuum (retain 0:00:00) would remove {done.removed} files")
    for shown in (repr(done), done._repr_html_()):
        assert "visits_v1" in shown
        assert OWNER in shown


def test_files_of_no_commit_go_unless_they_may_be_a_writers_in_flight(copied: Copied, light_story: Any) -> None:
    group, table = copied
    aged(table)
    orphans = ["part-9.parquet", ".part-9.parquet.crc", "place=x/part-9.parquet", "_change_data/cdc-9.parquet", "a.txt"]
    others = ["_symlink_format_manifest/manifest", "_SUCCESS", ".notes", "elsewhere/part"]
    for name in [*orphans, *others]:
        (table / name).parent.mkdir(exist_ok=True)
        (table / name).write_text("something")
    (table / "elsewhere").rename(table.parent / "elsewhere")
    (table / "link").symlink_to(table.parent / "elsewhere")
    (done,) = vacuumed(group)
    assert done.young == len(orphans)
    assert all((table / name).exists() for name in orphans)
    aged(table)
    (done,) = vacuumed(group)
    assert (done.removed, done.young) == (len(orphans), 0)
    assert not any((table / name).exists() for name in orphans)
    assert all((table / name).exists() for name in others[:-1])
    assert (table / "link" / "part").exists()
    assert rows_of(group.read()) == light_story.rows


def test_rows_that_are_put_back_can_be_read_again(copied: Copied, light_story: Any) -> None:
    group, table = copied
    shutil.copytree(table, table.parent / "copy")
    vacuumed(group)
    with pytest.raises(NoSuchVersion):
        group.read(2)
    shutil.copytree(table.parent / "copy", table, dirs_exist_ok=True)
    for engine in ("polars", "spark"):
        assert rows_of(group.read(2, engine=engine)) == light_story.versions[2]


def test_what_is_pinned_is_what_can_be_read_and_pins_of_what_is_gone_are_told(copied: Copied) -> None:
    group, _ = copied
    writer, pins, table_id = (
        group._store.writer,
        Pins(group._store.metadata),
        DeltaTable(group.table.path).metadata().id,
    )
    vacuumed(group)
    with pytest.raises(NoSuchVersion, match="was not pinned"):
        writer.pin(group.table, 2, OWNER)
    assert pins.pinned("visits_v1") == {}
    writer.pin(group.table, 6, OWNER)
    assert pins.pinned("visits_v1") == {(table_id, 6): [OWNER]}
    for identity, version in ((table_id, 2), (table_id, 99), ("another", 1)):
        pins.pin("visits_v1", identity, version, "release 7")
    (done,) = vacuumed(group)
    assert {(pin.version, pin.problem) for pin in done.pins} == {
        (6, ""),
        (2, "files of it are gone"),
        (99, "newer than the newest version 6"),
        (1, "of a table that was removed"),
    }
    assert done.removed == 0


@pytest.mark.parametrize("point", [p for p in faults.POINTS if p.startswith("vacuum.")])
def test_a_vacuum_that_fails_anywhere_harms_nothing_and_is_finished_by_the_next(
    copied: Copied, light_story: Any, point: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    group, table = copied
    group._store.writer.pin(group.table, 3, OWNER)
    aged(table)
    expected = vacuumed(group, dry_run=True)
    monkeypatch.setattr(faults, "_passages", type(faults._passages)())
    monkeypatch.setenv("ALLUVIA_FAULTS", f"{point}:raise@{4 if point == 'vacuum.removing' else 1}")
    with pytest.raises(ConnectionError, match=point):
        vacuumed(group)
    for version in (3, 6):
        assert rows_of(group.read(version)) == light_story.versions[version]
    monkeypatch.delenv("ALLUVIA_FAULTS")
    done = vacuumed(group)
    assert expected.removed - done.removed == (3 if point == "vacuum.removing" else 0)
    assert [t.readable for t in done] == [t.readable for t in expected]
    with pytest.raises(NoSuchVersion, match="The vacuum of"):
        group.read(2)


def test_a_killed_vacuum_frees_the_lock_and_explains_what_it_removed(copied: Copied, light_story: Any) -> None:
    group, table = copied
    before = files(table)
    child = start(VACUUM, group._store.lake, ALLUVIA_FAULTS="vacuum.removing:kill@9")
    _, said = child.communicate(timeout=300)
    assert child.returncode == -9, said
    gone = before.keys() - files(table).keys()
    assert len(gone) == 8
    assert rows_of(group.read()) == light_story.rows
    left = [v for v in light_story.versions if not (data_files(table, {v}) & gone)]
    for version in light_story.versions.keys() - left:
        with pytest.raises(NoSuchVersion, match="The vacuum of"):
            group.read(version)
    assert vacuumed(group).removed > 0


def test_a_writer_waits_until_a_vacuum_is_done(copied: Copied, light_story: Any) -> None:
    group, _ = copied
    lock = group.table.lock_path
    child = start(VACUUM, group._store.lake, ALLUVIA_FAULTS="vacuum.recorded:delay@1")
    while "vacuum since" not in lock.read_text():
        assert child.poll() is None
        time.sleep(0.01)
    started = time.monotonic()
    receipt = group.insert(frame(light_story.rows))  # needs the lock; changes nothing, so no JVM
    assert time.monotonic() - started > 0.5
    assert receipt.unchanged == len(light_story.rows)
    assert child.wait(60) == 0
    child.communicate()
    assert len(records(group)) == 1


def test_a_vacuum_waits_for_a_writer_but_not_for_ever(copied: Copied) -> None:
    group, table = copied
    hasty = connect(group._store.lake, settings=Settings(engine="polars", lock_timeout=0.2))
    before = files(table)
    with (
        table_lock(group.table.lock_path, timeout=1, who="ann, insert since 09:00:00 UTC", where="it"),
        pytest.raises(TableBusy, match="ann, insert since"),
    ):
        hasty.vacuum(retain=NOTHING)
    assert files(table) == before


def _edited(table: Path, version: int, old: str, new: str) -> None:
    log = table / "_delta_log" / f"{version:020d}.json"
    text = log.read_text()
    assert old in text
    log.write_text(text.replace(old, new, 1))


def _checkpointed(table: Path, old: str = "", new: str = "", *, version: int) -> None:
    """Edit a commit that delta-rs does not read, because it begins at a checkpoint; without an edit remove it."""
    DeltaTable(table).create_checkpoint()
    if old:
        _edited(table, version, old, new)
    else:
        (table / "_delta_log" / f"{version:020d}.json").unlink()


def _newest_vector(table: Path) -> Path:
    """Makes the newest version one with a deletion vector, and gives its file."""
    for version in (4, 5, 6):
        for file in (table / "_delta_log").glob(f"*{version:020d}*"):
            file.unlink()
    text = (table / "_delta_log" / f"{3:020d}.json").read_text()
    adds = [json.loads(line)["add"] for line in text.splitlines() if '"add"' in line]
    return table / next(vector_file(a["deletionVector"]["pathOrInlineDv"]) for a in adds if "deletionVector" in a)


REFUSED = {
    "commits of older versions are gone": lambda t: _checkpointed(t, version=0),
    "the commit of version 2": lambda t: _checkpointed(t, '{"add"', '{"add', version=2),
    "not what its commits add up to": lambda t: _checkpointed(t, '{"add":', '{"was":', version=6),
    "whose files are not known: icebergCompatV2": lambda t: _edited(
        t, 0, '"writerFeatures":[', '"writerFeatures":["icebergCompatV2",'
    ),
    r"the data file \S* is missing": lambda t: (t / min(data_files(t, {6}))).unlink(),
    r"the file deletion_vector_\S* is missing": lambda t: _newest_vector(t).unlink(),
}


@pytest.mark.parametrize("said", REFUSED)
def test_nothing_is_removed_where_the_log_or_the_newest_version_is_not_sound(copied: Copied, said: str) -> None:
    group, table = copied
    REFUSED[said](table)
    aged(table)
    before = files(table)
    with pytest.raises(TableDamaged, match=said):
        vacuumed(group)
    assert files(table) == before
    assert not records(group)


def test_a_file_that_cannot_be_removed_is_told(copied: Copied, monkeypatch: pytest.MonkeyPatch) -> None:
    group, _ = copied

    def refuse(path: str) -> None:
        raise PermissionError(errno.EACCES, "Permission denied", path)

    with monkeypatch.context() as patch:
        patch.setattr(os, "unlink", refuse)
        with pytest.raises(WriteFailed, match=r"The file .* cannot be removed: Permission denied"):
            vacuumed(group)
    assert vacuumed(group).removed > 0


@pytest.mark.parametrize("retain", [timedelta(seconds=-1), 30, None])
def test_the_history_to_keep_is_a_span_of_time(copied: Copied, retain: Any) -> None:
    with pytest.raises(InvalidSettings, match=r"retain=timedelta\(days=30\)"):
        vacuumed(copied[0], retain)


def test_a_group_that_is_not_in_the_lake_is_not_vacuumed(copied: Copied) -> None:
    with pytest.raises(UnknownFeatureGroup):
        copied[0]._store.vacuum(group=visits(name="others"))


HOSTILE = ["a/b", "..", "ü %25", "q'\"#?", " ", None]
PLACES: Rows = {(n, 0): (1.0, name, None) for n, name in enumerate(HOSTILE, 1)}
MOVED: Rows = {(n, 0): (2.0, name, None) for n, name in enumerate(HOSTILE, 1)}
BAD: Rows = {(90, 0): (900.0, "bad", None), (91, 0): (901.0, "bad", None)}
KEPT: list[Rows] = [{(1, 0): (1.0, "Ada", None), (2, 0): (2.0, "Bob", None)}, {(1, 0): (1.5, "Ada", None)}]


def test_a_whole_lake_is_vacuumed_partitions_kept_corrections_and_rejected_rows_included(
    light_store: FeatureStore,
) -> None:
    options = {"partition_by": ["name"], "policy": "quarantine", "max_rejected": 0.9}
    parts = light_store.get_or_create_feature_group(visits(name="parts", **options))
    parts.insert(frame({**PLACES, **BAD}))
    parts.insert(frame(MOVED))
    parts.resubmit(parts.rejected().head(1).with_columns(score=pl.lit(9.0)))
    rejected = parts.rejected()
    assert rejected.height == 1
    kept = light_store.get_or_create_feature_group(visits(name="kept", corrections="keep"))
    for rows in KEPT:
        kept.insert(frame(rows))
    light_store.get_or_create_feature_group(visits(name="unwritten"))
    versions = {group: [rows_of(group.read(v)) for v in range(n)] for group, n in ((parts, 4), (kept, 3))}
    feeds = {group: changes_of(group, len(rows) - 1, "auto") for group, rows in versions.items()}
    for path in (parts.table.path, parts.table.rejected_path, kept.table.path):
        aged(Path(path))
    stray = light_store.lake / "feature_groups" / "stray_v1" / "file"
    stray.parent.mkdir()
    stray.touch()

    log = Path(parts.table.path, "_delta_log", f"{1:020d}.json")
    log.rename(log.with_suffix(".aside"))
    with pytest.raises(TableDamaged) as caught:
        light_store.vacuum(retain=NOTHING)
    assert "kept_v1" in caught.value.__notes__[0]  # was vacuumed all the same
    log.with_suffix(".aside").rename(log)
    light_store.writer.pin(parts.table, 1, OWNER)
    report = light_store.vacuum(retain=NOTHING)

    done = {table.name: table for table in report}
    assert list(done) == ["kept_v1", "parts_v1", "parts_v1 (rejected rows)"]
    assert (done["kept_v1"].removed, done["kept_v1"].readable) == (0, (0, 1, 2))  # rows are only ever added
    assert done["parts_v1"].removed > 0
    assert stray.exists()
    for group, before in versions.items():
        for version in done[group.declaration.id].readable:
            assert rows_of(group.read(version)) == before[version]
        assert_frame_equal(changes_of(group, len(before) - 1, "auto"), feeds[group])
    for version in (1, 3):
        assert rows_of(parts.read(version, engine="spark")) == versions[parts][version]
    assert_frame_equal(parts.rejected(), rejected)
    table = Path(parts.table.path)
    assert {str(f.relative_to(table)) for f in table.glob("name*/*.parquet")} == data_files(table, {1, 3})
    assert light_store.vacuum(retain=NOTHING).removed == 0


@pytest.mark.slow
def test_what_others_committed_is_kept_alike(copied: Copied, light_story: Any) -> None:
    group, table = copied
    spark: Any = group._store.shop.spark().spark  # type: ignore[attr-defined]  # this one has it
    path = group.table.path
    spark.sql(f"alter table delta.`{path}` set tblproperties ('delta.randomizeFilePrefixes' = 'true')")
    changed = dict.fromkeys(list(light_story.rows)[:1], (99.0, "changed", None))
    group.insert(frame({(60, m): (1.0, None, None) for m in range(3)}))
    group.insert(frame({**changed, (60, 1): (2.0, None, None)}))
    prefixed = group.history(1)[0].version
    assert any(f.parent != table and f.suffix == ".bin" for f in table.rglob("*") if "_delta_log" not in f.parts)
    spark.sql(f"delete from delta.`{path}` where user_id = 4")
    spark.sql(f"optimize delta.`{path}`")
    spark.sql(f"restore table delta.`{path}` to version as of 3")
    group.insert(frame({(70, 0): (1.0, None, None)}))
    versions = range(group.history(1)[0].version + 1)
    before = [rows_of(group.read(v)) for v in versions]
    group._store.writer.pin(group.table, prefixed, OWNER)
    aged(table)
    (done,) = vacuumed(group)
    assert {prefixed, versions[-1]} <= set(done.readable)
    found = {str(f.relative_to(table)) for f in table.rglob("part-*.parquet")}
    assert found == data_files(table, {prefixed, versions[-1]})
    for version in versions:
        for engine in ("polars", "spark"):
            if version in done.readable:
                assert rows_of(group.read(version, engine=engine)) == before[version]
            else:
                with pytest.raises(NoSuchVersion, match="The vacuum of"):
                    group.read(version, engine=engine)
