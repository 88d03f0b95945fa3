"""Users of films as the view `age_gate` gives them, of whom minors like other films: for tests of the example."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import numpy as np
import polars as pl

from feature_groups.user_activity import GENRES
from models.catalogue import Catalogue
from models.rated_events import RatedEvents

FILMS = 60
CATALOGUE = Catalogue(np.arange(1, FILMS + 1, dtype=np.int64), np.arange(1, FILMS + 1) % 3 == 0)
START = datetime(2000, 1, 1, tzinfo=UTC)


def view(users: int = 150, seed: int = 0) -> tuple[pl.DataFrame, pl.DataFrame, pl.DataFrame]:
    """Features with labels, the history ``rated`` (oldest first), and the ratings; every third film is restricted."""
    draw = np.random.default_rng(seed)
    minor = draw.random(users) < 0.3
    rated, stars = [], []
    for young in minor:
        taste = np.where(np.arange(FILMS) < FILMS // 2, 4.0 if young else 1.0, 1.0)
        films = draw.choice(FILMS, size=int(draw.integers(6, 20)), replace=False, p=taste / taste.sum())
        rated.append(films + 1)
        stars.append(draw.integers(2, 6, len(films)))
    row = np.repeat(np.arange(users), [len(films) for films in rated])
    history = pl.DataFrame({"__row": row, "movie_id": np.concatenate(rated), "rating": np.concatenate(stars)})
    place = np.concatenate([np.arange(len(films)) for films in rated])
    ratings = history.select(
        (pl.col("__row") + 1).alias("user_id"),
        "movie_id",
        "rating",
        pl.Series("rated_at", [START + timedelta(hours=int(p)) for p in place], dtype=pl.Datetime("us", "UTC")),
        pl.int_range(pl.len()).alias("source_row_id"),
    )
    count = np.array([len(films) for films in rated])
    numbers = {
        "rating_mean_all": [float(s.mean()) for s in stars],
        "rating_std_all": [float(s.std(ddof=1)) for s in stars],
        **{f"share_{n}_star{'s' * (n > 1)}": [float((s == n).mean()) for s in stars] for n in range(1, 6)},
        "year_mean": draw.normal(1985 + 5 * minor, 3),
        "year_std": draw.uniform(1, 9, users),
        "share_recent": draw.random(users),
        **{f"share_{g}": draw.random(users) for g in GENRES},
        **{f"liking_{g}": [None if draw.random() < 0.2 else draw.normal() for _ in range(users)] for g in GENRES},
    }
    features = pl.DataFrame(
        {
            "__row": np.arange(users),
            "user_id": np.arange(1, users + 1),
            "count_all": count,
            "sessions": draw.integers(1, 4, users),
            "tenure_seconds": (count - 1) * 3600,
            **numbers,
            "is_under_18": minor,
        },
        schema_overrides=dict.fromkeys(numbers, pl.Float64()),
    )
    return features, history, ratings


def events(ratings: pl.DataFrame) -> RatedEvents:
    return RatedEvents.of(ratings, CATALOGUE)
