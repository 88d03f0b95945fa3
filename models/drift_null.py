"""What chance alone makes of the measures of drift: the same training data, drawn twice, at the window's own size.

A fixed limit fires on every small window and on no large one. So windows of n rows are drawn from the profile, and
training sets of as many rows as training had, for it was a sample too; a measure's threshold is a quantile of what it
is on these pairs. As several measures look at one feature, its p-value is that of the largest excess: how often
chance alone drives any of them as far beyond its own threshold.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from models.drift_measures import MISSING, STABILITY, of_counts
from models.drift_profile import FeatureProfile

DRAWS = 2_000
"""Enough for the smallest p-value, 1 / 2001, to pass the correction for sixty features."""

QUANTILE = 0.99
"""Of the null distribution, the threshold of each measure."""

_SEED = 41
_SMALLEST = 1e-12


@dataclass(frozen=True, eq=False)
class Null:
    """The null distribution of a feature's measures at one window size.

    Attributes:
        thresholds: Quantile of the size of each measure, by name.
        excesses: The largest ratio of a measure's size to its threshold of each draw, ascending.
        stability: The mean of the population stability index, which chance alone makes larger than 0.
    """

    thresholds: Mapping[str, float]
    excesses: NDArray[np.float64]
    stability: float

    def p_value(self, measures: Mapping[str, float]) -> float:
        """How often chance alone makes any measure exceed its threshold as far; at least 1 / (draws + 1)."""
        excess = max(abs(value) / self.thresholds[name] for name, value in measures.items())
        beyond = len(self.excesses) - np.searchsorted(self.excesses, excess, side="left")
        return float((1 + beyond) / (1 + len(self.excesses)))


def null(feature: FeatureProfile, rows: int, missing: int = 0) -> Null:
    """The null distribution for a window.

    Args:
        feature: Of training.
        rows: Values of the window that are there.
        missing: Of the window: how many are not.
    """
    return _null(replace(feature, name="", labels=()), rows, missing)


@lru_cache(maxsize=1024)
def _null(feature: FeatureProfile, rows: int, missing: int) -> Null:
    before, after = (_drawn(feature.counts, size, place) for place, size in enumerate((feature.rows, rows)))
    found = {name: np.abs(values) for name, values in of_counts(feature, before, after).items()}
    found[MISSING] = _missing(feature, rows + missing)
    thresholds = {name: max(float(np.quantile(values, QUANTILE)), _SMALLEST) for name, values in found.items()}
    excesses = np.max([values / thresholds[name] for name, values in found.items()], axis=0)
    return Null(thresholds, np.sort(excesses), float(found[STABILITY].mean()))


@lru_cache(maxsize=64)
def _drawn(counts: tuple[int, ...], size: int, place: int) -> NDArray[np.int64]:
    """Draws of the counts of so many rows; what training never had may come as often as half a row of it."""
    weights = np.array(counts) + np.where(np.array(counts) > 0, 0.0, 0.5)
    return np.random.default_rng([_SEED, place]).multinomial(size, weights / weights.sum(), size=DRAWS)


def _missing(feature: FeatureProfile, rows: int) -> NDArray[np.float64]:
    """Differences of the shares of missing values."""
    m = feature.rows + feature.missing
    # Training without a missing value does not say that there can be none.
    share = (feature.missing + 0.5) / (m + 1)
    draw = np.random.default_rng([_SEED, 2])
    ours, theirs = (draw.binomial(size, share, size=DRAWS) / max(1, size) for size in (m, rows))
    found: NDArray[np.float64] = np.abs(theirs - ours)
    return found
