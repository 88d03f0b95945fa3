"""A domain classifier: can anything tell a window's rows from training's? It sees what no single feature shows.

A logistic regression on the features' places among the bins of training (so that no outlier leads it), judged out of
fold. Rows of one user are in one fold: a user who was in training and is in the window cannot be recognised.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, Self

import numpy as np
import polars as pl
from numpy.typing import NDArray
from scipy.stats import norm
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import roc_auc_score

from models.drift_findings import SEVERITIES, Severity
from models.drift_profile import FeatureProfile

FOLDS = 3
MOST = 4_000
"""Rows of either side that are looked at."""

SIGNIFICANT = 0.01
_FROM = (0.6, 0.7, 0.85)
"""Areas under the curve from which on a difference is slight, moderate, severe."""


@dataclass(frozen=True)
class Told:
    """How well rows of a window are told from rows of training.

    Attributes:
        auc: Area under the ROC curve, out of fold; 0.5 is not at all.
        p: How often chance alone does as well (normal approximation of Mann and Whitney's statistic).
        rows: Of training and of the window that were looked at.
        by: The features that tell most, at most five, with their coefficients.
    """

    auc: float
    p: float
    rows: tuple[int, int]
    by: tuple[tuple[str, float], ...]

    @property
    def severity(self) -> Severity:
        """How different they are."""
        return SEVERITIES[int(np.searchsorted(_FROM, self.auc, side="right"))] if self.p <= SIGNIFICANT else "none"

    def to_json(self) -> dict[str, Any]:
        """As plain JSON."""
        return asdict(self)

    @classmethod
    def from_json(cls, stored: Mapping[str, Any]) -> Self:
        """Back from JSON."""
        by = tuple((str(name), float(weight)) for name, weight in stored["by"])
        return cls(stored["auc"], stored["p"], (stored["rows"][0], stored["rows"][1]), by)


def told_apart(
    profile: Mapping[str, FeatureProfile], training: pl.DataFrame, window: pl.DataFrame, entity: str, seed: int = 0
) -> Told | None:
    """Train and judge the classifier.

    Args:
        profile: Of training; its numbers are what is looked at.
        training: Rows of the training dataset.
        window: Rows of the window.
        entity: Column of ids, in both.
        seed: Of the rows that are drawn where there are more than `MOST`.

    Returns:
        None where a side has too few users for its folds, or there is no number to look at.
    """
    sides = [side.sample(min(MOST, side.height), seed=seed) for side in (training, window)]
    names = [f.name for f in profile.values() if f.kind == "number" and f.std > 0]
    if min(side[entity].n_unique() for side in sides) < 10 * FOLDS or not names:
        return None
    x = np.concatenate([_placed(profile, names, side) for side in sides])
    y = np.repeat([0, 1], [side.height for side in sides])
    _, codes = np.unique(np.concatenate([side[entity].to_numpy() for side in sides]), return_inverse=True)
    fold = np.random.default_rng(seed).permutation(codes.max() + 1)[codes] % FOLDS
    scores = np.empty(len(y))
    weights = np.zeros(len(names))
    for number in range(FOLDS):
        out = fold == number
        model = LogisticRegression(C=0.1, max_iter=200, class_weight="balanced").fit(x[~out], y[~out])
        scores[out] = model.decision_function(x[out])
        weights += model.coef_[0][: len(names)] / FOLDS
    auc, (m, n) = float(roc_auc_score(y, scores)), (len(y) - y.sum(), y.sum())
    p = float(norm.sf((auc - 0.5) / np.sqrt((m + n + 1) / (12 * m * n))))
    strongest = np.argsort(-np.abs(weights))[:5]
    return Told(auc, p, (int(m), int(n)), tuple((names[i], round(float(weights[i]), 4)) for i in strongest))


def _placed(profile: Mapping[str, FeatureProfile], names: list[str], rows: pl.DataFrame) -> NDArray[np.float64]:
    """Each number as its bin's place from -1 to 1, missing ones as 0; then whether it is missing."""
    placed = [profile[name].places(rows[name]) for name in names]
    columns = [np.nan_to_num(2 * column - 1) for column in placed]
    return np.column_stack([*columns, *(np.isnan(column).astype(np.float64) for column in placed)])
