"""Freshness: which feature groups have not changed for longer than they declare.

It is read from the tables' logs, so that time in which nothing watched counts as well.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from feature_groups.store.feature_store import FeatureStore


@dataclass(frozen=True)
class Overdue:
    """A feature group whose new rows are overdue.

    Attributes:
        group: ``<name>_v<version>``.
        table_id: Delta's id of the table.
        version: The newest version in which rows changed.
        since: When that was committed (UTC).
        allowed: How long after it the next change may take.
    """

    group: str
    table_id: str
    version: int
    since: datetime
    allowed: timedelta


def overdue(store: FeatureStore) -> list[Overdue]:
    """The groups that are overdue by the store's clock, by name; a group without a table never is."""
    return list(_overdue(store))


def _overdue(store: FeatureStore) -> Iterator[Overdue]:
    now = store.clock()
    for group_id in store.group_ids():
        name, _, number = group_id.rpartition("_v")
        group = store.get_feature_group(name, int(number))
        allowed = group.declaration.freshness
        log = store.reader.log(group.table) if allowed is not None else None
        if allowed is None or log is None:
            continue
        changed = next((commit for commit in log.commits() if commit.changes_rows), None)
        if changed is not None and now - changed.committed_at > allowed:
            yield Overdue(group_id, log.table_id, changed.version, changed.committed_at, allowed)
