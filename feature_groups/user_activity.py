"""User activity: how much, what and how a user has rated, exact at every instant."""

from __future__ import annotations

from datetime import timedelta

import narwhals as nw
import pandera.polars as pa

from feature_groups import movies, ratings
from feature_groups.sources import movielens
from feature_groups.store import Aggregation, FeatureGroup, Frame, UtcDatetime, invariant
from feature_groups.store.portable import epoch_seconds

GENRES = {name.lower().replace("'", "").replace("-", "_"): name for name in movielens.GENRES}
"""MovieLens' genres by the word that column names use for them."""

SESSION_GAP = 30 * 60
"""Seconds: a rating longer after the user's previous one begins a new session."""

DAYS = tuple(timedelta(days=n) for n in (1, 7, 30))


class Contract(pa.DataFrameModel):
    """One row per user and instant at which a rating enters or leaves a window.

    Columns that end in _1d, _7d and _30d look back so many days, the others to the user's first rating; the
    instant itself is never included.
    """

    user_id: int = pa.Field(ge=1, description="MovieLens' number of the user.")
    known_at: UtcDatetime = pa.Field(description="From when on the values hold.")
    count_1d: int = pa.Field(ge=0, description="Ratings given.", metadata={"unit": "ratings"})
    count_7d: int = pa.Field(ge=0, description="Ratings given.", metadata={"unit": "ratings"})
    count_30d: int = pa.Field(ge=0, description="Ratings given.", metadata={"unit": "ratings"})
    count_all: int = pa.Field(ge=1, description="Ratings given.", metadata={"unit": "ratings"})
    rating_mean_30d: float = pa.Field(
        ge=1, le=5, nullable=True, description="Mean rating; NULL without one.", metadata={"unit": "stars"}
    )
    rating_mean_all: float = pa.Field(ge=1, le=5, description="Mean rating.", metadata={"unit": "stars"})
    rating_std_all: float = pa.Field(
        ge=0, nullable=True, description="Standard deviation; NULL below two ratings.", metadata={"unit": "stars"}
    )
    share_1_star: float = pa.Field(ge=0, le=1, description="Share of ratings with one star.")
    share_2_stars: float = pa.Field(ge=0, le=1, description="Share of ratings with two stars.")
    share_3_stars: float = pa.Field(ge=0, le=1, description="Share of ratings with three stars.")
    share_4_stars: float = pa.Field(ge=0, le=1, description="Share of ratings with four stars.")
    share_5_stars: float = pa.Field(ge=0, le=1, description="Share of ratings with five stars.")
    year_mean: float = pa.Field(ge=1880, le=2100, description="Mean year of the films.", metadata={"unit": "year"})
    year_std: float = pa.Field(ge=0, nullable=True, description="Standard deviation.", metadata={"unit": "years"})
    share_recent: float = pa.Field(ge=0, le=1, description="Share of films of 1995 or later.")
    films_30d: int = pa.Field(ge=0, description="Different films rated.", metadata={"unit": "films"})
    sessions: int = pa.Field(ge=1, description="Runs of ratings without a gap of more than 30 minutes.")
    last_rated_at: UtcDatetime = pa.Field(description="When the user rated last.")
    tenure_seconds: int = pa.Field(ge=0, description="From the first rating to the last.", metadata={"unit": "seconds"})
    share_action: float = pa.Field(ge=0, le=1, description="Share of the genres of rated films.")
    share_adventure: float = pa.Field(ge=0, le=1, description="Share of the genres of rated films.")
    share_animation: float = pa.Field(ge=0, le=1, description="Share of the genres of rated films.")
    share_childrens: float = pa.Field(ge=0, le=1, description="Share of the genres of rated films.")
    share_comedy: float = pa.Field(ge=0, le=1, description="Share of the genres of rated films.")
    share_crime: float = pa.Field(ge=0, le=1, description="Share of the genres of rated films.")
    share_documentary: float = pa.Field(ge=0, le=1, description="Share of the genres of rated films.")
    share_drama: float = pa.Field(ge=0, le=1, description="Share of the genres of rated films.")
    share_fantasy: float = pa.Field(ge=0, le=1, description="Share of the genres of rated films.")
    share_film_noir: float = pa.Field(ge=0, le=1, description="Share of the genres of rated films.")
    share_horror: float = pa.Field(ge=0, le=1, description="Share of the genres of rated films.")
    share_musical: float = pa.Field(ge=0, le=1, description="Share of the genres of rated films.")
    share_mystery: float = pa.Field(ge=0, le=1, description="Share of the genres of rated films.")
    share_romance: float = pa.Field(ge=0, le=1, description="Share of the genres of rated films.")
    share_sci_fi: float = pa.Field(ge=0, le=1, description="Share of the genres of rated films.")
    share_thriller: float = pa.Field(ge=0, le=1, description="Share of the genres of rated films.")
    share_war: float = pa.Field(ge=0, le=1, description="Share of the genres of rated films.")
    share_western: float = pa.Field(ge=0, le=1, description="Share of the genres of rated films.")
    liking_action: float = pa.Field(nullable=True, description="Mean of rating - 3; NULL without one.")
    liking_adventure: float = pa.Field(nullable=True, description="Mean of rating - 3; NULL without one.")
    liking_animation: float = pa.Field(nullable=True, description="Mean of rating - 3; NULL without one.")
    liking_childrens: float = pa.Field(nullable=True, description="Mean of rating - 3; NULL without one.")
    liking_comedy: float = pa.Field(nullable=True, description="Mean of rating - 3; NULL without one.")
    liking_crime: float = pa.Field(nullable=True, description="Mean of rating - 3; NULL without one.")
    liking_documentary: float = pa.Field(nullable=True, description="Mean of rating - 3; NULL without one.")
    liking_drama: float = pa.Field(nullable=True, description="Mean of rating - 3; NULL without one.")
    liking_fantasy: float = pa.Field(nullable=True, description="Mean of rating - 3; NULL without one.")
    liking_film_noir: float = pa.Field(nullable=True, description="Mean of rating - 3; NULL without one.")
    liking_horror: float = pa.Field(nullable=True, description="Mean of rating - 3; NULL without one.")
    liking_musical: float = pa.Field(nullable=True, description="Mean of rating - 3; NULL without one.")
    liking_mystery: float = pa.Field(nullable=True, description="Mean of rating - 3; NULL without one.")
    liking_romance: float = pa.Field(nullable=True, description="Mean of rating - 3; NULL without one.")
    liking_sci_fi: float = pa.Field(nullable=True, description="Mean of rating - 3; NULL without one.")
    liking_thriller: float = pa.Field(nullable=True, description="Mean of rating - 3; NULL without one.")
    liking_war: float = pa.Field(nullable=True, description="Mean of rating - 3; NULL without one.")
    liking_western: float = pa.Field(nullable=True, description="Mean of rating - 3; NULL without one.")

    @invariant
    def counts_grow_with_the_window(cls) -> nw.Expr:
        """A longer window holds at least what a shorter one holds."""
        growing = nw.col("count_1d") <= nw.col("count_7d"), nw.col("count_7d") <= nw.col("count_30d")
        return growing[0] & growing[1] & (nw.col("count_30d") <= nw.col("count_all"))

    @invariant
    def nothing_is_counted_before_it_happened(cls) -> nw.Expr:
        """The newest rating counted lies before the instant."""
        return nw.col("last_rated_at") < nw.col("known_at")

    @invariant
    def star_shares_sum_to_one(cls) -> nw.Expr:
        """Every rating has one to five stars."""
        ones = nw.col("share_1_star") + nw.col("share_2_stars") + nw.col("share_3_stars")
        return (ones + nw.col("share_4_stars") + nw.col("share_5_stars") - 1).abs() < 1e-6

    @invariant
    def genre_shares_sum_to_one(cls) -> nw.Expr:
        """Every film has a genre."""
        return (nw.sum_horizontal(*(nw.col(f"share_{g}") for g in GENRES)) - 1).abs() < 1e-6

    @invariant
    def different_films_are_not_more_than_ratings(cls) -> nw.Expr:
        """A film counts once."""
        return nw.col("films_30d") <= nw.col("count_30d")


def transform(rated: Frame, catalogue: Frame) -> Frame:
    """A rating with what its film is, and whether it begins a session."""
    films = catalogue.select("movie_id", "year", "genres")
    second = epoch_seconds(rated, "rated_at")
    events = rated.with_columns(second.alias("second"))
    before = nw.col("second").shift(1).over("user_id", order_by=["rated_at", "source_row_id"])
    gap = nw.col("second") - before
    events = events.with_columns(nw.when(gap <= SESSION_GAP).then(nw.lit(0)).otherwise(nw.lit(1)).alias("starts"))
    joined = events.join(films, on="movie_id", how="left")
    stars = [(nw.col("rating") == n).cast(nw.Int64).alias(f"star_{n}") for n in range(1, 6)]
    has = {g: nw.col("genres").list.contains(name).cast(nw.Int64) for g, name in GENRES.items()}
    return joined.select(
        "user_id",
        nw.col("rated_at").alias("known_at"),
        "rated_at",
        "source_row_id",
        "movie_id",
        "rating",
        "second",
        "starts",
        "year",
        (nw.col("year") >= 1995).cast(nw.Int64).alias("recent"),
        *stars,
        *(e.alias(f"is_{g}") for g, e in has.items()),
        *((e * (nw.col("rating") - 3)).alias(f"like_{g}") for g, e in has.items()),
    )


def derive(rows: Frame) -> Frame:
    """Shares, means of likings, and the span between first and last rating."""
    count = nw.col("count_all")
    genres = nw.sum_horizontal(*(nw.col(f"is_{g}_sum_all") for g in GENRES))
    columns = [
        *((nw.col(f"star_{n}_sum_all") / count).alias(f"share_{n}_star{'s' * (n > 1)}") for n in range(1, 6)),
        *((nw.col(f"is_{g}_sum_all") / genres).alias(f"share_{g}") for g in GENRES),
        *(
            nw.when(nw.col(f"is_{g}_sum_all") > 0)
            .then(nw.col(f"like_{g}_sum_all") / nw.col(f"is_{g}_sum_all"))
            .alias(f"liking_{g}")
            for g in GENRES
        ),
        (nw.col("recent_sum_all") / count).alias("share_recent"),
        nw.col("rated_at_last_all").alias("last_rated_at"),
        (nw.col("second_max_all") - nw.col("second_min_all")).alias("tenure_seconds"),
        nw.col("starts_sum_all").alias("sessions"),
        nw.col("year_mean_all").alias("year_mean"),
        nw.col("year_std_all").alias("year_std"),
        nw.col("movie_id_n_unique_30d").alias("films_30d"),
    ]
    return rows.with_columns(*columns)


v1 = FeatureGroup(
    name="user_activity",
    version=1,
    description="How much, what and how a user has rated, exact at every instant.",
    primary_key=["user_id"],
    event_time="known_at",
    parents=[ratings.v1, movies.v1],
    transform=transform,
    aggregations=[
        Aggregation("count", windows=[*DAYS, None]),
        Aggregation("mean", "rating", [DAYS[2], None]),
        Aggregation("std", "rating"),
        Aggregation("mean", "year"),
        Aggregation("std", "year"),
        Aggregation("sum", "recent"),
        Aggregation("sum", "starts"),
        Aggregation("last", "rated_at"),
        Aggregation("min", "second"),
        Aggregation("max", "second"),
        Aggregation("n_unique", "movie_id", [DAYS[2]]),
        *(Aggregation("sum", f"star_{n}") for n in range(1, 6)),
        *(Aggregation("sum", f"is_{g}") for g in GENRES),
        *(Aggregation("sum", f"like_{g}") for g in GENRES),
    ],
    derive=derive,
    contract=Contract,
    owner="recommendations",
    tags={"example": "movielens"},
)
