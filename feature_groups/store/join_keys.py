"""By which columns one query is joined to another: the other's primary key, never by text or by position."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from feature_groups.store.errors import InvalidDeclaration, did_you_mean

if TYPE_CHECKING:
    from feature_groups.store.query import Query

On = str | Sequence[str] | Mapping[str, str] | None
"""A column or columns of both sides, a dict from the left side's to the right side's, or None for the right's key."""


def join_keys(left: Query, right: Query, on: On) -> tuple[tuple[str, str], ...]:
    """Pairs of a left column and a right primary key column, in the order of the right primary key.

    Raises:
        InvalidDeclaration: A column is missing, is no primary key column on the right, or has another stored type.
    """
    key = right.group.primary_key
    given = _pairs(left, right, on)
    left_of = {column: name for name, column in given}
    for name, column in given:
        if column not in key:
            raise _refused(
                left,
                right,
                f"on names {column!r}, which is not in its primary key {list(key)}. {did_you_mean(str(column), key)}",
                "join by columns of the primary key; on= maps a column of the left group to one of them",
            )
        _check_left(left, right, name, column)
    if len(left_of) < len(given):
        raise _refused(left, right, f"on gives a column of its primary key twice: {given}.", "give each once")
    return tuple((left_of[column], column) for column in key if column in left_of)


def _pairs(left: Query, right: Query, on: On) -> list[tuple[str, str]]:
    if on is None:
        return [(column, column) for column in right.group.primary_key]
    if isinstance(on, str):
        return [(on, on)]
    if isinstance(on, Mapping):
        pairs = list(on.items())
    elif isinstance(on, Sequence):
        pairs = [(column, column) for column in on]
    else:
        raise _refused(left, right, f"on is {on!r:.80}.", "give a column, a list of columns, or a dict left -> right")
    if not pairs or not all(isinstance(name, str) for pair in pairs for name in pair):
        raise _refused(left, right, f"on is {on!r:.80}.", "name at least one column, as text")
    return pairs


def _check_left(left: Query, right: Query, name: str, column: str) -> None:
    found = left.spec.by_name.get(name)
    if found is None:
        fix = f"say which column of {left.group} holds it: on={{'<column>': {column!r}}}"
        for join in left.joins:
            if name in join.query.spec.by_name:
                fix += f"; or join it inside, to the query of {join.query.group}, which has {name!r}"
        hint = did_you_mean(name, left.spec.names)
        raise _refused(left, right, f"{left.group} has no column {name!r}. {hint}", fix)
    wanted = right.spec.by_name[column]
    if found.type != wanted.type:
        raise _refused(
            left,
            right,
            f"{left.group}'s {name!r} is {found.type}, {right.group}'s {column!r} is {wanted.type}; keys are compared "
            "as they are stored, never converted.",
            "declare both columns with one type",
        )


def _refused(left: Query, right: Query, what: str, next_step: str) -> InvalidDeclaration:
    return InvalidDeclaration(
        left.title, what=f"Joining {right.group}: {what}", state="was not made", next_step=f"{next_step}."
    )
