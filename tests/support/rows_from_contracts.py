"""Random rows that meet a contract's column checks, for every declared group at once."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import polars as pl
from hypothesis import strategies as st

from feature_groups.store import FeatureGroup

START = datetime(2000, 1, 1, tzinfo=UTC)
KEYS = 3
"""So few different keys that rows of one key meet, in several groups."""


def rows_of(group: FeatureGroup, size: int = 12) -> st.SearchStrategy[pl.DataFrame]:
    """Frames of a group: keys from 1 to 3, times minutes to months apart, every key and time once."""
    assert group.spec is not None
    assert group.contract is not None
    checks = {name: column.checks for name, column in group.contract.to_schema().columns.items()}
    foreign = set(group.foreign_key) | set(group.primary_key)
    columns = {c.name: _values(c.type, checks[c.name], is_key=c.name in foreign) for c in group.spec.columns}
    row = st.fixed_dictionaries(columns)
    unique = st.lists(row, min_size=1, max_size=size, unique_by=lambda r: tuple(str(r[k]) for k in group.key))
    schema = group.spec.polars_schema
    return unique.map(lambda rows: pl.DataFrame(rows, schema=schema, orient="row"))


def _values(kind: str, checks: Any, *, is_key: bool) -> st.SearchStrategy[Any]:
    low, high, allowed = 1, 5, None
    for check in checks:
        given = check.statistics or {}
        allowed = given.get("allowed_values", allowed)
        if check.name == "in_range":
            low, high = given["min_value"], given["max_value"]
    if allowed:
        return st.sampled_from(list(allowed))
    if kind == "timestamp":
        gaps = st.sampled_from([timedelta(seconds=1), timedelta(minutes=20), timedelta(hours=3), timedelta(days=5)])
        return st.tuples(gaps, st.integers(0, 9)).map(lambda g: START + g[0] * g[1])
    if kind.startswith("list<"):
        return st.lists(st.sampled_from(["Drama", "Comedy", "War", "Action"]), min_size=1, max_size=3, unique=True)
    if kind == "string":
        return st.sampled_from(["a", "b", "ab"])
    if kind == "bool":
        return st.booleans()
    if kind.startswith("float"):
        return st.integers(low, high).map(float)
    return st.integers(1, KEYS) if is_key else st.integers(low, high)
