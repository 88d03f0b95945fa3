"""Telling new, changed and unchanged rows apart: one narwhals plan for every engine."""

from __future__ import annotations

from collections.abc import Sequence

import narwhals as nw

from feature_groups.store.engine import Frame
from feature_groups.store.names import INGESTED_AT, IS_DELETED

OLD = "__old_"
CHANGE_TYPE = "_change_type"
"""The column of a change feed, Delta's own, that says what became of a row."""

INSERT, BEFORE, UPDATE, DELETE = "insert", "update_preimage", "update_postimage", "delete"
"""A row that is new; one that changes, as it was; the same, as it will be; one that is removed."""


def visible(stored: Frame, key: Sequence[str], columns: Sequence[str]) -> Frame:
    """The rows a reader sees: of a group that keeps corrections the newest per key, deleted ones left out.

    Args:
        stored: The table's rows, with ``ingested_at`` and, where corrections are kept, ``is_deleted``.
        key: The columns rows are unique by.
        columns: The columns wanted.
    """
    if IS_DELETED not in stored.collect_schema().names():
        return stored.select(*columns)
    newest = nw.col(INGESTED_AT).max().over(*key)
    return stored.filter(nw.col(INGESTED_AT) == newest).filter(~nw.col(IS_DELETED)).select(*columns)


def classified(batch: Frame, current: Frame, key: Sequence[str], content: Sequence[str]) -> Frame:
    """The batch with its kind of change (NULL: unchanged), and the stored values as ``__old_<column>``.

    Args:
        batch: Rows unique by `key`, with the columns `key` and `content`.
        current: The visible rows, likewise, and when they were taken in.
        key: The columns rows are unique by; never NULL.
        content: The other columns; compared so that NULL equals NULL.
    """
    stored = [nw.col(c).alias(OLD + c) for c in (*content, INGESTED_AT)]
    renamed = current.select(*key, *stored, nw.lit(1).alias(OLD))
    joined = batch.join(renamed, on=list(key), how="left")
    same = nw.col(OLD) == 1
    for column in content:
        new, old = nw.col(column), nw.col(OLD + column)
        equal = nw.when(new.is_null() | old.is_null()).then(new.is_null() & old.is_null()).otherwise(new == old)
        same = same & equal
    kind = (
        nw.when(nw.col(OLD).is_null())
        .then(nw.lit(INSERT))
        .otherwise(nw.when(~same).then(nw.lit(UPDATE)).otherwise(nw.lit(None, dtype=nw.String)))
    )
    return joined.with_columns(kind.alias(CHANGE_TYPE))


def old_values(rows: Frame, key: Sequence[str], content: Sequence[str]) -> Frame:
    """The stored values of rows that `classified` marked as changed, and when they were taken in."""
    changed = rows.filter(nw.col(CHANGE_TYPE) == UPDATE)
    return changed.select(*key, *(nw.col(OLD + c).alias(c) for c in (*content, INGESTED_AT)))


def missing(batch: Frame, current: Frame, key: Sequence[str]) -> Frame:
    """The visible rows whose key is not in the batch."""
    return current.join(batch.select(*key), on=list(key), how="anti")
