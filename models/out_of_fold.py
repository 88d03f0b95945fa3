"""Out-of-fold predictions: what a model says of rows that it was not fitted on, for every row.

What follows in a cascade must train on these. A model knows its own training rows too well: at serving time it is
never again that sure.

What a fold's own labels can reach, exactly: not `oof_raw` of that fold, whose model (transform included) is fitted on
the other folds alone. `oof_score` is `oof_raw` under a curve fitted on the other folds' raw scores; their models have
seen this fold's labels, so these reach its scores through the curve's parameters only (two of them for two classes),
which are the same for all rows of the fold.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np
import polars as pl
from numpy.typing import NDArray

from feature_groups.store.digest import digest
from feature_groups.store.folds import KFold
from models.calibration_fit import fit_calibrator
from models.errors import FoldsMismatch
from models.probability_model import Class, FittedProbabilityModel, ProbabilityModel
from models.probability_model_fit import classes_of, codes_of, fit_uncalibrated

FOLDS = 5


@dataclass(frozen=True, eq=False)
class OutOfFold:
    """Predictions for n rows, each by a model that was fitted without the row's fold.

    Attributes:
        entity: Name of the column of ids.
        entities: The id of each row.
        folds: Name of the fold of each row.
        raw: Uncalibrated log-odds, float64 (n, K).
        probabilities: Calibrated, float64 (n, K).
        codes: The place of the true class among `classes`, int64 (n,).
        classes: K classes in ascending order.
    """

    entity: str
    entities: pl.Series
    folds: pl.Series
    raw: NDArray[np.float64]
    probabilities: NDArray[np.float64]
    codes: NDArray[np.int64]
    classes: tuple[Class, ...]

    @property
    def frame(self) -> pl.DataFrame:
        """One row per row, in their order: the entity, ``fold``, ``oof_score``, ``oof_raw``, ``label``.

        With two classes the scores are numbers, those of the second class; with more, lists with one per class.
        """
        scores = [self.probabilities, self.raw]
        shown = [pl.Series(s[:, 1]) if len(self.classes) == 2 else pl.Series(s).arr.to_list() for s in scores]
        labels = pl.Series(list(self.classes)).gather(pl.Series(self.codes))
        columns = {"fold": self.folds, "oof_score": shown[0], "oof_raw": shown[1], "label": labels}
        return pl.DataFrame({self.entity: self.entities, **columns})

    @property
    def content(self) -> str:
        """sha256 of all of it: equal for equal predictions, in every process."""
        arrays = [hashlib.sha256(np.ascontiguousarray(a).tobytes()).hexdigest() for a in self._arrays]
        return digest([self.entity, self.entities.to_list(), self.folds.to_list(), list(self.classes), arrays])

    @property
    def _arrays(self) -> tuple[NDArray[np.generic], ...]:
        return self.raw, self.probabilities, self.codes


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
