"""User history: the films a user rated last, newest first, and how far apart."""

from __future__ import annotations

import narwhals as nw
import pandera.polars as pa

from feature_groups import ratings
from feature_groups.store import Aggregation, FeatureGroup, Frame, UtcDatetime, invariant
from feature_groups.store.portable import epoch_seconds

LENGTH = 20
"""How many films a history holds."""


class Contract(pa.DataFrameModel):
    """One row per user and instant just after a rating; what is rated at that instant is not in it yet."""

    user_id: int = pa.Field(ge=1, description="MovieLens' number of the user.")
    known_at: UtcDatetime = pa.Field(description="From when on the history holds.")
    last_movies: list[int] = pa.Field(
        str_length={"min_value": 1, "max_value": LENGTH}, description="Films rated last, newest first."
    )
    last_ratings: list[int] = pa.Field(
        str_length={"min_value": 1, "max_value": LENGTH}, description="Their stars.", metadata={"unit": "stars"}
    )
    last_gaps: list[int] = pa.Field(
        str_length={"min_value": 1, "max_value": LENGTH},
        description="Seconds since the rating before each; -1 for the user's first.",
        metadata={"unit": "seconds"},
    )

    @invariant
    def lists_are_equally_long(cls) -> nw.Expr:
        """Every film has its stars and its gap."""
        length = nw.col("last_movies").list.len()
        return (length == nw.col("last_ratings").list.len()) & (length == nw.col("last_gaps").list.len())


def transform(rated: Frame) -> Frame:
    """A rating with the seconds since the user's rating before, in the order in which they were given."""
    events = rated.with_columns(epoch_seconds(rated, "rated_at").alias("second"))
    before = nw.col("second").shift(1).over("user_id", order_by=["rated_at", "source_row_id"])
    gap = nw.when(before.is_null()).then(nw.lit(-1)).otherwise(nw.col("second") - before)
    renamed = nw.col("rated_at").alias("known_at")
    return events.select("user_id", renamed, "source_row_id", "movie_id", "rating", gap.alias("gap"))


v1 = FeatureGroup(
    name="user_history",
    version=1,
    description="The last twenty films a user rated, with stars and gaps.",
    primary_key=["user_id"],
    event_time="known_at",
    parents=[ratings.v1],
    transform=transform,
    aggregations=[
        Aggregation("last_n", "movie_id", n=LENGTH),
        Aggregation("last_n", "rating", n=LENGTH),
        Aggregation("last_n", "gap", n=LENGTH),
    ],
    derive=lambda rows: rows.with_columns(
        nw.col("movie_id_last_n_all").alias("last_movies"),
        nw.col("rating_last_n_all").alias("last_ratings"),
        nw.col("gap_last_n_all").alias("last_gaps"),
    ),
    contract=Contract,
    owner="recommendations",
    tags={"example": "movielens"},
)
