"""Choose a classifier's settings by log loss out of fold, within the training split."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import product
from typing import Any

import numpy as np
import polars as pl

from models.errors import InvalidProbabilityModel
from models.out_of_fold_fit import cross_calibrated
from models.probability_model import ProbabilityModel
from models.probability_model_fit import classes_of, codes_of, fit_uncalibrated
from models.transform_fit import fit as fit_transform

_LEAST = 1e-15


@dataclass(frozen=True)
class TunedModel:
    """What was chosen, and why.

    Attributes:
        model: The declaration with the chosen settings.
        tried: One row per combination, in the order tried: its settings, ``log_loss`` and ``chosen``.
    """

    model: ProbabilityModel
    tried: pl.DataFrame


def tuned_model(
    model: ProbabilityModel, grid: Mapping[str, Sequence[Any]], rows: pl.DataFrame, folds: pl.Series
) -> TunedModel:
    """The settings with the least log loss of calibrated probabilities out of fold; of equal ones the first.

    Args:
        model: The declaration.
        grid: Values of each of the classifier's settings; all combinations are tried. The transform is fitted once
            per fold.
        rows: The training split: nothing that is judged later.
        folds: The fold of each row, see `stratified_folds`.

    Raises:
        InvalidProbabilityModel: The grid is empty.
        NothingToTellApart: A class has no row outside of some fold.
    """
    settings = [dict(zip(grid, values, strict=True)) for values in product(*grid.values())]
    if not grid or not settings:
        raise InvalidProbabilityModel(
            model.where,
            what=f"The grid is {dict(grid)}.",
            state="was not tuned",
            next_step="give every setting at least one value.",
        )
    classes = classes_of(model, rows)
    codes = codes_of(model, rows, classes)
    raw = [np.empty((rows.height, len(classes))) for _ in settings]
    for fold in folds.unique().sort():
        inside = (folds == fold).to_numpy()
        others = rows.filter(~inside)
        transform = fit_transform(model.transform, others)
        for made, setting in zip(raw, settings, strict=True):
            fitted = fit_uncalibrated(model.using(**setting), others, classes, transform)
            made[inside] = fitted.raw(rows.filter(inside))
    own = np.arange(rows.height), codes
    said = [cross_calibrated(model, made, codes, folds)[own] for made in raw]
    losses = [float(-np.log(np.maximum(right, _LEAST)).mean()) for right in said]
    best = int(np.argmin(losses))
    tried = pl.DataFrame([{**s, "log_loss": loss} for s, loss in zip(settings, losses, strict=True)])
    chosen = pl.Series("chosen", [n == best for n in range(len(settings))])
    return TunedModel(model.using(**settings[best]), tried.with_columns(chosen))
