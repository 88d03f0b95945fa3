"""A generated year in which the users change: newcomers are mostly adults at first, and often minors later."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Final

import numpy as np
import polars as pl

from feature_groups.sources.generator import generate
from feature_groups.sources.movielens_files import (
    read_movies,
    read_ratings,
    read_users,
    write_movies,
    write_ratings,
    write_users,
)

START: Final = datetime(2002, 1, 1, tzinfo=UTC)
END: Final = datetime(2003, 1, 1, tzinfo=UTC)
CHANGE: Final = datetime(2002, 8, 1, tzinfo=UTC)
"""From this instant on minors join more often."""

_FIRST: Final = datetime(2002, 3, 1, tzinfo=UTC)
# Of the adults join so many before March, from then until the change, and after it.
_ADULTS: Final = (0.4, 0.3, 0.3)
_MINORS: Final = (0.25, 0.15, 0.6)


def generate_year(folder: Path, *, events: int = 80_000, users: int = 2_000, seed: int = 0) -> None:
    """Write the three files of a year; the same arguments give the same bytes.

    People, films, tastes and what each user rates in which order are those of `generate`, kept in ``world`` within the
    folder; who joins when is drawn anew, and each user's events move along. What would come after the year is left out.

    Args:
        folder: Where to write; made if absent.
        events: Events of the generated world; some fall behind the year's end.
        users: Users of it, 12 % of them under 18.
        seed: Of everything drawn.

    Raises:
        InvalidDeclaration: The arguments contradict each other, with the reason.
    """
    generate(folder / "world", events=events, users=users, seed=seed, minors_share=0.12, start=START, end=END)
    people, rated = read_users(folder / "world" / "users.dat"), read_ratings(folder / "world" / "ratings.dat")
    joins = people.select("user_id", joined=pl.Series(_joins((people["age"] == 1).to_numpy(), seed)))
    began = pl.col("timestamp").min().over("user_id")
    moved = rated.join(joins, on="user_id", maintain_order="left").with_columns(
        timestamp=pl.col("timestamp") - began + pl.col("joined")
    )
    within = moved.filter(pl.col("timestamp") < int(END.timestamp()))
    write_movies(read_movies(folder / "world" / "movies.dat"), folder / "movies.dat")
    write_users(people, folder / "users.dat")
    write_ratings(within.select("user_id", "movie_id", "rating", "timestamp"), folder / "ratings.dat")


def _joins(minor: np.ndarray[tuple[int], np.dtype[np.bool_]], seed: int) -> np.ndarray[tuple[int], np.dtype[np.int64]]:
    """When each user joins, seconds since 1970 UTC, evenly within its part of the year."""
    rng = np.random.default_rng(np.random.SeedSequence(seed, spawn_key=(100,)))
    edges = np.array([at.timestamp() for at in (START, _FIRST, CHANGE, END)])
    part = np.where(minor, rng.choice(3, len(minor), p=_MINORS), rng.choice(3, len(minor), p=_ADULTS))
    return np.asarray(edges[part] + rng.random(len(minor)) * (edges[part + 1] - edges[part]), np.int64)
