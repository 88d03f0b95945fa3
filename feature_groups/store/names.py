"""The names that groups, columns, sources and views may have."""

from __future__ import annotations

import re
from collections.abc import Iterable

from feature_groups.store.errors import InvalidDeclaration

_NAME = re.compile(r"[a-z][a-z0-9_]{0,62}")

INGESTED_AT = "ingested_at"
"""Reserved column: the instant (µs, UTC) at which the store took the row in."""

IS_DELETED = "is_deleted"
"""Reserved column of groups with ``corrections="keep"``: the row says that its key was deleted."""

SINCE = "__since"
"""Column of a scope: rows of its key at that instant or later are made anew."""

ROW = "__row"
"""Column of a spine: the position of the row, from 0."""

EVENT = "__event"
"""Column of event inputs: the place of the event among those of its spine row, from 0 for the oldest."""

PART = "__part"
"""Column of a spine that is split: the name of the row's part, NULL for a row in no part."""

ALIVE = "__alive"
"""Column of versions of rows: false for one that says its row was deleted, or that does not meet a filter."""

RESERVED_COLUMNS = frozenset({INGESTED_AT, IS_DELETED})

RESERVED_WORDS = frozenset(
    """all alter and anti any as between by case cast create cross delete desc describe distinct drop else end
    exists false for from full group having in inner insert into is join left like limit merge natural not null
    offset on or order outer right select semi set table then to true union update using values when where
    with""".split()  # noqa: SIM905  # a list of words reads best as words
)
"""SQL words that would need quoting in some engine or notebook."""


def check_name(name: object, *, kind: str, where: str) -> str:
    """The name itself, when it is a lower-case identifier of 1 to 63 characters and no reserved word.

    Raises:
        InvalidDeclaration: It is anything else; nothing is created.
    """
    problem = None
    if not isinstance(name, str):
        problem = f"{name!r} is a {type(name).__name__}, not text"
    elif not _NAME.fullmatch(name):
        problem = f"{name[:80]!r} does not match [a-z][a-z0-9_]{{0,62}}"
    elif name in RESERVED_WORDS:
        problem = f"{name!r} is a reserved word of SQL"
    elif kind == "column" and name in RESERVED_COLUMNS:
        problem = f"{name!r} is a column the store fills itself"
    if problem is None:
        assert isinstance(name, str)
        return name
    suggestion = _suggest(str(name), kind)
    raise InvalidDeclaration(
        where,
        what=f"The {kind} name {problem}.",
        state="was not declared",
        next_step=f"name the {kind} for example {suggestion!r}.",
    )


def check_names(names: Iterable[object], *, kind: str, where: str) -> tuple[str, ...]:
    """Check every name and that none stands twice.

    Raises:
        InvalidDeclaration: A name is not allowed, or is repeated.
    """
    checked = tuple(check_name(n, kind=kind, where=where) for n in names)
    repeated = sorted({n for n in checked if checked.count(n) > 1})
    if repeated:
        raise InvalidDeclaration(
            where,
            what=f"The {kind}s {repeated} are named more than once.",
            state="was not declared",
            next_step=f"name each {kind} once.",
        )
    return checked


def _suggest(name: str, kind: str) -> str:
    plain = re.sub(r"[^a-z0-9_]+", "_", name.lower()).strip("_")[:55]
    plain = plain if plain and plain[0].isalpha() else f"{kind.split()[0]}_{plain}".rstrip("_")
    return f"{plain}_value" if plain in RESERVED_WORDS | RESERVED_COLUMNS else plain
