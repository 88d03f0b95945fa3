"""Pins: who needs which version of a table, so that no vacuum removes its files."""

from __future__ import annotations

import hashlib

from feature_groups.store.metadata import Metadata


class Pins:
    """The pins of a lake, one immutable object each: ``pins/<group id>/<table id>/<version>/<hash of owner>.json``.

    Args:
        metadata: Where they are kept.
    """

    def __init__(self, metadata: Metadata) -> None:
        self._metadata = metadata

    def pin(self, group_id: str, table_id: str, version: int, owner: str) -> None:
        """Keep a version; once per owner, however often it is said.

        `Writer.pin` does this under the table's lock, where no vacuum can be between looking and removing.

        Args:
            group_id: ``<name>_v<version>`` of the feature group.
            table_id: Delta's id of its table.
            version: Delta version.
            owner: Who needs it, for example ``training-dataset age_gate_v1/3``.
        """
        self._metadata.put_if_absent(_path(group_id, table_id, version, owner), {"owner": owner})

    def unpin(self, group_id: str, table_id: str, version: int, owner: str) -> None:
        """Take an owner's pin away; nothing happens when there is none."""
        self._metadata.remove(_path(group_id, table_id, version, owner))

    def pinned(self, group_id: str) -> dict[tuple[str, int], list[str]]:
        """The owners by (table id, version), both sorted."""
        found: dict[tuple[str, int], list[str]] = {}
        for path in self._metadata.names(f"pins/{group_id}"):
            pin = self._metadata.get(path)
            if pin is not None:
                _, _, table_id, version, _ = path.split("/")
                found.setdefault((table_id, int(version)), []).append(str(pin["owner"]))
        return {at: sorted(owners) for at, owners in sorted(found.items())}


def _path(group_id: str, table_id: str, version: int, owner: str) -> str:
    digest = hashlib.sha256(owner.encode()).hexdigest()[:32]
    return f"pins/{group_id}/{table_id}/{version}/{digest}.json"
