"""Histories: what a ranker is asked about, many at a time, and the rule by which they are made."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Self

import numpy as np
import polars as pl
from numpy.typing import NDArray
from scipy import sparse

from models.catalogue import UNKNOWN, Catalogue
from models.errors import RankerMisused
from models.parts import Json
from models.rated_events import Ints, RatedEvents, ragged

_IDS = pl.List(pl.Int64())

ONE = 2**20
"""What a weight of 1 is in fixed point: weights are integers of this unit, so that sums of them are exact."""


@dataclass(frozen=True, eq=False)
class Histories:
    """n lists of films with weights.

    Attributes:
        offsets: int64 (n + 1,), ascending from 0; list i is ``[offsets[i], offsets[i + 1])``.
        columns: int32 (k,), columns of the catalogue.
        weights: int64 (k,), in units of `ONE`.
        unknown: How many films were left out because the catalogue does not have them.
    """

    offsets: Ints
    columns: NDArray[np.int32]
    weights: Ints
    unknown: int = 0

    def __len__(self) -> int:
        return len(self.offsets) - 1

    @property
    def lengths(self) -> Ints:
        """Known films per history; int64 (n,)."""
        return np.diff(self.offsets)

    def __getitem__(self, rows: slice) -> Self:
        """The histories of consecutive rows; their `unknown` is not known apart and is 0."""
        first, last, step = rows.indices(len(self))
        if step != 1:
            raise IndexError(rows)
        offsets = self.offsets[first : max(first, last) + 1]
        within = slice(offsets[0], offsets[-1])
        return type(self)(offsets - offsets[0], self.columns[within], self.weights[within])

    def fixed(self, films: int) -> sparse.csr_array:
        """The weights as they are, int64 (n, films)."""
        return sparse.csr_array((self.weights, self.columns, self.offsets), shape=(len(self), films))

    def matrix(self, films: int) -> sparse.csr_array:
        """The weights as numbers, float32 (n, films); exact up to a weight of 16."""
        weights = (self.weights / ONE).astype(np.float32)
        return sparse.csr_array((weights, self.columns, self.offsets), shape=(len(self), films))


@dataclass(frozen=True)
class HistoryRule:
    """Which of a user's ratings make the history, and what each weighs.

    The rating k places before the newest weighs ``exp(-k / tau)``. A film that the catalogue does not have keeps its
    place, but is left out.

    Attributes:
        length: At most so many of the newest, at least 1; None for all.
        tau: In how many places the weight falls to 1/e, above 0; None for weights of 1.
        liked_only: Whether only positive ratings count; they alone take places then.
    """

    length: int | None = None
    tau: float | None = None
    liked_only: bool = False

    def __post_init__(self) -> None:
        if (self.length is not None and self.length < 1) or (self.tau is not None and not 0 < self.tau < np.inf):
            raise RankerMisused(
                "history rule",
                what=f"length is {self.length}, tau {self.tau}.",
                state="was not made",
                next_step="choose a length of at least 1 and a tau above 0, or None.",
            )

    def before(self, events: RatedEvents, users: Ints, times: Ints) -> Histories:
        """The history of each user strictly before an instant, newest first.

        Args:
            events: All ratings there are; later ones are not looked at.
            users: int64 (q,), ids; a user without events has an empty history.
            times: int64 (q,), microseconds since 1970 UTC.
        """
        rated = events.where(events.liked) if self.liked_only else events
        return self.between(rated.columns, *rated.strictly_before(users, times))

    def between(self, columns: NDArray[np.int32], starts: Ints, ends: Ints) -> Histories:
        """The histories made of ranges of a list of films, oldest first.

        Args:
            columns: int32, of all films; `UNKNOWN` for those that the catalogue does not have.
            starts: int64 (q,), positions of the oldest, inclusive.
            ends: int64 (q,), behind the newest, exclusive.
        """
        if self.length is not None:
            starts = np.maximum(starts, ends - self.length)
        offsets, positions = ragged(starts, ends)
        return self._known(offsets, columns[positions])

    def of_lists(self, lists: pl.Series, catalogue: Catalogue) -> Histories:
        """The histories that lists of films are, newest first, as the group `user_history` has them.

        Args:
            lists: List of Int64 (ids), one per history; null is an empty one.
            catalogue: The films that count.
        """
        # Arrow's arrays as they lie: for one list, each verb of Polars would cost more than all of this.
        stored = (lists if lists.dtype == _IDS else lists.cast(_IDS)).to_arrow()
        borders, films = stored.offsets.to_numpy(), stored.values.to_numpy()
        starts, ends = borders[:-1], borders[1:]
        if lists.null_count():
            ends = np.where(lists.is_null(), starts, ends)
        if self.length is not None:
            ends = np.minimum(ends, starts + self.length)
        offsets = np.concatenate([[0], np.cumsum(ends - starts)])
        places = np.arange(offsets[-1]) + np.repeat(starts - offsets[:-1], ends - starts)
        return self._known(offsets, catalogue.columns(films[places]))

    def _known(self, offsets: Ints, columns: NDArray[np.int32]) -> Histories:
        lengths = np.diff(offsets)
        places = np.arange(offsets[-1]) - np.repeat(offsets[:-1], lengths)
        known = columns != UNKNOWN
        kept = np.concatenate([[0], np.cumsum(known)])
        weights = self.weights(int(lengths.max(initial=0)))[places]
        unknown = int(len(known) - kept[-1])
        if not unknown:
            return Histories(offsets, columns, weights)
        return Histories(kept[offsets], columns[known], weights[known], unknown)

    def weights(self, places: int) -> Ints:
        """What each place weighs, newest first, in units of `ONE`; int64 (places,)."""
        if self.tau is None:
            return np.full(places, ONE, dtype=np.int64)
        weights: Ints = np.rint(np.exp(-np.arange(places) / self.tau) * ONE).astype(np.int64)
        return weights

    def state(self) -> dict[str, Json]:
        """As plain values."""
        return {"length": self.length, "tau": self.tau, "liked_only": self.liked_only}
