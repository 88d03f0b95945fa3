from __future__ import annotations

import json
import multiprocessing
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from feature_groups.store.metadata import Metadata

words = st.from_regex(r"[a-z0-9_]{1,8}", fullmatch=True)
values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5), lambda inner: st.lists(inner, max_size=3)
)


@pytest.fixture
def metadata(tmp_path: Path) -> Metadata:
    return Metadata(tmp_path / "metadata")


def test_an_object_is_written_once_and_never_changed(metadata: Metadata) -> None:
    assert metadata.put_if_absent("a/b.json", {"x": 1})
    assert not metadata.put_if_absent("a/b.json", {"x": 2})
    assert metadata.get("a/b.json") == {"x": 1}


def test_bytes_of_any_length_are_written_once(metadata: Metadata) -> None:
    large = bytes(range(256)) * 50_000
    assert metadata.put_bytes_if_absent("a/large", large)
    assert not metadata.put_bytes_if_absent("a/large", b"other")
    assert metadata.get_bytes("a/large") == large
    assert (metadata.exists("a/large"), metadata.exists("a/small")) == (True, False)
    assert metadata.get_bytes("a/small") is None
    ((path, (at, size)),) = metadata.changed("a").items()
    assert (path, size) == ("a/large", len(large))
    assert abs((datetime.now(UTC) - at).total_seconds()) < 60


def test_the_entry_after_a_number_is_written_by_one(metadata: Metadata) -> None:
    assert metadata.append_after("log", 0, {"x": 1})
    assert not metadata.append_after("log", 0, {"x": 2})
    assert metadata.append_after("log", 1, {"x": 3})
    assert metadata.entries("log") == [{"x": 1}, {"x": 3}]


def test_what_is_not_there_is_none(metadata: Metadata) -> None:
    assert metadata.get("a/b.json") is None
    assert metadata.last("log") is None
    assert metadata.entries("log") == []
    assert metadata.names("nowhere") == []
    assert metadata.last_number("log") == 0


def test_an_object_that_is_removed_may_be_written_again(metadata: Metadata) -> None:
    metadata.put_if_absent("a/b.json", {"x": 1})
    metadata.remove("a/b.json")
    metadata.remove("a/b.json")
    assert metadata.get("a/b.json") is None
    assert metadata.put_if_absent("a/b.json", {"x": 2})


@settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(given_values=st.lists(st.dictionaries(words, values, max_size=3), max_size=5), log=words)
def test_a_log_gives_back_what_was_appended_in_order(
    tmp_path: Path, given_values: list[dict[str, object]], log: str
) -> None:
    metadata = Metadata(tmp_path / str(len(list(tmp_path.iterdir()))))
    numbers = [metadata.append(f"groups/{log}/x", value) for value in given_values]
    assert numbers == list(range(1, len(given_values) + 1))
    assert metadata.entries(f"groups/{log}/x") == given_values
    assert metadata.last(f"groups/{log}/x") == (given_values[-1] if given_values else None)


def test_logs_beside_each_other_do_not_mix(metadata: Metadata) -> None:
    metadata.append("groups/a_v1/declarations", {"of": "a_v1"})
    metadata.append("groups/a_v10/declarations", {"of": "a_v10"})
    metadata.append("groups/a_v1/declarations_old", {"of": "old"})
    assert metadata.entries("groups/a_v1/declarations") == [{"of": "a_v1"}]
    assert metadata.names("groups/a_v1") == [
        "groups/a_v1/declarations/000001.json",
        "groups/a_v1/declarations_old/000001.json",
    ]


def test_a_log_goes_on_beyond_six_digits(metadata: Metadata) -> None:
    metadata.put_if_absent("log/999999.json", {"n": 1})
    assert metadata.append("log", {"n": 2}) == 1_000_000
    assert metadata.last("log") == {"n": 2}


def test_another_reader_sees_what_was_written(tmp_path: Path) -> None:
    Metadata(tmp_path).append("log", {"text": "é\n'\""})
    assert Metadata(tmp_path).last("log") == {"text": "é\n'\""}
    assert json.loads((tmp_path / "log" / "000001.json").read_text()) == {"text": "é\n'\""}


def test_a_file_that_a_dead_writer_left_half_written_is_no_entry(tmp_path: Path) -> None:
    metadata = Metadata(tmp_path)
    metadata.append("log", {"n": 1})
    (tmp_path / "log" / "000002.json#1").write_text('{"n"')
    assert metadata.last("log") == {"n": 1}
    assert metadata.append("log", {"n": 2}) == 2


def test_of_threads_that_write_one_object_exactly_one_succeeds(metadata: Metadata) -> None:
    with ThreadPoolExecutor(8) as pool:
        for round_ in range(20):
            won = list(pool.map(lambda n, r=round_: metadata.put_if_absent(f"race/{r}.json", {"n": n}), range(8)))
            assert won.count(True) == 1
            assert metadata.get(f"race/{round_}.json") == {"n": won.index(True)}


def append_many(root: Path, who: int, count: int, numbers: multiprocessing.Queue[list[int]]) -> None:
    metadata = Metadata(root)
    numbers.put([metadata.append("log", {"who": who, "n": n}) for n in range(count)])


def test_of_processes_that_append_to_one_log_no_entry_is_lost_or_doubled(tmp_path: Path) -> None:
    context = multiprocessing.get_context("spawn")
    numbers: multiprocessing.Queue[list[int]] = context.Queue()
    processes = [context.Process(target=append_many, args=(tmp_path, who, 25, numbers)) for who in range(3)]
    for process in processes:
        process.start()
    given_numbers = [numbers.get(timeout=60) for _ in processes]
    for process in processes:
        process.join(60)

    assert sorted(n for each in given_numbers for n in each) == list(range(1, 76))
    entries = Metadata(tmp_path).entries("log")
    assert sorted((e["who"], e["n"]) for e in entries) == [(who, n) for who in range(3) for n in range(25)]
    for who in range(3):
        assert [e["n"] for e in entries if e["who"] == who] == list(range(25))
