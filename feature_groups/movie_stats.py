"""Movie stats: how often and how well a film was rated, as of the end of each day."""

from __future__ import annotations

from datetime import timedelta

import narwhals as nw
import pandera.polars as pa

from feature_groups import ratings
from feature_groups.store import Aggregation, FeatureGroup, Frame, UtcDatetime, invariant

PRIOR_RATINGS = 20
"""How many ratings of the prior mean every film begins with."""

PRIOR_MEAN = 3.5
"""Stars; close to the mean of all ratings in MovieLens."""

DAY = timedelta(days=1)


class Contract(pa.DataFrameModel):
    """One row per film and instant: a midnight (UTC) by which a rating has entered or left a window."""

    movie_id: int = pa.Field(ge=1, description="MovieLens' number of the film.")
    known_at: UtcDatetime = pa.Field(description="The midnight from which on the values hold.")
    count_7d: int = pa.Field(ge=0, description="Ratings in the 7 days before.", metadata={"unit": "ratings"})
    count_30d: int = pa.Field(ge=0, description="Ratings in the 30 days before.", metadata={"unit": "ratings"})
    count_all: int = pa.Field(ge=1, description="Ratings before.", metadata={"unit": "ratings"})
    rating_mean: float = pa.Field(
        ge=1, le=5, description="Mean rating before, drawn to the prior.", metadata={"unit": "stars"}
    )
    rank: int = pa.Field(ge=1, description="Place among all films by ratings before; ties share the better place.")
    last_rated_at: UtcDatetime = pa.Field(description="When it was rated last.")

    @invariant
    def counts_grow_with_the_window(cls) -> nw.Expr:
        """A longer window holds at least what a shorter one holds."""
        return (nw.col("count_7d") <= nw.col("count_30d")) & (nw.col("count_30d") <= nw.col("count_all"))

    @invariant
    def nothing_is_counted_before_it_happened(cls) -> nw.Expr:
        """The newest rating counted lies before the instant."""
        return nw.col("last_rated_at") < nw.col("known_at")


def transform(rated: Frame) -> Frame:
    """A rating as an event of its film."""
    known_at = nw.col("rated_at").alias("known_at")
    return rated.select("movie_id", known_at, "rated_at", "rating", "source_row_id", "user_id")


def derive(rows: Frame) -> Frame:
    """The smoothed mean, and the film's place among all films at that midnight."""
    total = nw.col("rating_sum_all") + PRIOR_RATINGS * PRIOR_MEAN
    rows = rows.with_columns(
        (total / (nw.col("count_all") + PRIOR_RATINGS)).alias("rating_mean"),
        nw.col("rated_at_last_all").alias("last_rated_at"),
    )
    # Every film at every midnight: a count only grows, so the largest so far is the newest.
    grid = rows.select("known_at").unique().join(rows.select("movie_id").unique(), how="cross")
    filled = grid.join(rows.select("movie_id", "known_at", "count_all"), on=["movie_id", "known_at"], how="left")
    newest = nw.col("count_all").cum_max().over("movie_id", order_by="known_at")
    counted = filled.with_columns(nw.col("count_all").fill_null(0)).with_columns(newest.alias("so_far"))
    place = nw.col("so_far").rank("min", descending=True).over("known_at").cast(nw.Int64).alias("rank")
    places = counted.with_columns(place).select("movie_id", "known_at", "rank")
    return rows.join(places, on=["movie_id", "known_at"], how="left")


v1 = FeatureGroup(
    name="movie_stats",
    version=1,
    description="How often and how well a film was rated, as of the end of each day.",
    primary_key=["movie_id"],
    event_time="known_at",
    parents=[ratings.v1],
    transform=transform,
    aggregations=[
        Aggregation("count", windows=[7 * DAY, 30 * DAY, None]),
        Aggregation("sum", "rating"),
        Aggregation("last", "rated_at"),
    ],
    derive=derive,
    resolution=DAY,
    # A rating moves the places of other films too.
    local=False,
    contract=Contract,
    owner="recommendations",
    tags={"example": "movielens"},
)
