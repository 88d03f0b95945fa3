"""Starting processes that are to be killed."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

PROJECT = Path(__file__).parents[2]


def start(program: Path, *arguments: str | Path, **environment: str) -> subprocess.Popen[str]:
    """A program of the tests in a process group of its own."""
    path = os.pathsep.join([str(PROJECT), str(PROJECT / "tests" / "support"), str(program.parent)])
    return subprocess.Popen(
        [sys.executable, str(program), *map(str, arguments)],
        env=os.environ | {"PYTHONPATH": path} | environment,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
