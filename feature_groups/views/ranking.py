"""Ranking: which film comes next? One row per rating of four stars and more, with what was known strictly before it."""

from __future__ import annotations

from datetime import datetime, timedelta

import polars as pl

from feature_groups import ratings, user_activity, user_history
from feature_groups.store import FeatureStore, FeatureView, TimeSplit
from feature_groups.store.dataset_plan import DatasetPlan
from feature_groups.store.split_rule import Split

POSITIVE = 4
"""Stars from which on a rating says that the film was liked."""

TRAINED_ON = 0.85
"""Share of the positive ratings that lie before the test part."""

v1 = FeatureView(
    name="ranking",
    version=1,
    description="Which film does this user like next?",
    features=[
        user_history.v1.select("last_movies", "last_ratings", "last_gaps"),
        user_activity.v1.select("count_1d", "count_7d", "count_30d", "count_all", "rating_mean_all", "sessions"),
    ],
    labels=["movie_id"],
    event_time="rated_at",
    strict=True,
    owner="recommendations",
    tags={"example": "movielens"},
)


def liked(store: FeatureStore) -> pl.DataFrame:
    """The positive ratings in the order they were given; columns user_id, rated_at, movie_id, source_row_id."""
    rated: pl.LazyFrame = store.get_or_create_feature_group(ratings.v1).read(engine="polars")
    positive = rated.filter(pl.col("rating") >= POSITIVE).sort("rated_at", "source_row_id")
    return positive.select("user_id", "rated_at", "movie_id", "source_row_id").collect()


def border(positive: pl.DataFrame) -> datetime:
    """The midnight (UTC) by which most of the positive ratings were given: what came later is for testing."""
    last: datetime = positive.select(pl.col("rated_at").quantile(TRAINED_ON, "lower").dt.truncate("1d")).item()
    return last + timedelta(days=1)


def split(positive: pl.DataFrame) -> Split:
    """By time, at the border."""
    return TimeSplit(test_from=border(positive))


training = DatasetPlan(v1, liked, split)
