"""The doctor looks, changes nothing, and says what to do."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from deployments import doctor
from feature_groups.store import Settings
from feature_groups.store.connect import spark_prerequisites
from feature_groups.store.prerequisite import Prerequisite


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A user's home with nothing in it, and no Prefect server configured."""
    for name in ("PREFECT_API_URL", "PREFECT_HOME"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("ALLUVIA_HOME", str(tmp_path / "home"))
    yield tmp_path / "home"
    assert not (tmp_path / "home").exists()


def looked_at() -> dict[str, Prerequisite]:
    return {one.name: one for one in doctor.examined()}


def test_a_new_home_is_looked_at_and_left_as_it_was(home: Path) -> None:
    found = looked_at()

    assert found["Python"].state == "good"
    assert found["settings"].found == "ALLUVIA_HOME"
    assert found["Java"].state == "good"
    assert found["Delta's jars"].next_step == "fetch them, once: make setup."
    assert found["lake"] == Prerequisite("lake", "note", f"There is none at {home / 'lake'} yet.", "fill it: make run.")
    assert "GB free at" in found["disk"].found


def test_a_setting_that_cannot_be_used_is_told(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ALLUVIA_ENGINE", "sparc")

    found = looked_at()

    assert found["settings"].state == "bad"
    assert "setting ALLUVIA_ENGINE" in found["settings"].found


def test_a_server_that_is_configured_and_does_not_answer_is_told(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PREFECT_API_URL", "http://127.0.0.1:9/api")

    found = looked_at()["Prefect server"]

    assert found.state == "bad"
    assert "correct PREFECT_API_URL" in found.next_step


def test_java_that_is_missing_is_told_with_what_to_install(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("JAVA_HOME", "/nowhere")

    found = looked_at()["Java"]

    assert (found.state, found.found) == (
        "bad",
        "Spark 4.2 needs Java 17 or newer. JAVA_HOME is /nowhere, but there is no program /nowhere/bin/java.",
    )


def test_a_jar_with_other_content_is_told_and_not_removed(tmp_path: Path) -> None:
    home = tmp_path / "home"
    jars = home / "cache" / "jars"
    jars.mkdir(parents=True)
    for jar in (Settings().cache_path / "jars").glob("*.jar"):
        shutil.copy(jar, jars)
    whole = {one.name: one.state for one in spark_prerequisites(Settings(home=home))}
    assert (whole["Delta's jars"], whole["class-data archive"]) == ("good", "note")
    touched = next(jars.glob("delta-storage*.jar"))
    touched.write_bytes(b"something else")

    found = {one.name: one for one in spark_prerequisites(Settings(home=home))}

    assert f"{touched} has other content than the pinned one." in found["Delta's jars"].found
    assert touched.exists()


def test_packages_are_compared_with_the_lock(tmp_path: Path) -> None:
    lock = tmp_path / "requirements.lock"
    lock.write_text(
        'pytest==0.1 \\\n    --hash=sha256:1\nnosuchpackage==1.0\n# not-this==1\nold==1 ; python_version < "3"\n'
    )

    differing = doctor._packages(lock)
    lock.write_text("nosuchpackage==1.0\n")
    missing = doctor._packages(lock)

    assert differing.state == "bad"
    assert "1 are not as locked: pytest " in differing.found
    assert (missing.state, missing.found) == ("note", "1 of 1 locked ones are not installed: nosuchpackage")
    assert doctor._packages(tmp_path / "none").state == "note"


def test_a_lake_is_counted(quick_lake: Path) -> None:
    found = {one.name: one for one in doctor.examined(quick_lake)}

    assert found["lake"] == Prerequisite("lake", "good", f"{quick_lake}, writable, 4 feature groups")
