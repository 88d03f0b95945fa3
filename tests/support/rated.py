"""Ratings and films as frames of their groups, and what a derived group makes of them."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import narwhals as nw
import polars as pl

from feature_groups import movies, ratings
from feature_groups.store import FeatureGroup, FeatureStore
from feature_groups.store.derived import made

START = datetime(2000, 1, 1, tzinfo=UTC)
DAY = timedelta(days=1)
TICK = timedelta(microseconds=1)


def rated(*rows: tuple[int, int, timedelta, int]) -> pl.DataFrame:
    """Ratings from (user, film, time since the start of 2000, stars), in the order in which they came."""
    assert ratings.v1.spec is not None
    columns = {
        "user_id": [r[0] for r in rows],
        "movie_id": [r[1] for r in rows],
        "rated_at": [START + r[2] for r in rows],
        "rating": [r[3] for r in rows],
        "source_row_id": list(range(len(rows))),
    }
    return pl.DataFrame(columns, schema_overrides=ratings.v1.spec.polars_schema)


def films(**genres: list[str]) -> pl.DataFrame:
    """Films 1, 2, ... of the year 1994 + their number, with these genres."""
    assert movies.v1.spec is not None
    schema = movies.v1.spec.polars_schema
    rows: dict[str, Any] = {
        "movie_id": range(1, len(genres) + 1),
        "year": range(1995, 1995 + len(genres)),
        "genres": list(genres.values()),
        "title": list(genres),
    }
    known = {name: values for name, values in rows.items() if name in schema}
    return pl.DataFrame(known, schema_overrides={name: schema[name] for name in known}).select(
        *(pl.col(n) if n in known else pl.lit(None, dtype=t).alias(n) for n, t in schema.items())
    )


def computed(group: FeatureGroup, store: FeatureStore, engine: str, *parents: pl.DataFrame) -> pl.DataFrame:
    """The group's rows, sorted by key, computed by an engine from its parents' rows."""
    chosen = store.shop.spark() if engine == "spark" else store.shop.polars
    frames = []
    for rows in parents:
        folder = str(store.shop.spool())
        store.shop.polars.write_files(nw.from_native(rows.lazy()), folder)
        frames.append(chosen.files(folder))
    assert group.spec is not None
    # Polars takes a dict of types.
    found = chosen.collect(made(chosen, group, frames)).cast(dict(group.spec.polars_schema))  # type: ignore[arg-type]
    return found.sort(list(group.key))
