"""Writes of every kind to one group, for tests that interrupt them; and what each must have done in the end."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass

import polars as pl

from feature_groups.store import FeatureStore, Receipt, StoredFeatureGroup
from visits import Key, Rows, Values, fingerprint_of, frame, rows_of, users, visits

START: Rows = {(user, minute): (float(user), "n", ["t"]) for user in range(1, 7) for minute in (0, 30)}
GROUP = visits(policy="quarantine", max_rejected=0.9)


@dataclass(frozen=True)
class Batch:
    """One write, done under a key of its own.

    Attributes:
        write: Does it.
        after: The rows it makes of the ones before.
        rejected: How many rows it sets aside.
    """

    write: Callable[[StoredFeatureGroup, str], Receipt]
    after: Callable[[Rows], Rows]
    rejected: int = 0


def _insert(rows: Rows, *, overwrite: bool = False) -> Callable[[StoredFeatureGroup, str], Receipt]:
    return lambda group, key: group.insert(frame(rows), overwrite=overwrite, batch_key=key)


def batch(operation: str, number: int) -> Batch:
    """The batch of that kind and number; numbers from 0."""
    new: dict[Key, Values] = {(100 + number, minute): (1.0, None, []) for minute in range(3)}
    changed = {key: (float(number) + 50, "changed", None) for key in list(START)[:4]}
    bad: Rows = {(-1 - number, 0): (1.0, "bad", None), (7, number): (999.0, "bad", None)}
    match operation:
        case "first":
            return Batch(_insert(START), lambda _: START)
        case "append":
            return Batch(_insert(new), lambda rows: {**rows, **new})
        case "merge":
            return Batch(_insert({**changed, **new}), lambda rows: {**rows, **changed, **new})
        case "overwrite":
            return Batch(_insert({**START, **new}, overwrite=True), lambda _: {**START, **new})
        case "delete":
            user = 1 + number % 6
            return Batch(
                lambda group, key: group.delete_rows(users([user]), batch_key=key),
                lambda rows: {key: values for key, values in rows.items() if key[0] != user},
            )
        case "quarantine":
            return Batch(_insert({**new, **bad}), lambda rows: {**rows, **new}, rejected=2)
    raise ValueError(operation)


def opened(store: FeatureStore) -> StoredFeatureGroup:
    """The group in a lake."""
    return store.get_or_create_feature_group(GROUP)


def audit(group: StoredFeatureGroup, rows: Rows, keys: list[str], rejected: dict[str, int]) -> None:
    """Nothing lost, nothing doubled, nothing half-written.

    Args:
        group: The group.
        rows: What it must hold.
        keys: Keys of the batches that must have been committed, oldest first, each once.
        rejected: Rows set aside by batch key.
    """
    for engine in ("polars",):
        assert rows_of(group.read(engine=engine)) == rows
    assert [c.batch_key for c in group.history()][::-1][1:] == keys
    assert dict(Counter(group.rejected()["batch_key"])) == rejected
    state = group._store.writer.states
    newest = state.at(group.table)
    computed = state.computed(group.table, newest.version)
    assert (newest.rows, newest.fingerprint) == (computed.rows, computed.fingerprint)
    assert f"{newest.fingerprint:032x}" == fingerprint_of(rows)
    ingested = pl.read_delta(group.table.path)["ingested_at"]
    assert newest.ingested_at is None or ingested.is_empty() or ingested.max() <= newest.ingested_at


def matches(receipt: Receipt, before: Rows, after: Rows, given: Batch) -> None:
    """The receipt says what happened."""
    assert receipt.committed
    assert receipt.rejected == given.rejected
    assert receipt.inserted == len(after.keys() - before.keys())
    assert receipt.deleted == len(before.keys() - after.keys())
    assert receipt.updated == sum(before[key] != after[key] for key in before.keys() & after.keys())
    assert (receipt.table_rows, receipt.fingerprint) == (len(after), fingerprint_of(after))
