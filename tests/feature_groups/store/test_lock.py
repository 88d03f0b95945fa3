from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from feature_groups.store.errors import TableBusy
from feature_groups.store.lock import table_lock

HOLDER = """
import sys, time
from pathlib import Path
from feature_groups.store.lock import table_lock
with table_lock(Path(sys.argv[1]), timeout=30, who="flow run 'nightly', insert", where="it"):
    print("held", flush=True)
    time.sleep(60)
"""
BARE_HOLDER = """
import fcntl, sys, time
file = open(sys.argv[1], "a")
fcntl.flock(file, fcntl.LOCK_EX)
print("held", flush=True)
time.sleep(60)
"""
COUNTER = """
import sys, time
from pathlib import Path
from feature_groups.store.lock import table_lock
lock, counter = Path(sys.argv[1]), Path(sys.argv[2])
for _ in range(int(sys.argv[3])):
    with table_lock(lock, timeout=60, who="counting", where="it"):
        number = int(counter.read_text())
        time.sleep(0.002)
        counter.write_text(str(number + 1))
"""


def python(code: str, *arguments: object) -> subprocess.Popen[str]:
    environment = {**os.environ, "PYTHONPATH": os.getcwd()}
    command = [sys.executable, "-c", code, *map(str, arguments)]
    return subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, text=True)


@contextmanager
def held_elsewhere(path: Path, code: str = HOLDER) -> Iterator[subprocess.Popen[str]]:
    """Another process holds the lock."""
    holder = python(code, path)
    try:
        assert holder.stdout is not None
        assert holder.stdout.readline() == "held\n"
        yield holder
    finally:
        holder.kill()
        holder.wait()
        holder.stdout.close()  # type: ignore[union-attr]  # there is one


def taken_within(path: Path, seconds: float) -> bool:
    started = time.monotonic()
    with table_lock(path, timeout=seconds, who="test", where="it"):
        return time.monotonic() - started < seconds


def test_a_free_lock_is_taken_at_once_and_its_file_stays(tmp_path: Path) -> None:
    path = tmp_path / "locks" / "ratings_v1.lock"
    assert taken_within(path, 1)
    assert path.exists()
    assert path.stat().st_mode & 0o077 == 0
    assert taken_within(path, 1)


def test_the_wait_ends_with_the_name_of_the_holder_and_what_it_does(tmp_path: Path) -> None:
    path = tmp_path / "ratings_v1.lock"
    with held_elsewhere(path) as holder:
        started = time.monotonic()
        with (
            pytest.raises(TableBusy) as busy,
            table_lock(path, timeout=0.3, who="test", where="feature group 'ratings' v1"),
        ):
            raise AssertionError("two hold it")
        assert 0.3 <= time.monotonic() - started < 5
        assert f"pid {holder.pid}, flow run 'nightly', insert" in busy.value.what
        assert "feature group 'ratings' v1 was not written" in str(busy.value)


def test_the_lock_of_a_killed_holder_is_free_at_once_twenty_times_out_of_twenty(tmp_path: Path) -> None:
    path, waits = tmp_path / "ratings_v1.lock", []
    for _ in range(20):
        with held_elsewhere(path, BARE_HOLDER) as holder:
            holder.send_signal(signal.SIGKILL)
            holder.wait()
            started = time.monotonic()
            assert taken_within(path, 5)
            waits.append(time.monotonic() - started)
    assert max(waits) < 1


def test_a_waiter_gets_the_lock_as_soon_as_the_holder_dies(tmp_path: Path) -> None:
    path = tmp_path / "ratings_v1.lock"
    with held_elsewhere(path) as holder:
        killer = threading.Timer(0.3, holder.kill)
        killer.start()
        started = time.monotonic()
        assert taken_within(path, 10)
        assert 0.25 < time.monotonic() - started < 3
        killer.join()


def test_an_error_inside_frees_the_lock(tmp_path: Path) -> None:
    path = tmp_path / "ratings_v1.lock"
    with pytest.raises(KeyError), table_lock(path, timeout=1, who="test", where="it"):
        raise KeyError
    assert taken_within(path, 1)


def test_two_threads_of_one_process_exclude_each_other(tmp_path: Path) -> None:
    path = tmp_path / "ratings_v1.lock"
    with (
        table_lock(path, timeout=1, who="outer", where="it"),
        pytest.raises(TableBusy, match="outer"),
        table_lock(path, timeout=0.1, who="inner", where="it"),
    ):
        raise AssertionError("two hold it")


def test_two_processes_take_turns(tmp_path: Path) -> None:
    lock, counter = tmp_path / "ratings_v1.lock", tmp_path / "counter"
    counter.write_text("0")
    processes = [python(COUNTER, lock, counter, 60) for _ in range(2)]
    assert [p.wait(60) for p in processes] == [0, 0]
    for process in processes:
        process.stdout.close()  # type: ignore[union-attr]  # there is one
    assert counter.read_text() == "120"


def test_the_name_of_the_last_holder_is_whole_after_a_longer_one(tmp_path: Path) -> None:
    path = tmp_path / "ratings_v1.lock"
    for who in ("a very long description of what is done", "short"):
        with table_lock(path, timeout=1, who=who, where="it"):
            assert path.read_text() == f"pid {os.getpid()}, {who}"
