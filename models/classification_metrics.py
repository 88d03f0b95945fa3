"""How good predicted probabilities are: whether they rank, and whether they mean what they say."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike
from sklearn.metrics import average_precision_score, brier_score_loss, roc_auc_score

BINS = 10


def classification_metrics(probabilities: ArrayLike, labels: ArrayLike) -> dict[str, float]:
    """``auc``, ``average_precision``, ``brier`` (scikit-learn's) and ``ece`` of predictions for two classes.

    Args:
        probabilities: Of the label being true, (n,).
        labels: Truth values, (n,), both among them.
    """
    said, true = np.asarray(probabilities, dtype=np.float64), np.asarray(labels, dtype=np.bool_)
    return {
        "auc": float(roc_auc_score(true, said)),
        "average_precision": float(average_precision_score(true, said)),
        "brier": float(brier_score_loss(true, said)),
        "ece": expected_calibration_error(said, true),
    }


def expected_calibration_error(probabilities: ArrayLike, labels: ArrayLike, bins: int = BINS) -> float:
    """Mean of ``|share of true labels - mean probability|`` over bins of equal mass, weighted by their rows.

    Naeini et al., "Obtaining Well Calibrated Probabilities Using Bayesian Binning", 2015; rows are sorted by
    probability, equal ones in their order, and dealt into bins whose sizes differ by at most one.

    Args:
        probabilities: Of the label being true, (n,), n at least 1.
        labels: Truth values, (n,).
        bins: How many.
    """
    said, true = np.asarray(probabilities, dtype=np.float64), np.asarray(labels, dtype=np.float64)
    order = np.argsort(said, kind="stable")
    parts = [part for part in np.array_split(order, bins) if len(part)]
    return float(sum(abs(true[p].mean() - said[p].mean()) * len(p) for p in parts) / len(said))
