"""Ranking metrics: how good lists of recommended films are, per event or per user."""

from __future__ import annotations

import numpy as np
import polars as pl
from numpy.typing import NDArray

from models.catalogue import UNKNOWN, Catalogue
from models.histories import Histories

Floats = NDArray[np.float64]
Columns = NDArray[np.int32]

TOP = 10
"""How many films are recommended."""


def ndcg(ranks: NDArray[np.int64], k: int = TOP) -> Floats:
    """``1 / log2(rank + 2)`` where the one target is among the first k, else 0; float64, per rank.

    Args:
        ranks: int64, from 0; -1 for a target that was not ranked.
        k: How many places count.
    """
    return np.where(_hit(ranks, k), 1 / np.log2(np.maximum(ranks, 0) + 2), 0.0)


def hit_rate(ranks: NDArray[np.int64], k: int = TOP) -> Floats:
    """1 where the target is among the first k, else 0; float64, per rank."""
    return _hit(ranks, k).astype(np.float64)


def ndcg_of_lists(recommended: Columns, targets: Histories) -> Floats:
    """NDCG per user with several targets: gain of the hits over the gain of the best possible list.

    Args:
        recommended: int32 (n, k), columns best first, filled up with `UNKNOWN`.
        targets: n lists of films, each film once; their weights are not looked at.

    Returns:
        float64 (n,); NaN for a user without target.
    """
    n, k = recommended.shape
    films = int(max(recommended.max(initial=0), targets.columns.max(initial=0))) + 1
    wanted = np.repeat(np.arange(n), targets.lengths) * films + targets.columns
    offered = np.arange(n)[:, None] * films + recommended
    hits = np.isin(offered, wanted) & (recommended != UNKNOWN)
    gains = 1 / np.log2(np.arange(k) + 2)
    ideal = np.concatenate([[0], np.cumsum(gains)])[np.minimum(targets.lengths, k)]
    # One sum per row, in the order of the places.
    return _ratio((hits * gains).sum(axis=1), ideal)


def padded(lists: pl.Series) -> NDArray[np.int64]:
    """Lists of ids as rows of a matrix, filled up with `UNKNOWN`; int64 (n, length of the longest, at least 1).

    Args:
        lists: List of Int64; NULL is an empty one.
    """
    lengths = lists.list.len().fill_null(0).to_numpy().astype(np.int64)
    filled = np.full((len(lists), max(int(lengths.max(initial=0)), 1)), UNKNOWN, dtype=np.int64)
    rows = np.repeat(np.arange(len(lists)), lengths)
    places = np.arange(len(rows)) - np.repeat(np.cumsum(lengths) - lengths, lengths)
    filled[rows, places] = lists.fill_null([]).explode(empty_as_null=False).to_numpy()
    return filled


def coverage(recommended: Columns, catalogue: Catalogue) -> float:
    """The share of the catalogue that is recommended to somebody."""
    return len(np.unique(recommended[recommended != UNKNOWN])) / len(catalogue)


def restricted_exposure(recommended: Columns, catalogue: Catalogue) -> Floats:
    """The share of each list that is restricted; float64 (n,), NaN for an empty list."""
    shown = recommended != UNKNOWN
    restricted = shown & catalogue.restricted[np.maximum(recommended, 0)]
    return _ratio(restricted.sum(axis=1), shown.sum(axis=1))


def _hit(ranks: NDArray[np.int64], k: int) -> NDArray[np.bool_]:
    return (ranks >= 0) & (ranks < k)


def _ratio(part: NDArray[np.number], whole: NDArray[np.number]) -> Floats:
    """Per element; NaN where there is no whole."""
    ratios: Floats = np.divide(part, whole, out=np.full(len(whole), np.nan), where=whole > 0)
    return ratios
