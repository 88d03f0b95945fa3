"""Ranker: scores every film for a history; and what is read from scores, the same for every ranker."""

from __future__ import annotations

from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from models.catalogue import UNKNOWN, Catalogue
from models.histories import Histories, HistoryRule
from models.parts import Member

Scores = NDArray[np.float32]
Mask = NDArray[np.bool_]

_BLOCK = 256
"""Histories that are scored at a time: their scores stay in the cache."""


class Ranker(Member, Protocol):
    """A fitted ranker.

    Each history is scored by itself: alone or among others, it gets the same bits.
    """

    @property
    def catalogue(self) -> Catalogue:
        """The films that it ranks."""
        ...

    @property
    def rule(self) -> HistoryRule:
        """How the histories that it is asked about are made."""
        ...

    def scores(self, histories: Histories) -> Scores:
        """A score per history and film, float32 (n, m); larger is better.

        A history without a known film (a new user's) gets popularity's.
        """
        ...

    def top(
        self, histories: Histories, k: int, allowed: Mask | None = None, seen: Histories | None = None
    ) -> NDArray[np.int32]:
        """The k best films per history, as `best` says; int32 (n, k), columns of the catalogue."""
        ...


def top(
    ranker: Ranker, histories: Histories, k: int, allowed: Mask | None, seen: Histories | None
) -> NDArray[np.int32]:
    """`Ranker.top` in blocks, for any ranker."""
    found = np.full((len(histories), k), UNKNOWN, dtype=np.int32)
    for first in range(0, len(histories), _BLOCK):
        rows = slice(first, first + _BLOCK)
        scores = ranker.scores(histories[rows])
        mask = allowed[rows] if allowed is not None and allowed.ndim == 2 else allowed
        found[rows] = best(excluded(scores, mask, None if seen is None else seen[rows]), k)
    return found


def excluded(scores: Scores, allowed: Mask | None = None, seen: Histories | None = None) -> Scores:
    """The scores with minus infinity for films that must not be recommended; changes and returns the array.

    Args:
        scores: float32 (n, m).
        allowed: bool (m,) for all, or (n, m); None allows all.
        seen: Per history, the films that the user has seen; None for none.
    """
    if allowed is not None:
        scores[np.broadcast_to(~allowed, scores.shape)] = -np.inf
    if seen is not None:
        scores[np.repeat(np.arange(len(seen)), seen.lengths), seen.columns] = -np.inf
    return scores


def best(scores: Scores, k: int) -> NDArray[np.int32]:
    """The columns of the k largest scores, best first; of equal scores the lower column is better.

    Args:
        scores: float32 (n, m), without NaN; minus infinity is never chosen.
        k: How many, at least 1.

    Returns:
        int32 (n, k), filled up with `UNKNOWN` where fewer can be chosen.
    """
    films = scores.shape[1]
    k_here = min(k, films)
    # One integer says score and column, in the order of both; adding 0 makes -0.0 and 0.0 equal.
    bits = (scores + np.float32(0)).view(np.int32)
    ordered = np.where(bits < 0, bits ^ np.int32(0x7FFFFFFF), bits).astype(np.int64)
    keys = (ordered << 32) | np.arange(films - 1, -1, -1, dtype=np.int64)
    largest = np.sort(np.partition(keys, films - k_here, axis=1)[:, films - k_here :], axis=1)[:, ::-1]
    columns = (films - 1 - (largest & 0xFFFFFFFF)).astype(np.int32)
    columns[np.take_along_axis(scores, columns.astype(np.int64), axis=1) == -np.inf] = UNKNOWN
    filled = np.full((len(scores), k), UNKNOWN, dtype=np.int32)
    filled[:, :k_here] = columns
    return filled


def ranks(scores: Scores, rows: NDArray[np.int64], columns: NDArray[np.int32]) -> NDArray[np.int64]:
    """How many films are better than each target; of equal scores the lower column is better.

    Args:
        scores: float32 (n, m), without NaN.
        rows: int64 (q,), the history of each target.
        columns: int32 (q,), the target, or `UNKNOWN`.

    Returns:
        int64 (q,), from 0; -1 for a target that cannot be recommended (minus infinity, or unknown).
    """
    own = scores[rows]
    target = np.take_along_axis(own, np.maximum(columns, 0).astype(np.int64)[:, None], axis=1)
    lower = np.arange(scores.shape[1]) < columns[:, None]
    better = np.count_nonzero((own > target) | ((own == target) & lower), axis=1)
    return np.where((columns == UNKNOWN) | (target[:, 0] == -np.inf), -1, better)
