"""A small feature group, frames of its rows, and what a table of them must look like."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

import pandera.polars as pa
import polars as pl

from feature_groups.store import FeatureGroup, UtcDatetime
from feature_groups.store.row_hash import fingerprint

NEW_YEAR = datetime(2026, 1, 1, tzinfo=UTC)

Key = tuple[int, int]
"""User and minute."""
Values = tuple[float | None, str | None, list[str] | None]
Rows = Mapping[Key, Values]


class Visit(pa.DataFrameModel):
    """One row per user and visit."""

    user_id: int = pa.Field(ge=1, description="Who came.")
    at: UtcDatetime = pa.Field(description="When.")
    score: float = pa.Field(le=100, nullable=True, description="How good it was.", metadata={"unit": "points"})
    name: str = pa.Field(nullable=True, metadata={"pii": True})
    tags: list[str] = pa.Field(nullable=True)


def visits(**options: Any) -> FeatureGroup:
    """The feature group `visits`, with other options where given."""
    given = {"primary_key": ["user_id"], "event_time": "at", "contract": Visit, "owner": "the team"}
    return FeatureGroup(**{"name": "visits", "version": 1, "description": "Visits by users.", **given, **options})


SCHEMA = pl.Schema(
    {
        "user_id": pl.Int64(),
        "at": pl.Datetime("us", "UTC"),
        "score": pl.Float64(),
        "name": pl.String(),
        "tags": pl.List(pl.String()),
    }
)


def at(minute: int) -> datetime:
    """The instant of a minute, with microseconds that Delta's statistics cut off."""
    return NEW_YEAR + timedelta(minutes=minute, microseconds=999 - minute % 7)


def frame(rows: Rows) -> pl.DataFrame:
    """The rows as a frame."""
    columns: list[tuple[Any, ...]] = [(user, at(minute), *values) for (user, minute), values in rows.items()]
    return pl.DataFrame(columns, schema=SCHEMA, orient="row")


def keys(found: Iterable[Key]) -> pl.DataFrame:
    """Keys with their event times."""
    return pl.DataFrame(
        [(user, at(minute)) for user, minute in found], schema=dict(list(SCHEMA.items())[:2]), orient="row"
    )


def users(found: Iterable[int]) -> pl.DataFrame:
    """Primary keys only."""
    return pl.DataFrame({"user_id": list(found)}, schema={"user_id": pl.Int64()})


def in_memory(native: Any) -> pl.DataFrame:
    """What a read gave, of any engine, as a Polars frame."""
    if isinstance(native, pl.LazyFrame):
        return native.collect()
    made = pl.from_arrow(native.toArrow())
    assert isinstance(made, pl.DataFrame)
    return made


def rows_of(native: Any) -> dict[Key, Values]:
    """A read as the rows it stands for; every key once."""
    found = in_memory(native)
    assert found.schema == SCHEMA
    rows: dict[Key, Values] = {}
    for user, when, *values in found.rows():
        key = (user, (when - NEW_YEAR) // timedelta(minutes=1))
        assert when == at(key[1])
        assert key not in rows
        rows[key] = tuple(values)
    return rows


def fingerprint_of(rows: Rows) -> str:
    """The content fingerprint of rows, from nothing but the rows."""
    return f"{fingerprint(frame(rows), SCHEMA):032x}"
