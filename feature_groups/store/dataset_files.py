"""The files of a training dataset: their lengths and checksums tell damage before it is read."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from pathlib import Path

Files = Mapping[str, tuple[int, str]]
"""Per file, by its path below the dataset's folder, its bytes and its SHA-256."""


def files_of(folder: Path, name: str) -> dict[str, tuple[int, str]]:
    """The Parquet files of a part."""
    found = sorted((folder / name).glob("*.parquet"))
    return {str(path.relative_to(folder)): (path.stat().st_size, _digest(path)) for path in found}


def problem(folder: Path, file: str, size: int, digest: str | None) -> str | None:
    """What is wrong with a file, or None; its content is read only where a digest is given."""
    path = folder / file
    try:
        there = path.stat().st_size
        if there != size:
            return f"has {there:,} of {size:,} bytes"
        if digest is not None and _digest(path) != digest:
            return "was changed since it was written"
    except OSError as error:
        return "is gone" if isinstance(error, FileNotFoundError) else f"cannot be read: {error.strerror}"
    return None


def _digest(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
