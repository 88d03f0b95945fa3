"""What is stored is compared with what was said when it was written; damage is told by the file it is in."""

from __future__ import annotations

import json
import struct
import zlib
from collections.abc import Callable
from pathlib import Path

import pytest
from deltalake import DeltaTable

from feature_groups.store import FeatureStore
from feature_groups.store.row_hash import FORMAT
from feature_groups.store.verify import Verified
from models.registry_check import verified_releases
from quick_lake import opened, registry


def with_checksums(file: Path, step: int = 512) -> None:
    """Put a checksum file beside a file, as Hadoop's local file system does."""
    data = file.read_bytes()
    sums = b"".join(struct.pack(">I", zlib.crc32(data[at : at + step])) for at in range(0, len(data), step))
    file.with_name(f".{file.name}.crc").write_bytes(b"crc\x00" + struct.pack(">I", step) + sums)


def flip(file: Path, at: int = 100) -> None:
    """Let one bit of a file rot."""
    data = bytearray(file.read_bytes())
    data[at] ^= 1
    file.write_bytes(data)


def data_file(store: FeatureStore, name: str, version: int | None = None) -> Path:
    table = DeltaTable(str(store.lake / "feature_groups" / name), version=version)
    return Path(table.file_uris()[0].removeprefix("file://"))


def one(store: FeatureStore, name: str) -> Verified:
    (found,) = store.verify([name])
    return found


def test_a_lake_that_nobody_touched_is_whole(quick_lake: Path) -> None:
    store = opened(quick_lake)

    found = store.verify()

    names = ["ages_v1", "guesses_v1", "habits_v1", "visits_v1", "gate_v1/1", "gate_v1/2"]
    assert [one.name for one in found] == names
    assert all(one.whole and one.files and one.bytes for one in found)
    assert all(one.whole for one in verified_releases(registry(store)))


def test_only_what_is_named_is_read(quick_lake: Path) -> None:
    found = opened(quick_lake).verify({"visits_v1", "gate_v1/2"})

    assert [one.name for one in found] == ["visits_v1", "gate_v1/2"]


def test_a_rotten_bit_is_told_by_file_and_place(own_quick_lake: Path) -> None:
    store = opened(own_quick_lake)
    file = data_file(store, "visits_v1")
    with_checksums(file)
    assert one(store, "visits_v1").whole
    unsure = one(store, "visits_v1").unsure

    flip(file, 700)

    found = one(store, "visits_v1")
    assert found.problems[0] == f"the file {file.name} was changed since it was written, near byte 512"
    assert "restore the files from a copy" in found.next_step
    assert unsure == 3  # the other version's file, and two of the log


def test_a_rotten_log_is_told(own_quick_lake: Path) -> None:
    store = opened(own_quick_lake)
    file = own_quick_lake / "feature_groups" / "ages_v1" / "_delta_log" / f"{0:020d}.json"
    with_checksums(file)
    file.write_text(file.read_text().replace("first ages", "first edges"))

    assert "_delta_log/00000000000000000000.json was changed" in one(store, "ages_v1").problems[0]


@pytest.mark.parametrize(
    ("sums", "said"),
    [(b"nonsense and more", "has a checksum file that is none"), (b"crc\x00\x00\x00\x02\x00", "times 512 bytes")],
)
def test_a_checksum_file_that_cannot_be_is_told(sums: bytes, said: str, own_quick_lake: Path) -> None:
    store = opened(own_quick_lake)
    file = data_file(store, "visits_v1")
    file.with_name(f".{file.name}.crc").write_bytes(sums)

    assert said in one(store, "visits_v1").problems[0]


def test_without_checksums_changed_rows_are_told_by_their_fingerprint(own_quick_lake: Path) -> None:
    store = opened(own_quick_lake)
    state = store.writer.states.at(store.get_feature_group("ages", 1).table)
    log = own_quick_lake / "feature_groups" / "ages_v1" / "_delta_log" / f"{0:020d}.json"
    lines = [json.loads(line) for line in log.read_text().splitlines()]
    for line in lines:
        if "commitInfo" in line:
            note = json.loads(line["commitInfo"]["userMetadata"])
            told = {"version": 0, "rows": state.rows, "fingerprint": f"{state.fingerprint ^ 1:032x}", "format": FORMAT}
            note["alluvia"] |= {"table": told, "content_hash": "c"}
            line["commitInfo"]["userMetadata"] = json.dumps(note)
    log.write_text("\n".join(map(json.dumps, lines)))

    (problem,) = one(opened(own_quick_lake), "ages_v1").problems
    assert "version 0 has 12 rows with the fingerprint" in problem


def test_a_lost_file_of_an_old_version_is_told_with_who_needs_it(own_quick_lake: Path) -> None:
    store = opened(own_quick_lake)
    file = data_file(store, "habits_v1", version=0)
    file.unlink()

    (problem,) = one(store, "habits_v1").problems
    assert problem == f"version 0, which training dataset gate_v1/1 needs, lacks the file {file.name}"


def test_a_log_that_is_not_whole_is_told(own_quick_lake: Path) -> None:
    store = opened(own_quick_lake)
    (own_quick_lake / "feature_groups" / "visits_v1" / "_delta_log" / f"{0:020d}.json").unlink()

    assert not one(store, "visits_v1").whole


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (flip, "was changed since it was written"),
        (Path.unlink, "is gone"),
        (lambda file: file.write_bytes(b""), "has 0 of "),
    ],
)
def test_a_damaged_file_of_a_dataset_is_told(change: Callable[[Path], None], said: str, own_quick_lake: Path) -> None:
    store = opened(own_quick_lake)
    file = next((own_quick_lake / "training_datasets" / "gate_v1").glob("*/parts/train/*.parquet"))
    change(file)

    (bad,) = [one for one in store.verify() if not one.whole]
    assert bad.name in ("gate_v1/1", "gate_v1/2")
    assert bad.problems[0].startswith("the file parts/train/part-0.parquet ")
    assert said in bad.problems[0]
    assert "fv.rebuild(" in bad.next_step


def test_a_damaged_member_manifest_or_report_of_a_release_is_told(own_quick_lake: Path) -> None:
    store = opened(own_quick_lake)
    made = registry(store)
    first, second = made.releases()
    folder = own_quick_lake / "metadata" / "registries" / "gate"
    flip(folder / "objects" / made.get(first.id).members["router"].sha256)
    manifest = folder / "manifests" / f"{second.id}.json"
    manifest.write_text(manifest.read_text().replace("0.82", "0.99"))

    champion, challenger = verified_releases(made)

    assert champion.problems[0].startswith("the bytes of 'router' were changed: registries/gate/objects/")
    assert challenger.problems[0].startswith("Its manifest has the sha256 ")


def test_lost_members_are_damage_where_they_serve_only(own_quick_lake: Path) -> None:
    store = opened(own_quick_lake)
    made = registry(store)
    for file in (own_quick_lake / "metadata" / "registries" / "gate" / "objects").iterdir():
        file.unlink()
    made.challenge(None)

    champion, collected = verified_releases(made)

    assert champion.problems[0].startswith("the bytes of 'router' are gone: ")
    assert collected.whole


def test_a_file_that_a_write_left_half_written_damages_nothing(own_quick_lake: Path) -> None:
    store = opened(own_quick_lake)
    file = data_file(store, "visits_v1")
    left = file.with_name("part-00000-left.snappy.parquet")
    left.write_bytes(file.read_bytes())
    with_checksums(left)
    left.write_bytes(file.read_bytes()[:700])

    assert one(store, "visits_v1").problems == ()
    with_checksums(file)
    flip(file, 700)
    assert one(store, "visits_v1").problems[0].startswith(f"the file {file.name} was changed")
