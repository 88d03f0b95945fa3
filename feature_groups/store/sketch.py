"""Metadata for looking only: reads what is stored, and keeps what is written to itself."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import NoReturn

from feature_groups.store.errors import WriteFailed
from feature_groups.store.metadata import Metadata


class Sketch(Metadata):
    """The metadata of a lake with what is written on top of it in memory, and nowhere else.

    So everything that decides, computes and compares works as it does, and leaves no trace. The folder need not exist.
    """

    shared = False

    def __init__(self, root: Path) -> None:
        self._drawn: dict[str, bytes] = {}
        self._gone: set[str] = set()
        self._there = root.is_dir()
        if self._there:
            super().__init__(root)

    def put_bytes_if_absent(self, path: str, data: bytes) -> bool:
        """Keep bytes in memory; False when the object is there already."""
        if self.exists(path):
            return False
        self._drawn[path] = data
        return True

    def get_bytes(self, path: str) -> bytes | None:
        """The object's bytes, those kept in memory first, or None."""
        if path in self._drawn:
            return self._drawn[path]
        return super().get_bytes(path) if self._there and path not in self._gone else None

    def exists(self, path: str) -> bool:
        """Whether there is such an object, stored or in memory."""
        return path in self._drawn or (self._there and path not in self._gone and super().exists(path))

    def remove(self, path: str) -> None:
        """Let the object be as if it were gone."""
        self._drawn.pop(path, None)
        self._gone.add(path)

    def names(self, folder: str) -> list[str]:
        """Paths of all objects below a folder, sorted."""
        return sorted(self.changed(folder))

    def changed(self, folder: str) -> dict[str, tuple[datetime, int]]:
        """When each object below a folder was written, in UTC, and its bytes, by path."""
        stored = super().changed(folder) if self._there else {}
        below, now = folder.rstrip("/") + "/", datetime.now(UTC)
        drawn = {path: (now, len(data)) for path, data in self._drawn.items() if path.startswith(below)}
        return {path: at for path, at in stored.items() if path not in self._gone} | drawn


def refuse_commits(lake: Path) -> NoReturn:
    """Refuse a commit to a lake that was opened to look only; raises `WriteFailed`."""
    raise WriteFailed(
        f"lake {str(lake)!r}",
        what="It was opened to look only.",
        state="was not written",
        next_step="open it with connect() to write.",
    )
