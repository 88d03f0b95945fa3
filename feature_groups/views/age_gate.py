"""Age gate: is this user under 18? Decides which recommender serves whom."""

from __future__ import annotations

from datetime import datetime

import polars as pl

from feature_groups import age_labels, movies, ratings, user_activity, user_history, users
from feature_groups.store import FeatureStore, FeatureView, History, Join, KFold
from feature_groups.store.dataset_plan import DatasetPlan
from feature_groups.store.split_rule import Split
from feature_groups.views import ranking

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
    """Every user who had rated by the border from which on recommendations are tested, asked there and then.

    Columns user_id and asked_at. What came later is known to nobody who is trained on this.
    """
    border = ranking.border(ranking.liked(store))
    return asked(store, border)


def asked(store: FeatureStore, at: datetime, version: int | None = None) -> pl.DataFrame:
    """Every user who rated before an instant, asked at that instant; columns user_id and asked_at.

    Args:
        store: The lake.
        at: The instant, aware.
        version: Of the ratings; by default the newest.
    """
    rated: pl.LazyFrame = store.get_or_create_feature_group(ratings.v1).read(version, engine="polars")
    users_seen = rated.filter(pl.col("rated_at") < at).select(pl.col("user_id").unique().sort()).collect()
    return users_seen.with_columns(pl.lit(at, dtype=pl.Datetime("us", "UTC")).alias("asked_at"))


def now(store: FeatureStore) -> datetime:
    """Just after the newest rating: the present of data that ends some day."""
    rated: pl.LazyFrame = store.get_or_create_feature_group(ratings.v1).read(engine="polars")
    newest: datetime = rated.select(pl.col("rated_at").max().dt.offset_by("1us")).collect().item()
    return newest


def split(_: pl.DataFrame) -> Split:
    """Five folds of whole users, minors spread evenly: every user is predicted by a model that never saw them."""
    return KFold(5, stratify="is_under_18")


training = DatasetPlan(v1, spine, split, seed=18)
