from __future__ import annotations

import os
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path

import pytest

from deployments.demo.timeline import Happened, timeline_table


def processes(word: str) -> list[str]:
    """The command lines that hold a word."""
    found = []
    for folder in Path("/proc").iterdir():
        if folder.name.isdigit():
            try:
                command = (folder / "environ").read_bytes() + (folder / "cmdline").read_bytes()
            except OSError:
                continue
            if word.encode() in command and folder.name != str(os.getpid()):
                found.append(folder.name)
    return found


def test_what_happened_is_a_line_each_with_its_reason() -> None:
    table = timeline_table(
        [Happened(datetime(2002, 2, 1, tzinfo=UTC), "refused", "FG102", "nothing was written", 12.4)]
    )

    assert [list(column.cells) for column in table.columns] == [
        ["2002-02-01"],
        ["refused"],
        ["FG102"],
        ["nothing was written"],
        ["12"],
    ]


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_a_demo_ends_with_its_table_and_leaves_no_process_behind(user_home: Path, tmp_path: Path) -> None:
    home = tmp_path / "home"
    home.mkdir()
    (home / "cache").symlink_to((user_home / "cache").resolve())
    command = [sys.executable, "-m", "deployments.demo.app", "--exit", "--months", "2"]
    done = subprocess.run(
        command, env={**os.environ, "ALLUVIA_HOME": str(home)}, capture_output=True, text=True, check=False
    )

    assert done.returncode == 0, done.stdout + done.stderr
    for told in ("What happened, and why", "2002-02-01", "2002-03-01", "Model card:", "Lineage graph:", "2 months"):
        assert told in done.stdout
    assert processes(str(home)) == []
