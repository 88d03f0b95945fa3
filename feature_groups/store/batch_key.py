"""Batch keys: what makes a batch the same batch when it is sent again."""

from __future__ import annotations

import uuid

from feature_groups.store.errors import IdempotencyConflict

_MAX_KEY = 200


def new_batch_key() -> str:
    """A key nobody has used."""
    return uuid.uuid4().hex


def check_batch_key(key: object, where: str) -> str:
    """The key itself, when it is text of 1 to 200 printable characters.

    Raises:
        IdempotencyConflict: It is anything else.
    """
    if isinstance(key, str) and 0 < len(key) <= _MAX_KEY and key.isprintable():
        return key
    raise IdempotencyConflict(
        where,
        what=f"The batch key is {str(key)[:80]!r}.",
        state="was not written",
        next_step=f"use printable text of 1 to {_MAX_KEY} characters, or leave it out.",
    )
