from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from feature_groups.store.engines.jars import ensure_jars
from feature_groups.store.engines.java import check_java
from feature_groups.store.engines.jvm import archive_path
from feature_groups.store.engines.run_folder import claim_run_folder
from feature_groups.store.errors import EngineUnavailable, JavaMissing
from feature_groups.store.settings import Settings

PROJECT = Path(__file__).parents[4]

LIFE = """
import json, os, signal, sys, warnings
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from feature_groups.store.engines import session as sessions
from feature_groups.store.engines.jvm import MODULE_OPTIONS
from feature_groups.store.errors import EngineUnavailable
from feature_groups.store.settings import Settings

settings, table, project = Settings(), str(Path(sys.argv[1]) / "täble"), sys.argv[2]
told = {}


def in_a_worker(batches):
    import feature_groups.store.names

    assert feature_groups.store.names.__file__.startswith(project)
    yield from batches


with ThreadPoolExecutor(4) as threads:
    answers = list(threads.map(lambda _: sessions.spark_session(settings), range(4)))
told["one for all threads"] = len({id(answer) for answer in answers}) == 1
first = sessions._running.jvm.process
spark = answers[0]
spark.range(10).write.format("delta").save(table)
told["rows through a worker"] = spark.read.format("delta").load(table).mapInArrow(in_a_worker, "id long").count()
told["worker's Python"] = spark.sparkContext.pythonExec
theirs = spark._jvm.org.apache.spark.launcher.JavaModuleOptions.defaultModuleOptionArray()
told["options Spark's launcher would add"] = sorted(set(theirs) ^ set(MODULE_OPTIONS))
try:
    sessions.spark_session(settings.model_copy(update={"spark_master": "local[1]"}))
except EngineUnavailable as error:
    told["asked for a second master"] = str(error)
with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # newer Pythons warn of every fork beside threads
    child = os.fork()
if child == 0:
    try:
        sessions.spark_session(settings)
    except EngineUnavailable:
        os._exit(42)
    os._exit(0)
told["a forked child's exit code"] = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])

first.send_signal(signal.SIGKILL)
first.wait()
told["started after the JVM died"] = sessions.session_started()
with warnings.catch_warnings():
    warnings.simplefilter("error")
    spark = sessions.spark_session(settings)
told["started again"] = sessions.session_started()
second = sessions._running.jvm.process

spark.stop()
assert sessions.spark_session(settings) is not spark
told["JVM of a stopped session"] = second.poll()
print(json.dumps({**told, "pids": [first.pid, second.pid, sessions._running.jvm.process.pid]}))
"""

WAITING = """
import sys
from feature_groups.store.engines import session as sessions
from feature_groups.store.settings import Settings

sessions.spark_session(Settings())
print(sessions._running.jvm.process.pid, flush=True)
sys.stdin.read()
"""

STARTING = """
from feature_groups.store.engines.session import spark_session
from feature_groups.store.settings import Settings

print(spark_session(Settings()).version)
"""


FOREIGN = """
from types import SimpleNamespace

from pyspark import SparkContext

SparkContext._active_spark_context = SimpleNamespace(appName="notebook", master="local")
"""


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """A home of its own which shares the project's cache."""
    cache = Settings().cache_path
    ensure_jars(cache)
    (tmp_path / "home").mkdir()
    (tmp_path / "home" / "cache").symlink_to(cache)
    return tmp_path / "home"


@pytest.fixture
def elsewhere(tmp_path: Path) -> Path:
    """A current directory where nothing may be left."""
    folder = tmp_path / "elsewhere"
    folder.mkdir()
    return folder


def environment(home: Path, **more: str) -> dict[str, str]:
    return {**os.environ, "ALLUVIA_HOME": str(home), "PYTHONPATH": str(PROJECT), **more}


def run(script: str, *arguments: str, home: Path, cwd: Path, **more: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-W", "error::ResourceWarning", "-c", script, *arguments]
    return subprocess.run(command, cwd=cwd, env=environment(home, **more), capture_output=True, text=True, check=False)


def is_running(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


def run_folders(home: Path) -> list[str]:
    return [path.name for path in (home / "run").iterdir() if path.is_dir()]


def test_a_session_is_one_per_process_survives_its_jvm_and_leaves_nothing(home: Path, elsewhere: Path) -> None:
    done = run(LIFE, str(home), str(PROJECT), home=home, cwd=elsewhere, LC_ALL="C")

    assert done.returncode == 0, done.stderr
    assert "ResourceWarning" not in done.stderr
    told = json.loads(done.stdout)
    pids = told.pop("pids")
    refusal = told.pop("asked for a second master")
    assert "local[1]" in refusal
    assert "already runs one on local[2]" in refusal
    assert told == {
        "one for all threads": True,
        "rows through a worker": 10,
        "worker's Python": sys.executable,
        "options Spark's launcher would add": ["--add-modules=jdk.incubator.vector"],
        "a forked child's exit code": 42,
        "started after the JVM died": False,
        "started again": True,
        "JVM of a stopped session": 0,
    }
    assert not any(is_running(pid) for pid in pids)
    assert list(elsewhere.iterdir()) == []
    assert run_folders(home) == []


def test_a_killed_process_takes_its_jvm_along_and_the_next_one_sweeps_its_folder(home: Path, elsewhere: Path) -> None:
    command = [sys.executable, "-c", WAITING]
    with subprocess.Popen(
        command, cwd=elsewhere, env=environment(home), stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        jvm = int(process.stdout.readline())
        beside = claim_run_folder(home)
        assert len(run_folders(home)) == 2
        process.send_signal(signal.SIGKILL)

    patience = time.monotonic() + 20
    while is_running(jvm) and time.monotonic() < patience:
        time.sleep(0.1)
    assert not is_running(jvm)

    mine = claim_run_folder(home)
    assert sorted(run_folders(home)) == sorted([beside.path.name, mine.path.name])
    beside.release()
    mine.release()
    assert run_folders(home) == []


def test_a_cut_off_class_data_archive_is_removed_and_the_session_starts_without(
    tmp_path: Path, elsewhere: Path
) -> None:
    project = Settings().cache_path
    whole = archive_path(project, ensure_jars(project), check_java())
    if not whole.exists():
        pytest.skip("this Java made no class-data archive")
    cache = tmp_path / "home" / "cache"
    shutil.copytree(project / "jars", cache / "jars")
    cut = archive_path(cache, ensure_jars(cache), check_java())
    cut.parent.mkdir()
    with whole.open("rb") as content:
        cut.write_bytes(content.read(1_000_000))

    done = run(STARTING, home=tmp_path / "home", cwd=elsewhere)

    assert (done.returncode, done.stdout, done.stderr) == (0, "4.2.0\n", "")
    assert not cut.exists()
    assert list(elsewhere.iterdir()) == []


def test_a_jvm_that_cannot_start_is_told_with_its_last_words(home: Path, elsewhere: Path) -> None:
    script = STARTING.replace("Settings()", "Settings(spark_memory='plenty')")
    done = run(script, home=home, cwd=elsewhere)

    assert EngineUnavailable.code in done.stderr
    assert "Invalid maximum heap size: -Xmxplenty" in done.stderr
    assert run_folders(home) == []


def test_a_session_that_someone_else_started_is_refused(home: Path, elsewhere: Path) -> None:
    done = run(FOREIGN + STARTING, home=home, cwd=elsewhere)

    assert "Another Spark session runs in this process: notebook on local." in done.stderr


@pytest.fixture(params=["python", "make"])
def judge_java(
    request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> Callable[[], tuple[bool, str]]:
    """Whether Java is refused and in which words: by the session and by the Makefile's set-up."""
    tools = tmp_path / "tools"
    tools.mkdir()
    for tool in ("bash", "dirname", "sed", "head"):
        (tools / tool).symlink_to(str(shutil.which(tool)))
    monkeypatch.delenv("JAVA_HOME", raising=False)
    monkeypatch.setenv("PATH", str(tools))

    def in_python() -> tuple[bool, str]:
        try:
            check_java()
        except JavaMissing as error:
            return True, str(error)
        return False, ""

    def in_make() -> tuple[bool, str]:
        command = ["bash", str(PROJECT / "deployments" / "setup.sh"), "java"]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        assert done.stderr.count("\n") <= 1
        return done.returncode != 0, done.stderr

    return in_python if request.param == "python" else in_make


def install_java(tmp_path: Path, *, says: str) -> Path:
    program = tmp_path / "jdk" / "bin" / "java"
    program.parent.mkdir(parents=True)
    program.write_text(f"#!/bin/sh\necho '{says}' >&2\n")
    program.chmod(0o755)
    return program


def test_without_java_the_error_says_so(judge_java: Callable[[], tuple[bool, str]]) -> None:
    refused, words = judge_java()

    assert refused
    assert "FG401" in words
    assert "Spark 4.2 needs Java 17 or newer. JAVA_HOME is not set and there is no java on PATH." in words


def test_a_java_home_without_java_is_named(
    judge_java: Callable[[], tuple[bool, str]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("JAVA_HOME", str(tmp_path / "nothing"))

    refused, words = judge_java()

    assert refused
    assert f"JAVA_HOME is {tmp_path}/nothing, but there is no program {tmp_path}/nothing/bin/java." in words


@pytest.mark.parametrize("version", ["11.0.2", "1.8.0_392"])
def test_an_old_java_is_refused_with_its_version_and_place(
    version: str, judge_java: Callable[[], tuple[bool, str]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    program = install_java(tmp_path, says=f'openjdk version "{version}" 2019-01-15')
    monkeypatch.setenv("JAVA_HOME", str(tmp_path / "jdk"))

    refused, words = judge_java()

    assert refused
    assert f"Found Java {version} at {program}." in words


@pytest.mark.parametrize("version", ["17", "17.0.15", "21.0.1", "25-ea"])
def test_a_java_that_is_new_enough_is_accepted(
    version: str, judge_java: Callable[[], tuple[bool, str]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    program = install_java(tmp_path, says=f'openjdk version "{version}" 2026-01-20')
    monkeypatch.setenv("PATH", f"{program.parent}:{os.environ['PATH']}")

    assert judge_java() == (False, "")


def test_a_stand_in_for_java_that_tells_no_version_is_refused(
    judge_java: Callable[[], tuple[bool, str]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    install_java(tmp_path, says="Unable to locate a Java Runtime.")
    monkeypatch.setenv("JAVA_HOME", str(tmp_path / "jdk"))

    refused, words = judge_java()

    assert refused
    assert "does not tell its version" in words
