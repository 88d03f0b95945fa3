"""Age gate: is this user under 18? Decides which recommender serves whom."""

from __future__ import annotations

import polars as pl

from feature_groups import age_labels, movies, ratings, user_activity, user_history, users
from feature_groups.store import FeatureStore, FeatureView, HashSplit, History, Join
from feature_groups.store.dataset_plan import DatasetPlan
from feature_groups.store.split_rule import Split

v1 = FeatureView(
    name="age_gate",
    version=1,
    description="Is this user under 18, judged by what and how they rate?",
    features=[
        user_activity.v1.select_except("last_rated_at"),
        user_history.v1.select("last_movies", "last_ratings", "last_gaps"),
        # The newest rating, whichever film it is of, and that film.
        Join(
            ratings.v1.select("rating").join(movies.v1.select("year", "genres")),
            on=(("user_id", "user_id"),),
            prefix="last_film_",
        ),
    ],
    labels=[age_labels.v1.select("is_under_18")],
    training_helpers=[age_labels.v1.select("age_band"), users.v1.select("gender")],
    histories={"rated": History(ratings.v1.select("movie_id", "rating"), on="user_id")},
    event_time="asked_at",
    owner="trust and safety",
    tags={"example": "movielens"},
)


def spine(store: FeatureStore) -> pl.DataFrame:
    """Every user who rated, just after the newest rating of all; columns user_id and asked_at."""
    rated: pl.LazyFrame = store.get_or_create_feature_group(ratings.v1).read(engine="polars")
    asked_at = pl.col("rated_at").max().dt.offset_by("1us").alias("asked_at")
    newest = rated.select(asked_at).collect().item()
    users_seen = rated.select(pl.col("user_id").unique().sort()).collect()
    return users_seen.with_columns(pl.lit(newest, dtype=pl.Datetime("us", "UTC")).alias("asked_at"))


def split(_: pl.DataFrame) -> Split:
    """By user: a user who was trained on is never tested on."""
    return HashSplit(train=0.7, validation=0.1, test=0.2)


training = DatasetPlan(v1, spine, split, seed=18)
