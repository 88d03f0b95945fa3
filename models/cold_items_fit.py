"""Fit cold items, and judge them on items that were kept from everything that is fitted."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
import polars as pl
from numpy.typing import NDArray
from scipy import sparse
from sklearn.decomposition import TruncatedSVD
from sklearn.linear_model import Ridge
from sklearn.model_selection import KFold
from threadpoolctl import threadpool_limits

from models.block_weights import Fold
from models.cold_items import ColdItems, users_of
from models.matrix import Matrix
from models.transform import Transform
from models.transform_fit import fit

COMPONENTS = 64
ALPHA = 3.0
"""Strength of the ridge for blocks whose rows have a mean squared length of 1."""

LEAST_LIKED = 3
"""Users who like fewer of the kept items are not judged by: their AUC is mostly noise."""


def fit_cold_items(
    liked: sparse.csr_array, content: Matrix, components: int = COMPONENTS, alpha: float = ALPHA, seed: int = 0
) -> ColdItems:
    """Factorise who liked what, then explain the items' factors by content.

    Items weigh ``sqrt(likes) + 0.1``: the factors of an item that few like are noise.

    Args:
        liked: Ones, of shape (users, items).
        content: Of the same items, in the same order.
        components: Factors, at most as many as there are items.
        alpha: Strength of the ridge.
        seed: Of the randomised decomposition.
    """
    return _explained(_factors(liked, components, seed), likes(liked), content, alpha)


def mean_user_auc(scores: NDArray[np.floating], liked: sparse.csr_array, least: int = LEAST_LIKED) -> float:
    """How often an item that a user likes is scored above one of the others, mean over users.

    Args:
        scores: Of shape (users, items).
        liked: Ones, of the same shape.
        least: Users who like fewer items, or all of them, are left out.

    Returns:
        Between 0 and 1; 0.5 is chance; NaN without users, and where a user judged by has a score that is NaN.
    """
    held = liked.toarray() > 0
    n = held.sum(axis=1)
    judged = (n >= least) & (n < held.shape[1])
    held, n, scores = held[judged], n[judged], scores[judged]
    ranks = np.array([_rank_sum(row, row[of]) for row, of in zip(scores, held, strict=True)])
    # Mann and Whitney's U of the liked items' ranks.
    return float(np.mean((ranks - n * (n + 1) / 2) / (n * (held.shape[1] - n)))) if len(n) else float("nan")


def cold_folds(
    transform: Transform,
    items: pl.DataFrame,
    liked: sparse.csr_array,
    *,
    seeds: Sequence[int] = (0, 1, 2),
    parts: int = 5,
    alpha: float = ALPHA,
    judges: int | None = None,
) -> Iterator[Fold]:
    """Keep a part of the items from everything that is fitted, factors and content alike; judge by mean user AUC.

    Args:
        transform: Of the items' content.
        items: One row per item.
        liked: Ones, of shape (users, items), in the same order.
        seeds: Each parts the items anew.
        parts: Of one seed; each is kept once.
        alpha: Strength of the ridge.
        judges: Judge by so many of the users, evenly over the rows; by all by default. All are learnt from.
    """
    asked = liked[:: -(-liked.shape[0] // judges)] if judges else liked
    for seed in seeds:
        for warm, cold in KFold(parts, shuffle=True, random_state=seed).split(np.arange(items.height)):
            yield _fold(transform, items, liked, asked, warm, cold, alpha)


def likes(liked: sparse.csr_array) -> NDArray[np.float64]:
    """How many users like each item."""
    return np.asarray(liked.sum(axis=0), dtype=np.float64).ravel()


def _rank_sum(scores: NDArray[np.floating], asked: NDArray[np.floating]) -> float:
    """Sum of the ranks, from 1 and the mean of equal ones, that some of the scores have among all."""
    # Ranks of few among many: sorting values and looking the few up is thrice as fast as ranking all.
    ordered = np.sort(scores)
    if np.isnan(ordered[-1]):
        return float("nan")
    below, up_to = ordered.searchsorted(asked, "left"), ordered.searchsorted(asked, "right")
    return float((below + up_to + 1).sum() / 2)


def _fold(
    transform: Transform,
    items: pl.DataFrame,
    liked: sparse.csr_array,
    asked: sparse.csr_array,
    warm: NDArray[np.int64],
    cold: NDArray[np.int64],
    alpha: float,
) -> Fold:
    fitted = fit(transform, items[warm])
    learnt, seen, kept = liked[:, warm], asked[:, warm], asked[:, cold]
    factors, weights = _factors(learnt, COMPONENTS, seed=0), likes(learnt)
    users = users_of(seen, factors)

    def judge(train: Matrix, validation: Matrix) -> float:
        model = _explained(factors, weights, train, alpha)
        return mean_user_auc(model.scores_of(users, validation), kept)

    return Fold(fitted.blocks_of(items[warm]), fitted.blocks_of(items[cold]), judge)


def _factors(liked: sparse.csr_array, components: int, seed: int) -> NDArray[np.float64]:
    with threadpool_limits(limits=1):
        decomposition = TruncatedSVD(min(components, *liked.shape), random_state=seed).fit(liked)
    return np.ascontiguousarray(decomposition.components_.T)


def _explained(factors: NDArray[np.float64], likes: NDArray[np.float64], content: Matrix, alpha: float) -> ColdItems:
    with threadpool_limits(limits=1):
        ridge = Ridge(alpha=alpha).fit(content.values.astype(np.float64), factors, sample_weight=np.sqrt(likes) + 0.1)
    return ColdItems(factors, np.ascontiguousarray(ridge.coef_.T), np.asarray(ridge.intercept_))
