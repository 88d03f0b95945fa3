"""What a Delta log says of a table's files, and what lies in its folder (Delta protocol, "Action Reconciliation")."""

from __future__ import annotations

import base64
import contextlib
import json
import os
import re
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from urllib.parse import unquote
from uuid import UUID

from feature_groups.store.table_files import CommitFiles, FoundFile, RowFile

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)

KNOWN_FEATURES = frozenset(
    """allowColumnDefaults appendOnly changeDataFeed checkConstraints clustering deletionVectors domainMetadata
    generatedColumns identityColumns inCommitTimestamp invariants rowTracking timestampNtz
    vacuumProtocolCheck""".split()  # noqa: SIM905  # a list of words reads best as words
)
"""Table features that neither put commits elsewhere nor files of their own into the folder."""

_COMMIT = re.compile(r"(\d{20})\.json")
_CHANGES = "_change_data"
_UUID_CHARACTERS = 20
_FROM_Z85 = bytes.maketrans(
    b"0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ.-:+=^!/*?&<>()[]{}@%$#",
    b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz!#$%&()*+-;<=>?@^_`{|}~",
)


def logged_versions(path: str) -> list[int]:
    """The versions whose commit lies in the log as a file of its own, ascending."""
    matches = (_COMMIT.fullmatch(name) for name in os.listdir(f"{path}/_delta_log"))
    return sorted(int(match.group(1)) for match in matches if match)


def read_commit(path: str, version: int) -> tuple[CommitFiles, set[str]]:
    """One commit, and the table features it names; raises ValueError or OSError when it cannot be read."""
    added, removed = list[RowFile](), list[RowFile]()
    cdc, changes = list[str](), list[str]()
    committed_at, table_id, features = None, "", set[str]()
    for kind, action in _actions(Path(path, "_delta_log", f"{version:020d}.json")):
        match kind:
            case "add" | "remove":
                rows = _row_file(path, action)
                (added if kind == "add" else removed).append(rows)
                if action.get("dataChange", True):
                    changes += rows.files
            case "cdc":
                cdc.append(located(path, action["path"]))
            case "metaData":
                table_id = str(action["id"])
            case "protocol":
                features |= {*action.get("readerFeatures", ()), *action.get("writerFeatures", ())}
            case "commitInfo":
                milliseconds = action.get("inCommitTimestamp") or action.get("timestamp")
                committed_at = EPOCH + timedelta(milliseconds=milliseconds) if milliseconds else None
    # A commit that has change files tells its changes by them alone.
    told = tuple(dict.fromkeys(cdc or changes))
    return CommitFiles(version, committed_at, tuple(added), tuple(removed), told, table_id), features


def _actions(file: Path) -> Iterator[tuple[str, dict[str, Any]]]:
    with file.open(encoding="utf-8") as lines:
        for line in lines:
            if line.strip():
                yield from json.loads(line).items()


def _row_file(path: str, action: dict[str, Any]) -> RowFile:
    data = located(path, action["path"])
    vector = action.get("deletionVector")
    if not vector:
        return RowFile(data)
    where, text = vector["storageType"], vector["pathOrInlineDv"]
    mark = f"{where}{text}@{vector.get('offset')}"
    match where:
        case "i":
            return RowFile(data, "", mark)
        case "p":
            return RowFile(data, located(path, text), mark)
        case "u":
            return RowFile(data, vector_file(text), mark)
    raise ValueError(f"a deletion vector of the unknown kind {where!r}")


def vector_file(text: str) -> str:
    """The file, in the table's folder, of a deletion vector of kind ``u``: a prefix and a UUID in 20 Z85 characters."""
    prefix, encoded = text[:-_UUID_CHARACTERS], text[-_UUID_CHARACTERS:]
    name = f"deletion_vector_{UUID(bytes=base64.b85decode(encoded.encode().translate(_FROM_Z85)))}.bin"
    return f"{prefix}/{name}" if prefix else name


def located(folder: str, name: str) -> str:
    """Where a file lies that the log names by a URL: its path in the table's folder, or absolute outside of it."""
    if name.startswith("file:"):
        name = "/" + name.removeprefix("file:").lstrip("/")
    plain = unquote(name)
    # Some writers do not encode the names of partition folders.
    if plain != name and not os.path.exists(os.path.join(folder, plain)) and os.path.exists(os.path.join(folder, name)):
        plain = name
    if plain.startswith("/"):
        real, root = os.path.realpath(plain), os.path.realpath(folder)
        return os.path.relpath(real, root) if real.startswith(f"{root}/") else plain
    return os.path.normpath(plain)


def found_files(path: str) -> list[FoundFile]:
    """The files in a table's folder that are its own to remove; none of the log.

    Like Delta's own VACUUM it passes over what is hidden (``_`` or ``.``), but for change files and checksums.
    Symbolic links to folders are not followed.
    """
    found = []
    for root, folders, files in os.walk(path):
        inside = os.path.relpath(root, path)
        folders[:] = [f for f in folders if f[0] not in "._" or (inside == "." and f == _CHANGES)]
        for name in files:
            of = name[1:-4] if name.startswith(".") and name.endswith(".crc") else name
            if of[:1] in ("", ".", "_"):
                continue
            place = "" if inside == "." else f"{inside}/"
            with contextlib.suppress(FileNotFoundError):
                stat = os.lstat(os.path.join(root, name))
                found.append(FoundFile(place + name, stat.st_size, stat.st_mtime, place + of))
    return found
