"""How good predicted probabilities are: whether they rank, and whether they mean what they say."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike
from sklearn.metrics import average_precision_score, brier_score_loss, roc_auc_score

from models.calibration_curve import CalibrationCurve


def classification_metrics(probabilities: ArrayLike, labels: ArrayLike) -> dict[str, float]:
    """``auc``, ``average_precision``, ``brier``, and ``ece`` in ten bins of equal mass, for two classes.

    Args:
        probabilities: Of the label being true, (n,).
        labels: Truth values, (n,), both among them.
    """
    said, true = np.asarray(probabilities, dtype=np.float64), np.asarray(labels, dtype=np.bool_)
    return {
        "auc": float(roc_auc_score(true, said)),
        "average_precision": float(average_precision_score(true, said)),
        "brier": float(brier_score_loss(true, said)),
        "ece": CalibrationCurve.of(said, true).ece,
    }
