"""Windows of ratings and of users for tests of drift, and runs of windows as monitoring sees them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path

import narwhals as nw
import numpy as np
import polars as pl
from numpy.typing import NDArray

from feature_groups import movies, ratings
from feature_groups.sources.movielens_files import read_movies, read_ratings
from models.drift_findings import PREDICTIONS_RATE, judged
from models.drift_profile import FeatureProfile, profiled
from models.film_profile import FEATURES, NEW
from models.monitoring_policy import MonitoringPolicy
from models.monitoring_windows import Drifted, Window, alarm

POLICY = MonitoringPolicy()
SEEN = ("rating", "film_year", "tenure", "earlier")


def rated(folder: Path) -> pl.DataFrame:
    """Every rating with what is known when it is given: stars, the film's year, the user's days and ratings so far."""
    made: pl.DataFrame = ratings.transform(nw.from_native(read_ratings(folder / "ratings.dat"))).to_native()
    films: pl.DataFrame = movies.transform(nw.from_native(read_movies(folder / "movies.dat"))).to_native()
    joined = made.join(films.select("movie_id", "genres", film_year="year"), on="movie_id")
    tenure = (pl.col("rated_at") - pl.col("rated_at").min().over("user_id")).dt.total_seconds() / 86_400
    ordered = joined.sort("rated_at", "source_row_id").with_columns(tenure.alias("tenure"))
    return ordered.with_columns(pl.int_range(pl.len()).over("user_id").alias("earlier"))


def months(rows: pl.DataFrame, first: datetime, behind: datetime) -> pl.DataFrame:
    """The ratings of a span."""
    return rows.filter(pl.col("rated_at") >= first, pl.col("rated_at") < behind)


def per_user(rows: pl.DataFrame) -> pl.DataFrame:
    """A row of features per user, by user."""
    told = rows.with_columns(pl.col("genres").list.contains(genre).alias(genre) for genre in ("Drama", "Comedy", "War"))
    made = told.group_by("user_id").agg(
        pl.len().alias("count"),
        pl.col("rating").mean().alias("rating_mean"),
        pl.col("rating").std().alias("rating_std"),
        pl.col("film_year").mean().alias("year_mean"),
        pl.col("film_year").std().alias("year_std"),
        pl.col("tenure").max(),
        *(pl.col(genre).mean() for genre in ("Drama", "Comedy", "War")),
        *((pl.col("rating") == n).mean().alias(f"share_{n}") for n in range(1, 6)),
        pl.col("genres").last(),
    )
    return made.sort("user_id")


def window(
    number: int,
    seen: pl.DataFrame,
    features: Mapping[str, FeatureProfile],
    said: pl.DataFrame | None = None,
    scores: Mapping[str, FeatureProfile] | None = None,
) -> Window:
    """What monitoring finds in the window of a day."""
    start = datetime(2001, 1, 1, tzinfo=UTC) + timedelta(days=number)
    found = judged(NEW, scores, said, PREDICTIONS_RATE) if said is not None and scores is not None else []
    found += judged(FEATURES, features, seen)
    return Window(start, start + timedelta(days=1), seen.height, "", tuple(found))


def alarms(windows: Iterable[Window], policy: MonitoringPolicy = POLICY) -> list[tuple[Drifted, ...]]:
    """What has moved twice running at each window."""
    known: list[Window] = []
    found = []
    for one in windows:
        known.append(one)
        found.append(alarm(policy, known))
    return found


def detected(
    scores: NDArray[np.float64], minors: NDArray[np.bool_], share: float | None, rows: int, draws: int, seed: int = 0
) -> dict[str, float]:
    """How often a window with this share of minors is found out, by each measure and by monitoring.

    Training and window are of different users, drawn anew each time; without a share the window's is as it comes.
    """
    draw = np.random.default_rng(seed)
    caught: dict[str, list[bool]] = {}
    for _ in range(draws):
        order = draw.permutation(len(scores))
        training, others = order[: len(order) // 2], order[len(order) // 2 :]
        if share is None:
            chosen = draw.choice(others, rows)
        else:
            young = draw.binomial(rows, share)
            chosen = np.concatenate([draw.choice(others[minors[others]], young)])
            chosen = np.concatenate([chosen, draw.choice(others[~minors[others]], rows - young)])
        profile = profiled(pl.DataFrame({"score": scores[training]}))
        (found,) = judged(NEW, profile, pl.DataFrame({"score": scores[chosen]}), PREDICTIONS_RATE)
        for name, (value, chance) in found.measures.items():
            caught.setdefault(name, []).append(abs(value) > chance)
        caught.setdefault("monitoring", []).append(found.drifted)
        caught.setdefault("PSI > .1", []).append(found.measures["PSI"][0] > 0.1)
    return {name: float(np.mean(hits)) for name, hits in caught.items()}
