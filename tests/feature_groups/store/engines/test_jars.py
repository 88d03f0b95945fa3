from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from feature_groups.store.engines.jars import DELTA_JARS, ensure_jars
from feature_groups.store.errors import JarsMissing, JarsTampered
from feature_groups.store.settings import Settings

NO_NETWORK = "-Dhttps.proxyHost=127.0.0.1 -Dhttps.proxyPort=9"
FETCH = """
import sys
from pathlib import Path

from feature_groups.store.engines.jars import ensure_jars

ensure_jars(Path(sys.argv[1]))
"""


@pytest.fixture
def cache(tmp_path: Path) -> Path:
    """A cache of its own with the jars of the project's."""
    for jar in ensure_jars(Settings().cache_path):
        (tmp_path / "jars").mkdir(exist_ok=True)
        shutil.copy(jar, tmp_path / "jars")
    return tmp_path


def test_jars_in_the_cache_are_used_with_neither_network_nor_java(cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "")
    monkeypatch.delenv("JAVA_HOME", raising=False)

    assert ensure_jars(cache) == [cache / "jars" / jar.file_name for jar in DELTA_JARS]


def test_a_jar_with_other_content_is_named_and_removed(cache: Path) -> None:
    changed = cache / "jars" / DELTA_JARS[1].file_name
    changed.write_bytes(changed.read_bytes()[:-1] + b"?")

    with pytest.raises(JarsTampered, match=changed.name):
        ensure_jars(cache)

    assert not changed.exists()


def test_without_jars_and_network_the_error_says_what_to_do(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("JAVA_TOOL_OPTIONS", NO_NETWORK)

    with pytest.raises(JarsMissing) as told:
        ensure_jars(tmp_path)

    assert f"{DELTA_JARS[0].file_name} and {DELTA_JARS[1].file_name} into {tmp_path / 'jars'}" in told.value.next_step
    assert "Connection refused" in told.value.what
    assert list((tmp_path / "jars").iterdir()) == []


def test_two_processes_that_fetch_at_once_leave_two_whole_jars_and_nothing_else(tmp_path: Path) -> None:
    cache, elsewhere = tmp_path / "cache", tmp_path / "elsewhere"
    elsewhere.mkdir()
    command = [sys.executable, "-c", FETCH, str(cache)]
    both = [
        subprocess.Popen(command, cwd=elsewhere, env=project_environment(elsewhere), stderr=subprocess.PIPE, text=True)
        for _ in range(2)
    ]
    said = [process.communicate()[1] for process in both]
    if any("JarsMissing" in words for words in said):
        pytest.skip("the repository of the jars cannot be reached from here")

    assert [process.returncode for process in both] == [0, 0], said
    assert {path.name for path in (cache / "jars").iterdir()} == {jar.file_name for jar in DELTA_JARS}
    assert list(elsewhere.iterdir()) == []


def project_environment(home: Path) -> dict[str, str]:
    """The environment of a process whose home is another folder, where it must leave nothing."""
    return {**os.environ, "HOME": str(home), "PYTHONPATH": str(Path(__file__).parents[4])}
