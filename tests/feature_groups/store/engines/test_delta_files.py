from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest

from feature_groups.store.engines.delta_files import found_files, located, logged_versions, read_commit, vector_file
from feature_groups.store.table_files import RowFile


@pytest.fixture
def table(tmp_path: Path) -> Path:
    (tmp_path / "_delta_log").mkdir()
    return tmp_path


def commit(table: Path, version: int, *actions: dict[str, Any]) -> None:
    text = "\n".join(json.dumps(action) for action in actions) + "\n"
    (table / "_delta_log" / f"{version:020d}.json").write_text(text)


def test_a_vectors_file_is_named_as_in_the_example_of_the_protocol() -> None:
    name = "deletion_vector_d2c639aa-8816-431a-aaf6-d3fe2512ff61.bin"
    assert vector_file("ab^-aqEH.-t@S}K{vb[*k^") == f"ab/{name}"
    assert vector_file("^-aqEH.-t@S}K{vb[*k^") == name


@pytest.mark.parametrize(
    ("name", "path"),
    [
        ("part-0.parquet", "part-0.parquet"),
        ("place=a%252Fb/part-0.parquet", "place=a%2Fb/part-0.parquet"),
        ("place=../part-0.parquet", "place=../part-0.parquet"),
        ("place=%20/a%23b", "place= /a#b"),
        ("./a//b", "a/b"),
        ("file:///elsewhere/a%20b", "/elsewhere/a b"),
        ("file:/elsewhere/a", "/elsewhere/a"),
    ],
)
def test_the_log_names_files_by_url(tmp_path: Path, name: str, path: str) -> None:
    assert located(str(tmp_path), name) == path


def test_an_absolute_name_may_lead_back_into_the_folder(tmp_path: Path) -> None:
    (tmp_path / "table").mkdir()
    (tmp_path / "other name").symlink_to(tmp_path / "table")
    for name in (
        f"file://{tmp_path}/table/p/a%20b",
        f"{tmp_path}/table/p/a%20b",
        f"file://{tmp_path}/other%20name/p/a%20b",
    ):
        assert located(str(tmp_path / "table"), name) == "p/a b"
        assert located(str(tmp_path / "other name"), name) == "p/a b"
    assert located(str(tmp_path / "tab"), f"file://{tmp_path}/table/x") == f"{tmp_path}/table/x"


def test_a_name_that_was_not_encoded_is_found_as_it_is(tmp_path: Path) -> None:
    (tmp_path / "place=a%20b").mkdir()
    (tmp_path / "place=a%20b" / "part").touch()
    assert located(str(tmp_path), "place=a%20b/part") == "place=a%20b/part"
    assert located(str(tmp_path), "place=a%20b/gone") == "place=a b/gone"


def test_a_commit_says_what_it_adds_and_removes_vectors_included(table: Path) -> None:
    kept = {"storageType": "u", "pathOrInlineDv": "ab^-aqEH.-t@S}K{vb[*k^", "offset": 1}
    aside = {"storageType": "p", "pathOrInlineDv": "file:///dv%20s/one.bin"}
    inline = {"storageType": "i", "pathOrInlineDv": "wi5b=000010000siXQKl0rr91000f55c8Xg0@@D72lkbi5=-{L"}
    commit(
        table,
        3,
        {"commitInfo": {"timestamp": 2000, "inCommitTimestamp": 1000}},
        {"metaData": {"id": "an-id"}},
        {"protocol": {"readerFeatures": ["deletionVectors"], "writerFeatures": ["appendOnly"]}},
        {"add": {"path": "a", "dataChange": True, "deletionVector": kept}},
        {"add": {"path": "b", "dataChange": True, "deletionVector": inline}},
        {"remove": {"path": "a", "dataChange": True}},
        {"remove": {"path": "b", "dataChange": True, "deletionVector": aside}},
        {"remove": {"path": "c", "dataChange": False}},
        {"txn": {"appId": "x", "version": 1}},
    )
    found, features = read_commit(str(table), 3)
    assert (found.version, found.table_id, features) == (3, "an-id", {"deletionVectors", "appendOnly"})
    assert found.committed_at is not None
    assert found.committed_at.timestamp() == 1
    vector = "ab/deletion_vector_d2c639aa-8816-431a-aaf6-d3fe2512ff61.bin"
    assert [row.files for row in found.added] == [("a", vector), ("b",)]
    assert [row.files for row in found.removed] == [("a",), ("b", "/dv s/one.bin"), ("c",)]
    assert len({*found.added, *found.removed}) == 5
    assert set(found.changes) == {"a", "b", vector, "/dv s/one.bin"}  # not c: its rows only moved


def test_a_commit_that_has_change_files_tells_its_changes_by_them_alone(table: Path) -> None:
    commit(table, 0, {"add": {"path": "a", "dataChange": True}}, {"cdc": {"path": "_change_data/x%20y"}})
    found, _ = read_commit(str(table), 0)
    assert (found.added, found.changes, found.committed_at) == ((RowFile("a"),), ("_change_data/x y",), None)


@pytest.mark.parametrize(
    "text", ["{", '{"add": {}}', '{"add": {"path": "a", "deletionVector": {"storageType": "?", "pathOrInlineDv": ""}}}']
)
def test_a_commit_that_cannot_be_understood_is_an_error(table: Path, text: str) -> None:
    (table / "_delta_log" / f"{0:020d}.json").write_text(text)
    with pytest.raises((ValueError, KeyError)):
        read_commit(str(table), 0)


def test_commits_are_the_numbered_files_of_the_log(table: Path) -> None:
    for version in (10, 2, 0):
        commit(table, version)
    for name in ("_last_checkpoint", f"{2:020d}.checkpoint.parquet", f"{3:020d}.crc", f".{3:020d}.json.tmp", "4.json"):
        (table / "_delta_log" / name).touch()
    assert logged_versions(str(table)) == [0, 2, 10]


def test_only_a_tables_own_files_are_found_and_each_with_what_it_belongs_to(table: Path) -> None:
    kept = (
        "_delta_log/0",
        "_symlink_format_manifest/a",
        "_SUCCESS",
        ".hidden",
        "p=1/_temporary/x",
        ".crc",
        "p=1/._x.crc",
    )
    own = {
        "a.parquet": "a.parquet",
        "p=1/.b.crc": "p=1/b",
        "p=1/b": "p=1/b",
        "_change_data/p=1/c": "_change_data/p=1/c",
    }
    for name in (*kept, *own, "elsewhere/x"):
        (table / name).parent.mkdir(parents=True, exist_ok=True)
        (table / name).write_text("four")
    (table / "elsewhere").rename(table.parent / "elsewhere")
    (table / "linked").symlink_to(table.parent / "elsewhere")
    os.utime(table / "p=1/b", (5, 5))
    found = found_files(str(table))
    assert {f.name: f.of for f in found} == own
    assert {f.size for f in found} == {4}
    assert [f.modified for f in found if f.name == "p=1/b"] == [5]
