"""Delta's two jars: fetched once by the resolver that Spark brings, pinned by checksum, then used offline.

``spark.jars.packages`` would fetch 33 artifacts, 22 of them other versions of jars Spark already has, and would
ask the network at every start. These two are all that path tables need.
"""

from __future__ import annotations

import hashlib
import importlib.util
import os
import subprocess
import tempfile
from dataclasses import dataclass
from pathlib import Path

from feature_groups.store.engines.java import check_java
from feature_groups.store.errors import JarsMissing, JarsTampered


@dataclass(frozen=True)
class Jar:
    """One artifact, by its coordinates and the only content it may have."""

    group: str
    name: str
    version: str
    sha256: str

    @property
    def file_name(self) -> str:
        """The name every repository gives it."""
        return f"{self.name}-{self.version}.jar"


DELTA_JARS = (
    Jar(
        "io.delta",
        "delta-spark_4.2_2.13",
        "4.4.0",
        "27d4fd8b1f879535c573ed1c718177d6a27f24d3e626ba02e216369725721ead",
    ),
    Jar(
        "io.delta",
        "delta-storage",
        "4.4.0",
        "c46735481fa8e326b0957be02b4420cbcab4b325bb08009b7f2045a95133f1cc",
    ),
)

_IVY_SETTINGS = """<ivysettings>
  <settings defaultResolver="central"/>
  <caches defaultCacheDir="${ivy.home}"/>
  <timeout-constraints>
    <timeout-constraint name="patient" connectionTimeout="20000" readTimeout="60000"/>
  </timeout-constraints>
  <resolvers><ibiblio name="central" m2compatible="true" timeoutConstraint="patient"/></resolvers>
</ivysettings>
"""
_IVY_MODULE = """<ivy-module version="2.0">
  <info organisation="alluvia" module="jars"/>
  <configurations><conf name="default"/></configurations>
  <dependencies>
{dependencies}
  </dependencies>
</ivy-module>
"""
_IVY_DEPENDENCY = (
    '    <dependency org="{group}" name="{name}" rev="{version}" conf="default->master" transitive="false"/>'
)
_FETCH_SECONDS = 300


def pyspark_folder() -> Path:
    """Where pyspark is installed, without paying for its import."""
    spec = importlib.util.find_spec("pyspark")
    assert spec is not None
    assert spec.origin is not None
    return Path(spec.origin).parent


def ensure_jars(cache: Path) -> list[Path]:
    """Delta's jars in the project cache, each with its pinned content; fetched when they are not there.

    Args:
        cache: The project cache; the jars are in its folder ``jars``.

    Raises:
        JarsMissing: They are not there and could not be fetched.
        JarsTampered: A jar has other content than the pinned one; it was removed.
        JavaMissing: They have to be fetched, and there is no Java for it.
    """
    folder = cache / "jars"
    if any(not (folder / jar.file_name).is_file() for jar in DELTA_JARS):
        _fetch(folder)
    for jar in DELTA_JARS:
        _verify(jar, folder / jar.file_name)
    return [folder / jar.file_name for jar in DELTA_JARS]


def _verify(jar: Jar, path: Path) -> None:
    with path.open("rb") as content:
        found = hashlib.file_digest(content, "sha256").hexdigest()
    if found == jar.sha256:
        return
    path.unlink(missing_ok=True)
    raise JarsTampered(
        f"jar {jar.file_name}",
        what=f"Its sha256 is {found}, pinned is {jar.sha256}.",
        state=f"was removed from {path.parent}",
        next_step="run the same again to fetch it anew; if it differs again, the repository gives other content.",
    )


def _fetch(folder: Path) -> None:
    """Fetch into a folder of our own, verify there, then move: a half-fetched jar never has its final name."""
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=".fetch-", dir=folder) as scratch:
        fetched = Path(scratch) / "fetched"
        said = _run_ivy(Path(scratch), fetched)
        for jar in DELTA_JARS:
            if not (fetched / jar.file_name).is_file():
                raise _missing(jar, folder, said)
            _verify(jar, fetched / jar.file_name)
        for jar in DELTA_JARS:
            os.replace(fetched / jar.file_name, folder / jar.file_name)


def _run_ivy(scratch: Path, fetched: Path) -> str:
    """What Ivy said; its own settings, caches and home all stay in the scratch folder."""
    java = check_java()
    ivy = next((pyspark_folder() / "jars").glob("ivy-*.jar"))
    dependencies = "\n".join(
        _IVY_DEPENDENCY.format(group=jar.group, name=jar.name, version=jar.version) for jar in DELTA_JARS
    )
    (scratch / "settings.xml").write_text(_IVY_SETTINGS)
    (scratch / "ivy.xml").write_text(_IVY_MODULE.format(dependencies=dependencies))
    command = [
        str(java.program),
        f"-Duser.home={scratch}",
        f"-Divy.home={scratch / 'ivy'}",
        *("-cp", str(ivy), "org.apache.ivy.Main", "-warn"),
        *("-settings", str(scratch / "settings.xml"), "-ivy", str(scratch / "ivy.xml")),
        *("-retrieve", str(fetched / "[artifact]-[revision].[ext]")),
    ]
    try:
        answer = subprocess.run(
            command, cwd=scratch, capture_output=True, text=True, timeout=_FETCH_SECONDS, check=False
        )
    except subprocess.TimeoutExpired:
        return f"no answer within {_FETCH_SECONDS} seconds"
    return answer.stdout + answer.stderr


def _missing(jar: Jar, folder: Path, said: str) -> JarsMissing:
    telling = [
        line.strip() for word in ("Exception", "Host ", "not found") for line in said.splitlines() if word in line
    ]
    wanted = " and ".join(jar.file_name for jar in DELTA_JARS)
    return JarsMissing(
        "Delta for Spark",
        what=f"{jar.group}:{jar.name}:{jar.version} could not be fetched: {(telling or [said.strip()[-300:]])[0]}",
        state="is not in the project cache",
        next_step=f"run this once with a network, or copy {wanted} into {folder}; after that no network is used.",
    )
