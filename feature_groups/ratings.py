"""Ratings: who gave which film how many stars, and when."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import narwhals as nw
import pandera.polars as pa

from feature_groups import movies, users
from feature_groups.sources import movielens
from feature_groups.store import FeatureGroup, Frame, UtcDatetime

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


class Contract(pa.DataFrameModel):
    """One row per user, film and instant of rating."""

    user_id: int = pa.Field(ge=1, description="MovieLens' number of the user.")
    movie_id: int = pa.Field(ge=1, description="MovieLens' number of the film.")
    rated_at: UtcDatetime = pa.Field(
        ge=datetime(1995, 1, 1, tzinfo=UTC), lt=datetime(2100, 1, 1, tzinfo=UTC), description="When, to the second."
    )
    rating: int = pa.Field(in_range={"min_value": 1, "max_value": 5}, description="Stars.", metadata={"unit": "stars"})
    source_row_id: int = pa.Field(
        ge=0, description="Position in the whole archive: orders a user's ratings of one second as they were given."
    )


def transform(raw: Frame) -> Frame:
    """Turn seconds since 1970 into instants; a row that is sent again keeps its first place."""
    rated_at = nw.lit(_EPOCH) + nw.col("timestamp") * nw.lit(timedelta(seconds=1))
    first = nw.col("source_row_id").min().over("user_id", "movie_id", "timestamp", "rating")
    return raw.select("user_id", "movie_id", rated_at.alias("rated_at"), "rating", first.alias("source_row_id"))


v1 = FeatureGroup(
    name="ratings",
    version=1,
    description="Stars that users gave to films.",
    primary_key=["user_id", "movie_id"],
    event_time="rated_at",
    sequence="source_row_id",
    source=movielens.ratings,
    transform=transform,
    contract=Contract,
    keep="latest",
    foreign_key={"user_id": users.v1, "movie_id": movies.v1},
    freshness=timedelta(days=35),  # deliveries are monthly
    owner="recommendations",
    tags={"example": "movielens"},
)
