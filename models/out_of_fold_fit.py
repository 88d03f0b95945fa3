"""Predict out of fold: every row by a model that was fitted without its fold, everything fitted inside the fold."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import numpy as np
import polars as pl
from numpy.typing import NDArray

from feature_groups.store.folds import KFold
from models.calibration_fit import fit_calibrator
from models.errors import FoldsMismatch
from models.out_of_fold import FOLDS, OutOfFold
from models.probability_model import FittedProbabilityModel, ProbabilityModel
from models.probability_model_fit import classes_of, codes_of, fit_uncalibrated


def stratified_folds(model: ProbabilityModel, rows: pl.DataFrame, k: int = FOLDS, seed: int = 0) -> pl.Series:
    """The fold of each row, ``fold_0`` to ``fold_<k - 1>``: whole entities by a seeded hash, as `KFold` deals them.

    Raises:
        NothingToTellApart: The label has fewer than two classes.
        SplitRefused: There are fewer entities of a class than folds.
    """
    classes_of(model, rows)
    return KFold(k, stratify=model.label).assign(rows, entity=[model.entity], time="", seed=seed)


def fit_out_of_fold(
    model: ProbabilityModel,
    rows: pl.DataFrame,
    folds: pl.Series,
    trained_on: Mapping[str, str] | None = None,
) -> tuple[FittedProbabilityModel, OutOfFold]:
    """The model, fitted on all rows and calibrated on scores out of fold; and those scores.

    Args:
        model: The declaration.
        rows: The training split: entity, label, and the transform's inputs.
        folds: The fold of each row; an entity is in one fold only.
        trained_on: Content hashes of members whose out-of-fold predictions chose the rows, by role.

    Raises:
        NothingToTellApart: A class has no row, or none outside of some fold.
        FoldsMismatch: There is not one fold for each row, fewer than two, or an entity in several.
        InputsMismatch, NothingToFit, ValuesMissing, StepFailed: As of `models.transform_fit.fit`.
    """
    classes = classes_of(model, rows)
    _check(model, rows, folds)
    codes = codes_of(model, rows, classes)
    raw = np.empty((rows.height, len(classes)))
    for fold in folds.unique().sort():
        inside = (folds == fold).to_numpy()
        raw[inside] = fit_uncalibrated(model, rows.filter(~inside), classes).raw(rows.filter(inside))
    probabilities = cross_calibrated(model, raw, codes, folds)
    found = OutOfFold(model.entity, rows[model.entity], folds, raw, probabilities, codes, classes)
    calibrator = fit_calibrator(model.calibration, raw, codes)
    whole = fit_uncalibrated(model, rows)
    fitted = replace(whole, calibrator=calibrator, out_of_fold=found.content, trained_on=dict(trained_on or {}))
    return fitted, found


def cross_calibrated(
    model: ProbabilityModel, raw: NDArray[np.float64], codes: NDArray[np.int64], folds: pl.Series
) -> NDArray[np.float64]:
    """Probabilities of out-of-fold log-odds, both (n, K), each fold under the curve of the other folds."""
    probabilities = np.empty_like(raw)
    for fold in folds.unique().sort():
        inside = (folds == fold).to_numpy()
        curve = fit_calibrator(model.calibration, raw[~inside], codes[~inside])
        probabilities[inside] = curve.apply(raw[inside])
    return probabilities


def in_sample(model: ProbabilityModel, rows: pl.DataFrame) -> OutOfFold:
    """What out-of-fold predictions are not: what a model says of the very rows it was fitted on.

    Only to show what that costs; its one fold is called ``in_sample``.
    """
    fitted = fit_uncalibrated(model, rows)
    codes = codes_of(model, rows, fitted.classes)
    raw = fitted.raw(rows)
    probabilities = fit_calibrator(model.calibration, raw, codes).apply(raw)
    folds = pl.Series(["in_sample"] * rows.height)
    return OutOfFold(model.entity, rows[model.entity], folds, raw, probabilities, codes, fitted.classes)


def _check(model: ProbabilityModel, rows: pl.DataFrame, folds: pl.Series) -> None:
    problem = None
    if len(folds) != rows.height or folds.null_count():
        problem = f"{len(folds)} folds, {folds.null_count()} of them NULL, for {rows.height} rows."
    elif folds.n_unique() < 2:
        problem = f"All rows are in the fold {folds[0]!r}."
    else:
        dealt = rows.select(model.entity, folds.alias("fold")).unique()
        several = dealt.height - dealt[model.entity].n_unique()
        problem = f"{several} of {model.entity} are in several folds." if several else None
    if problem:
        raise FoldsMismatch(
            model.where,
            what=problem,
            state="was not fitted",
            next_step="deal whole entities into at least two folds; stratified_folds does.",
        )
