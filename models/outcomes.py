"""Outcomes: what users liked after they were recommended something, joined back to the predictions as labels."""

from __future__ import annotations

from datetime import timedelta

import numpy as np
import polars as pl

from feature_groups.views.ranking import POSITIVE
from models.bootstrap import interval
from models.catalogue import Catalogue
from models.histories import HistoryRule
from models.ranking_metrics import ndcg_of_lists, padded

WITHIN = timedelta(days=30)
"""How long after it a prediction answers for what is liked."""


def with_outcomes(predictions: pl.DataFrame, ratings: pl.DataFrame, within: timedelta = WITHIN) -> pl.DataFrame:
    """Each prediction with the films that its user liked from its instant on until the next prediction for the user.

    A rating belongs to one prediction, the newest at or before it, so that scoring often does not count it often.

    Args:
        predictions: Rows of the feature group `predictions`.
        ratings: ``user_id``, ``movie_id``, ``rated_at`` (Datetime, UTC) and ``rating``; all there are.
        within: A rating so much later than the prediction, or later, belongs to none.

    Returns:
        The predictions by instant and id, with ``liked`` (List of Int64, ids ascending, each once), ``hit`` (whether
        one of them was recommended) and ``ndcg``; both are NULL where nothing was liked.
    """
    asked = predictions.sort("asked_at", "prediction_id")
    # Of several releases asked at one instant each is judged on all that followed.
    instants = asked.select("user_id", "asked_at").unique().sort("asked_at")
    later = ratings.filter(pl.col("rating") >= POSITIVE).select("user_id", "movie_id", "rated_at").sort("rated_at")
    belongs = later.join_asof(
        instants.with_columns(pl.col("asked_at").alias("at")),
        left_on="rated_at",
        right_on="at",
        by="user_id",
        check_sortedness=False,
    ).filter(pl.col("rated_at") - pl.col("asked_at") < within)
    liked = belongs.group_by("user_id", "asked_at").agg(pl.col("movie_id").unique().sort().alias("liked"))
    joined = asked.join(liked, on=["user_id", "asked_at"], how="left", maintain_order="left")
    joined = joined.with_columns(pl.col("liked").fill_null(pl.lit([], dtype=pl.List(pl.Int64))))
    none = pl.col("liked").list.len() == 0
    hit = pl.col("liked").list.set_intersection("movies").list.len() > 0
    return joined.with_columns(
        pl.when(~none).then(hit).alias("hit"), pl.Series("ndcg", _ndcg(joined)).fill_nan(None).alias("ndcg")
    )


def quality(outcomes: pl.DataFrame, by: tuple[str, ...] = ("release",)) -> pl.DataFrame:
    """How good predictions turned out to be.

    Args:
        outcomes: What `with_outcomes` gives.
        by: Columns that make the groups, such as ``release`` and ``route``.

    Returns:
        One row per group in order of its first prediction: the columns `by`, ``predictions``, ``judged`` (those after
        which something was liked), ``hit_rate``, ``ndcg`` and its 95 % interval by user ``low``, ``high``; NULL where
        none was judged.
    """
    rows = []
    for key, group in outcomes.group_by(by, maintain_order=True):
        judged = group.filter(pl.col("ndcg").is_not_null())
        found = interval(judged["ndcg"], judged["user_id"]) if judged.height else None
        rows.append(
            {
                **dict(zip(by, key, strict=True)),
                "predictions": group.height,
                "judged": judged.height,
                "hit_rate": judged["hit"].cast(pl.Float64).mean(),
                "ndcg": found.mean if found else None,
                "low": found.low if found else None,
                "high": found.high if found else None,
            }
        )
    types = dict.fromkeys(("hit_rate", "ndcg", "low", "high"), pl.Float64)
    schema = {name: outcomes.schema[name] for name in by} | {"predictions": pl.Int64, "judged": pl.Int64} | types
    return pl.DataFrame(rows, schema=schema)


def _ndcg(joined: pl.DataFrame) -> np.ndarray[tuple[int], np.dtype[np.float64]]:
    if joined.is_empty():
        return np.empty(0)
    lists = joined.select("movies", "liked")
    ids = np.unique(pl.concat([lists[name].explode(empty_as_null=False) for name in lists.columns]).to_numpy())
    catalogue = Catalogue(ids.astype(np.int64), np.zeros(len(ids), dtype=np.bool_))
    return ndcg_of_lists(
        catalogue.columns(padded(joined["movies"])), HistoryRule().of_lists(joined["liked"], catalogue)
    )
