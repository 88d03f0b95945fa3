"""Fit calibration, on scores of rows that the scoring model has not seen."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from sklearn.isotonic import IsotonicRegression
from sklearn.linear_model import LogisticRegression

from models.calibration import Calibrator, Isotonic, Platt

Floats = NDArray[np.float64]
Codes = NDArray[np.int64]


def fit_calibrator(how: str, scores: Floats, codes: Codes) -> Calibrator:
    """The calibrator that a `ProbabilityModel` declares.

    Args:
        how: ``platt``, ``isotonic`` or ``none``.
        scores: Out-of-fold log-odds, (n, K).
        codes: Codes of the classes, 0 to K - 1, each at least once; (n,).
    """
    classes = scores.shape[1]
    if how == "none":
        return Platt.none(classes)
    if how == "isotonic":
        fitted = IsotonicRegression(out_of_bounds="clip").fit(scores[:, 1], codes)
        return Isotonic(fitted.X_thresholds_.astype(np.float64), fitted.y_thresholds_.astype(np.float64))
    curves = [_curve(scores[:, c], codes == c) for c in ([1] if classes == 2 else range(classes))]
    slopes, intercepts = (np.array(values) for values in zip(*curves, strict=True))
    return Platt(slopes, intercepts)


def _curve(scores: Floats, hits: NDArray[np.bool_]) -> tuple[float, float]:
    """Slope and intercept by maximum likelihood on Platt's targets, which keep separable classes finite."""
    n_hit, n_miss = int(hits.sum()), int((~hits).sum())
    target = np.where(hits, (n_hit + 1) / (n_hit + 2), 1 / (n_miss + 2))
    both = np.concatenate([scores, scores])[:, None]
    labels = np.repeat([1, 0], len(scores))
    model = LogisticRegression(C=np.inf, tol=1e-8, max_iter=1000)
    model.fit(both, labels, sample_weight=np.concatenate([target, 1 - target]))
    return float(model.coef_[0, 0]), float(model.intercept_[0])
