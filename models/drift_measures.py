"""Measures of how far a window lies from training, of counts alone; for one window, or for many at once.

Population stability index (Siddiqi, Credit Risk Scorecards, 2006): sum (q - p) ln(q / p) over the deciles of training,
or over categories. Jensen-Shannon divergence in bits over the same. Of numbers also Kolmogorov-Smirnov's distance,
Wasserstein's distance in standard deviations of training, and the difference of the means over the root of the mean
variance (Austin, Statist. Med. 28, 2009). Of categories also the chi-square statistic of two samples, per degree of
freedom. All are 0 for equal shares.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from models.drift_profile import FeatureProfile, Seen

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

CLIP = 1e-4
"""A share that is less counts as this much, so that an empty bin weighs much, but not infinitely."""

STABILITY, DIVERGENCE, KOLMOGOROV, WASSERSTEIN = "PSI", "Jensen-Shannon", "Kolmogorov-Smirnov", "Wasserstein"
MEAN, CHI_SQUARE, MISSING = "mean", "chi-square", "missing"


def measured(feature: FeatureProfile, seen: Seen) -> dict[str, float]:
    """Every measure of a window, by name; `MISSING` is the difference of the shares of missing values."""
    found = of_counts(feature, np.array(feature.counts)[None], seen.counts[None])
    if feature.kind == "number":
        spread = np.sqrt((feature.std**2 + seen.std**2) / 2)
        found[MEAN] = np.array([(seen.mean - feature.mean) / (spread or 1.0) if seen.counts.any() else 0.0])
    share = feature.missing / max(1, feature.rows + feature.missing)
    return {name: float(value[0]) for name, value in found.items()} | {
        MISSING: seen.missing / max(1, seen.rows) - share
    }


def of_counts(feature: FeatureProfile, before: Ints, after: Ints) -> dict[str, Floats]:
    """The measures of many pairs of counts, each (draws, K) in the bins of the feature; arrays (draws,) by name.

    The means are those of the bins' centres.
    """
    coarse = feature.coarse
    p, q = (_shares(_merged(counts, coarse)) for counts in (before, after))
    found = {STABILITY: stability(p, q), DIVERGENCE: divergence(p, q)}
    if feature.kind == "category":
        return found | {CHI_SQUARE: chi_square(before, after)}
    fine, centres = [_shares(counts) for counts in (before, after)], np.array(feature.centres) - feature.mean
    gaps = (fine[1] - fine[0]).cumsum(axis=1)[:, :-1]
    means = [shares @ centres for shares in fine]
    variances = [shares @ centres**2 - mean**2 for shares, mean in zip(fine, means, strict=True)]
    spread = np.sqrt(np.maximum(sum(variances), 0.0) / 2)
    return found | {
        KOLMOGOROV: np.abs(gaps).max(axis=1, initial=0.0),
        WASSERSTEIN: np.abs(gaps) @ np.diff(centres) / (feature.std or 1.0),
        MEAN: (means[1] - means[0]) / np.where(spread > 0, spread, 1.0),
    }


def stability(p: Floats, q: Floats) -> Floats:
    """Population stability index of shares (draws, K)."""
    p, q = np.maximum(p, CLIP), np.maximum(q, CLIP)
    found: Floats = ((q - p) * np.log(q / p)).sum(axis=1)
    return found


def divergence(p: Floats, q: Floats) -> Floats:
    """Jensen-Shannon divergence of shares (draws, K), in bits: 0 to 1."""
    middle = (p + q) / 2
    found: Floats = (_entropy(middle) - (_entropy(p) + _entropy(q)) / 2).clip(0.0)
    return found


def chi_square(before: Ints, after: Ints) -> Floats:
    """The statistic of two samples of counts (draws, K), per degree of freedom."""
    m, n = (np.maximum(1, counts.sum(axis=1, keepdims=True)) for counts in (before, after))
    both = before + after
    terms = (np.sqrt(n / m) * before - np.sqrt(m / n) * after) ** 2 / np.maximum(both, 1)
    freedom = np.maximum(1, (both > 0).sum(axis=1) - 1)
    found: Floats = terms.sum(axis=1) / freedom
    return found


def _entropy(shares: Floats) -> Floats:
    logs = np.log2(shares, where=shares > 0, out=np.zeros_like(shares))
    found: Floats = -(shares * logs).sum(axis=1)
    return found


def _shares(counts: NDArray[Any]) -> Floats:
    found: Floats = counts / np.maximum(1, counts.sum(axis=1, keepdims=True))
    return found


def _merged(counts: Ints, coarse: Ints) -> Ints:
    """Counts of neighbouring bins put together."""
    first = np.flatnonzero(np.diff(coarse, prepend=-1))
    merged: Ints = np.add.reduceat(counts, first, axis=1)
    return merged
