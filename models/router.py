"""The example's router: whether a user is under 18, judged by which films they rated, and how.

It takes what the view `age_gate` gives: never age, nor occupation, which says nearly the same.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
import polars as pl
from numpy.typing import NDArray
from sklearn.linear_model import LogisticRegression

from feature_groups.store.names import ROW
from feature_groups.user_activity import GENRES
from feature_groups.views.ranking import POSITIVE
from models.blocks_categories import Lists
from models.blocks_counts import Svd, TfIdf
from models.blocks_numbers import Impute, Numbers
from models.probability_model import ProbabilityModel
from models.transform import Block, Transform

RATED, LIKED = "rated_movies", "liked_movies"
"""Columns of lists: all films of a user, and those they liked; newest first."""

STRENGTHS = (0.03, 0.01, 0.1, 0.3)
"""Inverse strengths of the penalty (scikit-learn's C) that validation chooses from."""

_DERIVED = ("log_count", "log_sessions", "log_count_per_session", "log_tenure_days", "log_pace")
_STARS = ("share_1_star", "share_2_stars", "share_3_stars", "share_4_stars", "share_5_stars")
_KNOWN = (
    *_DERIVED,
    "rating_mean_all",
    *_STARS,
    "year_mean",
    "share_recent",
    *(f"share_{genre}" for genre in GENRES),
)
_MISSING_AT_TIMES = ("rating_std_all", "year_std", *(f"liking_{genre}" for genre in GENRES))

films = Block("films", Lists(RATED, other=False), then=(TfIdf(), Svd(64)), normalise="zscore")
behaviour = Block("behaviour", Numbers(_KNOWN), normalise="zscore")
liking = Block("liking", Numbers(_MISSING_AT_TIMES), then=(Impute("zero", mask=False),), normalise="zscore")

transform = Transform(
    name="age_gate_inputs",
    version=1,
    inputs={RATED: pl.List(pl.Int64()), **dict.fromkeys((*_KNOWN, *_MISSING_AT_TIMES), pl.Float64())},
    blocks=(films, behaviour, liking),
    description="Which films a user rated, by their strongest directions, beside what and how they rate.",
)

v1 = ProbabilityModel(
    name="age_gate",
    version=1,
    transform=transform,
    classifier=LogisticRegression(C=STRENGTHS[0], max_iter=1000),
    entity="user_id",
    label="is_under_18",
)
"""A user without a rating has no row in `user_activity`: the router refuses them, and the cascade plays safe."""


def router_rows(features: pl.DataFrame, rated: pl.DataFrame) -> pl.DataFrame:
    """The rows of the view with what the router and the rankers take.

    Args:
        features: A part of a training dataset of `age_gate`, or scoring data: ``__row`` and the view's features.
        rated: The history ``rated``: ``__row``, ``movie_id`` and ``rating`` per rating, oldest first.

    Returns:
        `features` in their order, with `RATED` and `LIKED` (List of Int64, newest first, empty without ratings) and
        the logarithms that `user_activity` has no column for.
    """
    newest_first = pl.col("movie_id").reverse()
    liked = pl.col("movie_id").filter(pl.col("rating") >= POSITIVE).reverse()
    lists = rated.group_by(ROW, maintain_order=True).agg(newest_first.alias(RATED), liked.alias(LIKED))
    empty = pl.col(RATED, LIKED).fill_null([])
    joined = features.join(lists, on=ROW, how="left", maintain_order="left").with_columns(empty)
    count, sessions, seconds = (
        joined[name].cast(pl.Float64()).to_numpy() for name in ("count_all", "sessions", "tenure_seconds")
    )
    # NumPy divides: Polars multiplies a column by the rounded reciprocal of a number, but divides a single row.
    derived = (
        _each(math.log, count),
        _each(math.log, sessions),
        _each(math.log, count / sessions),
        _each(math.log1p, seconds / 86_400),
        # Who gave all ratings within a minute has a pace too.
        _each(math.log1p, count / np.maximum(seconds / 60, 1)),
    )
    return joined.with_columns(**dict(zip(_DERIVED, derived, strict=True)))


def _each(logarithm: Callable[[float], float], values: NDArray[np.float64]) -> pl.Series:
    """One by one: vectorised logarithms may differ in the last bit with the CPU's family. NULL stays NULL."""
    return pl.Series([logarithm(value) if value >= 0 else None for value in values.tolist()], dtype=pl.Float64())
