"""Ratings as arrays over a catalogue, and which of them lie strictly before an instant."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property
from typing import Self

import numpy as np
import polars as pl
from numpy.typing import NDArray

from feature_groups.store.digest import digest
from feature_groups.views.ranking import POSITIVE
from models.catalogue import UNKNOWN, Catalogue

Ints = NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class RatedEvents:
    """n ratings, ordered by user, instant and the order in which they were given.

    Attributes:
        catalogue: What the columns refer to.
        users: int64 (n,), ids.
        times: int64 (n,), microseconds since 1970 UTC.
        columns: int32 (n,), column of the film, `UNKNOWN` where it is not in the catalogue.
        liked: bool (n,), whether the stars reach `POSITIVE`.
    """

    catalogue: Catalogue
    users: Ints
    times: Ints
    columns: NDArray[np.int32]
    liked: NDArray[np.bool_]

    @classmethod
    def of(cls, ratings: pl.DataFrame, catalogue: Catalogue) -> Self:
        """The ratings of a frame.

        Args:
            ratings: With ``user_id``, ``movie_id``, ``rated_at`` (Datetime, UTC), ``rating`` (stars) and
                ``source_row_id``, which orders the ratings of one instant; in any row order.
            catalogue: The films that count.
        """
        rows = ratings.sort("user_id", "rated_at", "source_row_id")
        return cls(
            catalogue,
            rows["user_id"].cast(pl.Int64()).to_numpy(),
            rows["rated_at"].dt.epoch("us").to_numpy(),
            catalogue.columns(rows["movie_id"].to_numpy()),
            (rows["rating"] >= POSITIVE).to_numpy(),
        )

    @classmethod
    def in_order(cls, rated: pl.DataFrame, catalogue: Catalogue) -> Self:
        """The ratings of histories, of which the order is known but not the instants: `times` are places, from 0.

        Args:
            rated: With ``user_id``, ``movie_id`` and ``rating``, each user's oldest first.
            catalogue: The films that count.
        """
        rows = rated.sort("user_id", maintain_order=True)
        places = pl.int_range(pl.len(), dtype=pl.Int64).over("user_id")
        return cls(
            catalogue,
            rows["user_id"].cast(pl.Int64()).to_numpy(),
            rows.select(places).to_series().to_numpy(),
            catalogue.columns(rows["movie_id"].to_numpy()),
            (rows["rating"] >= POSITIVE).to_numpy(),
        )

    def __len__(self) -> int:
        return len(self.users)

    def where(self, chosen: NDArray[np.bool_]) -> Self:
        """The events that are chosen; bool (n,)."""
        columns, liked = self.columns[chosen], self.liked[chosen]
        return type(self)(self.catalogue, self.users[chosen], self.times[chosen], columns, liked)

    def of_users(self, users: Ints) -> Self:
        """The events of these users; int64, ids in any order."""
        return self.where(np.isin(self.users, users))

    @cached_property
    def content(self) -> str:
        """sha256 of all of it, the catalogue included."""
        arrays = (self.catalogue.items, self.catalogue.restricted, self.users, self.times, self.columns, self.liked)
        return digest([hashlib.sha256(array.tobytes()).hexdigest() for array in arrays])

    @cached_property
    def positives(self) -> Self:
        """The liked events of known films."""
        return self.where(self.liked & (self.columns != UNKNOWN))

    @cached_property
    def distinct_users(self) -> Ints:
        """The users' ids in ascending order."""
        return self.users[np.flatnonzero(np.diff(self.users, prepend=self.users[:1] - 1))]

    def strictly_before(self, users: Ints, times: Ints) -> tuple[Ints, Ints]:
        """Where the events of each user strictly before an instant lie.

        Args:
            users: int64 (q,), ids, in any order; a user without events has none.
            times: int64 (q,), microseconds since 1970 UTC.

        Returns:
            Positions of the first such event (inclusive) and behind the last one (exclusive), int64 (q,).
        """
        instants, keys = self._keys
        known = self.distinct_users
        if not len(known):
            return np.zeros(len(users), dtype=np.int64), np.zeros(len(users), dtype=np.int64)
        codes = np.minimum(np.searchsorted(known, users), len(known) - 1)
        first = codes * (len(instants) + 1)
        starts = np.searchsorted(keys, first)
        # An event is strictly earlier than t exactly if its instant's rank is below the rank t would get.
        ends = np.searchsorted(keys, first + np.searchsorted(instants, times))
        return starts, np.where(known[codes] == users, ends, starts)

    @cached_property
    def _keys(self) -> tuple[Ints, Ints]:
        """The distinct instants, and one ascending number per event that says user and instant."""
        instants, ranks = np.unique(self.times, return_inverse=True)
        codes = np.searchsorted(self.distinct_users, self.users)
        return instants, codes * (len(instants) + 1) + ranks


def microseconds(instant: datetime) -> int:
    """Since 1970 UTC; the instant must be aware of its time zone."""
    return round(instant.timestamp() * 1_000_000)


def ragged(starts: Ints, ends: Ints) -> tuple[Ints, Ints]:
    """The numbers of several ranges, each range backwards, behind each other.

    Returns:
        Offsets of the ranges, int64 (q + 1,), and the numbers ``end - 1, ..., start`` of each.
    """
    lengths = ends - starts
    offsets = np.concatenate([[0], np.cumsum(lengths)])
    places = np.arange(offsets[-1]) - np.repeat(offsets[:-1], lengths)
    return offsets, np.repeat(ends, lengths) - 1 - places
