"""Policy curve: what each threshold of the router costs adults, and what it spares minors."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import polars as pl
from numpy.typing import NDArray

from models.errors import RankerMisused


def policy_curve(
    open_lists: pl.DataFrame,
    policed_lists: pl.DataFrame,
    scores: NDArray[np.floating],
    minors: NDArray[np.bool_],
    thresholds: Sequence[float],
) -> pl.DataFrame:
    """Route every user whose score reaches the threshold to the policed list.

    Args:
        open_lists: What `HoldOut.judged` says of the branch with all films.
        policed_lists: The same of the branch without restricted films, same users.
        scores: (n,), the router's out-of-fold probability that the user is under 18.
        minors: bool (n,), who is.
        thresholds: In any order.

    Returns:
        One row per threshold: ``threshold``, ``adults_policed`` (share of adults routed to the policed list),
        ``exposure`` (share of the films shown to minors that are restricted), ``ndcg`` over all users, and
        ``ndcg_minors``, ``ndcg_adults``.

    Raises:
        RankerMisused: The lists, scores and users do not go together.
    """
    users = [lists["user_id"].to_numpy() for lists in (open_lists, policed_lists)]
    if not np.array_equal(users[0], users[1]) or not len(users[0]) == len(scores) == len(minors):
        raise RankerMisused(
            "policy curve",
            what=f"{len(users[0])} and {len(users[1])} users, {len(scores)} scores and {len(minors)} labels.",
            state="was not made",
            next_step="give one score and label per user of both lists, in their order.",
        )
    ndcg, restricted = (
        [lists[name].to_numpy() for lists in (open_lists, policed_lists)] for name in ("ndcg", "restricted")
    )
    rows = []
    for threshold in thresholds:
        policed = scores >= threshold
        got, shown = np.where(policed, ndcg[1], ndcg[0]), np.where(policed, restricted[1], restricted[0])
        rows.append(
            {
                "threshold": float(threshold),
                "adults_policed": float(policed[~minors].mean()),
                "exposure": float(np.nanmean(shown[minors])),
                "ndcg": float(np.nanmean(got)),
                "ndcg_minors": float(np.nanmean(got[minors])),
                "ndcg_adults": float(np.nanmean(got[~minors])),
            }
        )
    return pl.DataFrame(rows)
