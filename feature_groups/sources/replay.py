"""An archive in the MovieLens format handed over month by month, as it grew: what senders would have sent.

Each delivery holds all that was known by the end of a month. Rows that came once keep their places in the file, as
`feature_groups.ratings` wants it: a row's position in the archive tells rows of one second apart.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import polars as pl

from feature_groups.sources.movielens_files import (
    read_movies,
    read_ratings,
    read_users,
    write_movies,
    write_ratings,
    write_users,
)
from feature_groups.store.errors import InvalidDeclaration


@dataclass(frozen=True)
class Month:
    """One month of a replay.

    Attributes:
        number: From 1 for the month of the first event.
        start: First instant, UTC, inclusive.
        end: First instant after it, UTC.
        new: Events in it.
        rows: Events up to its end.
    """

    number: int
    start: datetime
    end: datetime
    new: int
    rows: int


class Replay:
    """The months of an archive.

    Args:
        folder: Holds ``ratings.dat``, ``users.dat`` and ``movies.dat``.
        months: How many, from the month of the first event on; at least 1.

    Raises:
        SourceMissing: A file is not there.
        SourceDamaged: A file is damaged.
        InvalidDeclaration: Less than one month is asked for.
    """

    def __init__(self, folder: Path, months: int = 12) -> None:
        check_months(months)
        events = read_ratings(folder / "ratings.dat").with_columns(
            pl.from_epoch("timestamp", time_unit="s").dt.truncate("1mo").alias("month")
        )
        self._events = events.sort("month", maintain_order=True)
        self._users, self._movies = read_users(folder / "users.dat"), read_movies(folder / "movies.dat")
        first = self._events["month"][0]
        ends = pl.datetime_range(first, _later(first, months), interval="1mo", eager=True)
        rows = self._events["month"].search_sorted(ends, side="left").to_list()
        instants = [at.replace(tzinfo=UTC) for at in ends]
        self.months = tuple(
            Month(i + 1, instants[i], instants[i + 1], rows[i + 1] - rows[i], rows[i + 1]) for i in range(months)
        )

    def deliver(self, month: Month, target: Path) -> None:
        """Write the three files as they stood at the end of a month, each whole or not at all.

        Of the users those are known who have rated; every film is.
        """
        known = self._events.head(month.rows)
        write_movies(self._movies, target / "movies.dat")
        write_users(self._users.join(known.select("user_id").unique(), on="user_id", how="semi"), target / "users.dat")
        write_ratings(known.select("user_id", "movie_id", "rating", "timestamp"), target / "ratings.dat")


def check_months(months: int) -> None:
    """Raise InvalidDeclaration for less than one month."""
    if months < 1:
        raise InvalidDeclaration(
            "the replay", what=f"{months} months.", state="was not begun", next_step="ask for 1 or more."
        )


def _later(month: datetime, months: int) -> datetime:
    return month.replace(year=month.year + (month.month - 1 + months) // 12, month=(month.month - 1 + months) % 12 + 1)
