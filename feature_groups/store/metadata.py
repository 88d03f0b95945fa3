"""The metadata port: immutable objects, JSON or bytes, written only if absent, and numbered logs of them.

Instead of a pointer that is overwritten, a log has entries 000001.json, 000002.json, ...; the highest is current.
Two writers of one number cannot both succeed, on a folder as on an object store.
"""

from __future__ import annotations

import contextlib
import json
from datetime import datetime
from pathlib import Path
from typing import Any

import obstore
from obstore.exceptions import AlreadyExistsError
from obstore.store import LocalStore

Json = dict[str, Any]


class Metadata:
    """Immutable objects by path.

    Args:
        root: Folder of the metadata, made when it is first written to.

    Attributes:
        shared: Whether other processes see what is written.
    """

    shared = True

    def __init__(self, root: Path) -> None:
        root.mkdir(parents=True, exist_ok=True)
        self._store = LocalStore(str(root), mkdir=True)

    def put_if_absent(self, path: str, value: Json) -> bool:
        """Write the object; False when there is one already, which is then left as it is."""
        return self.put_bytes_if_absent(path, json.dumps(value, sort_keys=True).encode())

    def put_bytes_if_absent(self, path: str, data: bytes) -> bool:
        """Write bytes of any length, all or nothing; False when the object is there already."""
        try:
            # In one piece: parts of a large object cannot be put under a condition.
            obstore.put(self._store, path, data, mode="create", use_multipart=False)
        except AlreadyExistsError:
            return False
        return True

    def get(self, path: str) -> Json | None:
        """The object, or None."""
        data = self.get_bytes(path)
        return None if data is None else json.loads(data)

    def get_bytes(self, path: str) -> bytes | None:
        """The object's bytes, or None."""
        try:
            return bytes(obstore.get(self._store, path).bytes())
        except FileNotFoundError:
            return None

    def exists(self, path: str) -> bool:
        """Whether there is such an object."""
        try:
            obstore.head(self._store, path)
        except FileNotFoundError:
            return False
        return True

    def remove(self, path: str) -> None:
        """Remove the object; nothing happens when there is none."""
        with contextlib.suppress(FileNotFoundError):
            obstore.delete(self._store, path)

    def names(self, folder: str) -> list[str]:
        """Paths of all objects below a folder, sorted."""
        return sorted(str(m["path"]) for batch in obstore.list(self._store, folder.rstrip("/") + "/") for m in batch)

    def changed(self, folder: str) -> dict[str, tuple[datetime, int]]:
        """When each object below a folder was written, in UTC, and its bytes, by path."""
        listed = [m for batch in obstore.list(self._store, folder.rstrip("/") + "/") for m in batch]
        return {str(m["path"]): (m["last_modified"], int(m["size"])) for m in listed}

    def append(self, log: str, value: Json) -> int:
        """Write the next entry of a numbered log; returns its number, from 1."""
        number = self.last_number(log) + 1
        while not self.put_if_absent(f"{log}/{number:06d}.json", value):
            number += 1
        return number

    def append_after(self, log: str, number: int, value: Json) -> bool:
        """Write the entry that follows a number; False when another one follows it already."""
        return self.put_if_absent(f"{log}/{number + 1:06d}.json", value)

    def last(self, log: str) -> Json | None:
        """The newest entry of a numbered log, or None."""
        number = self.last_number(log)
        return self.get(f"{log}/{number:06d}.json") if number else None

    def entries(self, log: str) -> list[Json]:
        """All entries of a numbered log, oldest first."""
        found = (self.get(f"{log}/{n:06d}.json") for n in range(1, self.last_number(log) + 1))
        return [entry for entry in found if entry is not None]

    def last_number(self, log: str) -> int:
        """The number of the newest entry, 0 for an empty log."""
        numbers = [int(name.rsplit("/", 1)[-1].removesuffix(".json")) for name in self.names(log)]
        return max(numbers, default=0)
