"""Random rows that meet a contract's column checks, for every declared group and source at once."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import polars as pl
from hypothesis import strategies as st

from feature_groups.store import FeatureGroup, Source

START = datetime(2000, 1, 1, tzinfo=UTC)
KEYS = 3
"""So few different keys that rows of one key meet, in several groups."""

_ASCII = st.characters(min_codepoint=32, max_codepoint=126)


def rows_of(origin: FeatureGroup | Source, size: int = 12, *, least: int = 1) -> st.SearchStrategy[pl.DataFrame]:
    """Frames of a group or of a source's raw rows: few keys, times minutes to months apart.

    A group's rows have every key and time once; raw rows may be repeated, for deliveries are.
    """
    assert origin.spec is not None
    assert origin.contract is not None
    checks = {name: column.checks for name, column in origin.contract.to_schema().columns.items()}
    group = origin if isinstance(origin, FeatureGroup) else None
    keys = {*group.primary_key, *group.foreign_key} if group else set()
    columns = {c.name: _values(c.type, checks[c.name], is_key=c.name in keys) for c in origin.spec.columns}
    row = st.fixed_dictionaries(columns)
    if group and group.static:
        least = min(least, KEYS)  # there are not more keys
    unique = None if group is None else lambda r: tuple(str(r[k]) for k in group.key)
    many = st.lists(row, min_size=least, max_size=size, unique_by=unique)
    schema = origin.spec.polars_schema
    return many.map(lambda rows: pl.DataFrame(rows, schema=schema, orient="row"))


def _values(kind: str, checks: Any, *, is_key: bool) -> st.SearchStrategy[Any]:
    given = {name: value for check in checks for name, value in (check.statistics or {}).items()}
    names = {check.name for check in checks}
    if "allowed_values" in given:
        return st.sampled_from(list(given["allowed_values"]))
    if kind == "timestamp":
        gaps = st.sampled_from([timedelta(seconds=1), timedelta(minutes=20), timedelta(hours=3), timedelta(days=5)])
        return st.tuples(gaps, st.integers(0, 9)).map(lambda g: START + g[0] * g[1])
    if kind.startswith("list<"):
        return st.lists(st.sampled_from(["Drama", "Comedy", "War", "Action"]), min_size=1, max_size=3, unique=True)
    if "pattern" in given:
        return st.from_regex(given["pattern"], fullmatch=True, alphabet=_ASCII)
    if kind == "string":
        return st.sampled_from(["a", "b", "ab"])
    if kind == "bool":
        return st.booleans()
    low = given.get("min_value", 1)
    high = given["max_value"] if "in_range" in names else low + 4
    if kind.startswith("float"):
        return st.integers(low, high).map(float)
    return st.integers(1, KEYS) if is_key else st.integers(low, high)
