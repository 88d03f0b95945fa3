"""The Java that Spark will run on, found and judged before Spark can fail on it with a stack trace."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from feature_groups.store.errors import JavaMissing

OLDEST_JAVA = 17
_VERSION = re.compile(r'version "((?:1\.)?(\d+)[^"]*)"')
_INSTALL = "install a JDK 17 (Debian: apt-get install openjdk-17-jre-headless), or set JAVA_HOME to one."


@dataclass(frozen=True)
class Java:
    """A Java that is new enough for Spark.

    Attributes:
        program: The ``java`` to start.
        version: As it tells it, for example ``17.0.15``.
    """

    program: Path
    version: str


def check_java() -> Java:
    """The Java of ``JAVA_HOME``, or else of ``PATH``; asked once in a process.

    Raises:
        JavaMissing: There is none, or it is older than Spark 4.2 accepts.
    """
    home = os.environ.get("JAVA_HOME")
    found = Path(home) / "bin" / "java" if home else shutil.which("java")
    if found is None:
        raise _missing("JAVA_HOME is not set and there is no java on PATH.")
    if not os.access(found, os.X_OK):
        raise _missing(f"JAVA_HOME is {home}, but there is no program {found}.")
    return _ask(Path(found))


@cache
def _ask(program: Path) -> Java:
    try:
        answer = subprocess.run([program, "-version"], capture_output=True, text=True, timeout=60, check=False)
    except (OSError, subprocess.TimeoutExpired) as error:
        raise _missing(f"{program} cannot be run: {error}.") from error
    version = _VERSION.search(answer.stderr + answer.stdout)
    if version is None:
        raise _missing(f"{program} does not tell its version (exit code {answer.returncode}).")
    if int(version[2]) < OLDEST_JAVA:
        raise _missing(f"Found Java {version[1]} at {program}.")
    return Java(program, version[1])


def _missing(what: str) -> JavaMissing:
    return JavaMissing(
        "Spark",
        what=f"Spark 4.2 needs Java {OLDEST_JAVA} or newer. {what}",
        state="was not started",
        next_step=_INSTALL,
    )
