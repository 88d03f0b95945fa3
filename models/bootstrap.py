"""Bootstrap by user: how sure a mean over events is when a user's events are alike."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from models.errors import NothingToLearn, RankerMisused

DRAWS = 2_000
_BLOCK = 200
"""Draws that are in memory at a time."""


@dataclass(frozen=True)
class Interval:
    """A mean and what it may be.

    Attributes:
        mean: Over all events.
        low: Lower end of the 95 % interval (percentile of the draws).
        high: Upper end.
        error: Standard deviation of the draws.
        users: How many users were drawn from.
        events: How many events.
    """

    mean: float
    low: float
    high: float
    error: float
    users: int
    events: int

    def __str__(self) -> str:
        return f"{self.mean:.4f} ({self.low:.4f} to {self.high:.4f})"


def interval(values: ArrayLike, users: ArrayLike, *, draws: int = DRAWS, seed: int = 0) -> Interval:
    """The mean of values, with an interval from drawing whole users with replacement.

    Args:
        values: Numbers (n,), one per event.
        users: Ids (n,), whose event it is.
        draws: How often.
        seed: Of the draws.

    Raises:
        NothingToLearn: There is no event.
        RankerMisused: A value is not finite.
    """
    numbers, owners = np.asarray(values, dtype=np.float64), np.asarray(users)
    if not len(numbers):
        raise NothingToLearn(
            "bootstrap",
            what="there is no event to draw.",
            state="was not made",
            next_step="check the evaluated window.",
        )
    if not np.isfinite(numbers).all():
        raise RankerMisused(
            "bootstrap",
            what=f"{np.count_nonzero(~np.isfinite(numbers))} of {len(numbers)} values are not finite.",
            state="was not made",
            next_step="leave out what could not be judged, such as users without a target.",
        )
    _, codes = np.unique(owners, return_inverse=True)
    counts = np.bincount(codes)
    sums = np.bincount(codes, weights=numbers).astype(np.float64)
    means = _drawn_means(sums, counts, draws, np.random.default_rng(seed))
    low, high = np.quantile(means, [0.025, 0.975])
    return Interval(float(numbers.mean()), float(low), float(high), float(means.std(ddof=1)), len(counts), len(numbers))


def paired_difference(
    ours: ArrayLike, theirs: ArrayLike, users: ArrayLike, *, draws: int = DRAWS, seed: int = 0
) -> Interval:
    """The mean of ``ours - theirs`` on the same events, each draw taking both of the same users.

    Args:
        ours: Numbers (n,), one per event.
        theirs: Of the same events in the same order.
        users: Ids (n,), whose event it is.
        draws: How often.
        seed: Of the draws.

    Raises:
        NothingToLearn: There is no event.
        RankerMisused: A value is not finite, or there are not equally many.
    """
    one, other = np.asarray(ours, dtype=np.float64), np.asarray(theirs, dtype=np.float64)
    if one.shape != other.shape:
        raise RankerMisused(
            "bootstrap",
            what=f"{len(one)} events here, {len(other)} there.",
            state="was not made",
            next_step="judge both on the same events, in the same order.",
        )
    return interval(one - other, users, draws=draws, seed=seed)


def _drawn_means(
    sums: NDArray[np.float64], counts: NDArray[np.int64], draws: int, rng: np.random.Generator
) -> NDArray[np.float64]:
    """The mean over events of each draw of as many users as there are."""
    users = len(counts)
    even = np.full(users, 1 / users)
    means = []
    for first in range(0, draws, _BLOCK):
        times = rng.multinomial(users, even, size=min(_BLOCK, draws - first))
        means.append((times @ sums) / (times @ counts))
    return np.concatenate(means)
