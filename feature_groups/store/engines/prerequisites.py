"""Whether Spark could start here: Java, Delta's jars, the class-data archive; nothing is started or fetched."""

from __future__ import annotations

import hashlib
from pathlib import Path

from feature_groups.store.engines.jars import DELTA_JARS
from feature_groups.store.engines.java import check_java
from feature_groups.store.engines.jvm import archive_path
from feature_groups.store.errors import JavaMissing
from feature_groups.store.prerequisite import Prerequisite
from feature_groups.store.settings import Settings


def spark_prerequisites(settings: Settings) -> list[Prerequisite]:
    """How Java, the jars and the archive stand."""
    try:
        java = check_java()
    except JavaMissing as error:
        return [Prerequisite("Java", "bad", error.what, error.next_step), _jars(settings.cache_path)]
    found = [Prerequisite("Java", "good", f"{java.version} at {java.program}"), _jars(settings.cache_path)]
    if not settings.class_data_sharing:
        unset = "unset ALLUVIA_CLASS_DATA_SHARING."
        return [*found, Prerequisite("class-data archive", "note", "It is switched off: Spark starts slower.", unset)]
    if found[-1].state != "good":
        return found
    archive = archive_path(settings.cache_path, [settings.cache_path / "jars" / j.file_name for j in DELTA_JARS], java)
    if archive.exists():
        return [
            *found,
            Prerequisite("class-data archive", "good", f"{archive} ({archive.stat().st_size / 1e6:,.0f} MB)"),
        ]
    missing = "There is none for this Java and these jars: Spark starts three times slower."
    return [*found, Prerequisite("class-data archive", "note", missing, "make it, once: make setup.")]


def _jars(cache: Path) -> Prerequisite:
    folder = cache / "jars"
    for jar in DELTA_JARS:
        path = folder / jar.file_name
        if not path.is_file():
            return Prerequisite("Delta's jars", "bad", f"{path} is not there.", "fetch them, once: make setup.")
        with path.open("rb") as content:
            if hashlib.file_digest(content, "sha256").hexdigest() != jar.sha256:
                said = f"{path} has other content than the pinned one."
                return Prerequisite(
                    "Delta's jars", "bad", said, f"remove it and fetch it anew: rm {path} && make setup."
                )
    return Prerequisite("Delta's jars", "good", f"{len(DELTA_JARS)} in {folder}, as pinned")
