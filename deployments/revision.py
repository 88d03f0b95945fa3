"""Which revision of the code this is: git's, or what ``ALLUVIA_REVISION`` says where there is no git."""

from __future__ import annotations

import os
import subprocess
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

_PROJECT = Path(__file__).parents[1]


def revision() -> str:
    """What ``ALLUVIA_REVISION`` says, as in an image; else the commit, ``-changed`` where files differ from it."""
    if told := os.environ.get("ALLUVIA_REVISION"):
        return told
    if (_PROJECT / ".git").exists():
        commit, changed = _git("rev-parse", "--short=12", "HEAD"), _git("status", "--porcelain", "--untracked-files=no")
        if commit:
            return commit + ("-changed" if changed else "")
    try:
        return version("alluvia")
    except PackageNotFoundError:
        return "unknown"


def _git(*arguments: str) -> str:
    command = ["git", "-C", str(_PROJECT), *arguments]
    try:
        return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()
    except (OSError, subprocess.CalledProcessError):
        return ""


if __name__ == "__main__":
    print(revision())
