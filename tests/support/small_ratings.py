"""Small random ratings of small catalogues, with everything that makes real ones hard: same instants, unknown films."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import numpy as np
import polars as pl
from hypothesis import strategies as st

from models.catalogue import Catalogue
from models.rated_events import RatedEvents

START = datetime(2000, 1, 1, tzinfo=UTC)
FILMS = 9
"""Films 10, 20, ..., 90 are in the catalogue; 95 is not."""


def catalogue() -> Catalogue:
    """Nine films, every third restricted."""
    items = np.arange(1, FILMS + 1, dtype=np.int64) * 10
    return Catalogue(items, items % 30 == 0)


def rows(*ratings: tuple[int, int, int, int]) -> pl.DataFrame:
    """Ratings from (user, film, seconds since the start of 2000, stars), in the order in which they were given."""
    columns = {
        "user_id": [r[0] for r in ratings],
        "movie_id": [r[1] for r in ratings],
        "rated_at": [START + timedelta(seconds=r[2]) for r in ratings],
        "rating": [r[3] for r in ratings],
        "source_row_id": list(range(len(ratings))),
    }
    instant = pl.Datetime("us", "UTC")
    integers = dict.fromkeys(("user_id", "movie_id", "rating", "source_row_id"), pl.Int64())
    return pl.DataFrame(columns, schema_overrides={**integers, "rated_at": instant})


def events(frame: pl.DataFrame) -> RatedEvents:
    """Over the nine films."""
    return RatedEvents.of(frame, catalogue())


def at(seconds: int) -> datetime:
    """An instant of these ratings."""
    return START + timedelta(seconds=seconds)


_FILM = st.sampled_from([*range(10, 10 * FILMS + 1, 10), 95])
_RATING = st.tuples(st.integers(1, 4), _FILM, st.integers(0, 12), st.integers(1, 5))
frames = st.lists(_RATING, max_size=40, unique_by=lambda r: r[:2]).map(lambda ratings: rows(*ratings))
"""Up to 40 ratings of four users, each film once by a user, many at one second, in a random file order."""
