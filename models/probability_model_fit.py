"""Fit a probability model: its transform and its classifier on the same rows, its calibrator on others' scores."""

from __future__ import annotations

from typing import Any, cast

import numpy as np
import polars as pl
from numpy.typing import NDArray
from sklearn.base import clone
from threadpoolctl import threadpool_limits

from models.calibration import Platt
from models.errors import InvalidProbabilityModel, NothingToTellApart
from models.fitted_transform import FittedTransform
from models.probability_model import Class, FittedProbabilityModel, ProbabilityModel
from models.transform_fit import fit as fit_transform


def classes_of(model: ProbabilityModel, rows: pl.DataFrame) -> tuple[Class, ...]:
    """The classes of the label, ascending.

    Raises:
        NothingToTellApart: The label has fewer than two classes, a row has none, or there is no row.
        InvalidProbabilityModel: Isotonic calibration is declared for more than two.
    """
    if model.label not in rows.columns:
        raise _nothing(model, f"The rows have no column {model.label!r}.")
    missing = rows[model.label].null_count()
    if missing:
        raise _nothing(model, f"{missing:,} of {rows.height:,} rows have no {model.label}.")
    found = tuple(rows[model.label].unique().sort())
    if len(found) < 2:
        said = f"all of {rows.height:,} rows have {model.label} = {found[0]}" if found else "there is no row"
        raise _nothing(model, f"Of the label {model.label!r} {said}.")
    if len(found) > 2 and model.calibration == "isotonic":
        raise InvalidProbabilityModel(
            model.where,
            what=f"{model.label} has {len(found)} classes, isotonic calibration is for two.",
            state="was not fitted",
            next_step="declare calibration='platt'.",
        )
    return found


def codes_of(model: ProbabilityModel, rows: pl.DataFrame, classes: tuple[Class, ...]) -> NDArray[np.int64]:
    """The place of each row's class among the classes, (n,)."""
    places = {label: code for code, label in enumerate(classes)}
    return np.array([places[label] for label in rows[model.label].to_list()], dtype=np.int64)


def fit_uncalibrated(
    model: ProbabilityModel,
    rows: pl.DataFrame,
    classes: tuple[Class, ...] | None = None,
    transform: FittedTransform | None = None,
) -> FittedProbabilityModel:
    """Transform and classifier, fitted on rows; its probabilities are the classifier's own. Same rows, same bits.

    Args:
        model: The declaration.
        rows: The training split: the transform's inputs and the label.
        classes: Those of all rows, of which these may be a fold; by default those in the rows.
        transform: The model's, where it has been fitted on these very rows already.

    Raises:
        NothingToTellApart: A class has no row.
        InputsMismatch, NothingToFit, ValuesMissing, StepFailed: As of `models.transform_fit.fit`.
    """
    known = classes_of(model, rows)
    if classes is not None and known != classes:
        raise _nothing(model, f"Without this fold the classes are {list(known)}, of {list(classes)}.")
    transform = transform or fit_transform(model.transform, rows)
    values = transform.apply(rows).values.astype(np.float64)
    # Several threads would sum in another order each time.
    with threadpool_limits(limits=1):
        classifier = cast(Any, clone(model.classifier)).fit(values, codes_of(model, rows, known))
    calibrator = Platt.none(len(known))
    return FittedProbabilityModel(
        model.name, model.version, model.fingerprint, transform, classifier, calibrator, known
    )


def _nothing(model: ProbabilityModel, what: str) -> NothingToTellApart:
    return NothingToTellApart(
        model.where,
        what=what,
        state="was not fitted",
        next_step="give a training split in which every class has rows.",
    )
