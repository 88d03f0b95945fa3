"""Probability model: a transform, any scikit-learn classifier, and calibration; answers one row or many, bit for bit.

This module declares and applies; `models.probability_model_fit` fits.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any, ClassVar, Literal, Self, cast, get_args

import numpy as np
import polars as pl
from numpy.typing import NDArray
from scipy.special import logit
from sklearn.base import BaseEstimator, clone
from sklearn.linear_model import LogisticRegression

from feature_groups.store.digest import digest
from feature_groups.store.names import check_name
from models.calibration import CALIBRATORS, Calibrator
from models.errors import InvalidProbabilityModel, ScoresNotFinite
from models.fitted_transform import FittedTransform
from models.parts import Parts
from models.row_wise import in_padded_blocks, product
from models.transform import Transform
from models.value_parts import nested, part, parts_of, value_of

Calibration = Literal["platt", "isotonic", "none"]
Class = bool | int | str
Floats = NDArray[np.float64]

_SURE = 1e-12
"""A probability nearer to 0 or 1 counts as this near: log-odds stay finite."""


@dataclass(frozen=True)
class ProbabilityModel:
    """The declaration of a model that says how probable each class of a label is.

    Attributes:
        name: Of the model.
        version: From 1.
        transform: Makes a matrix of rows; fitted together with the classifier, on the same rows.
        classifier: Unfitted, with ``predict_proba`` or, if it is calibrated, ``decision_function``.
        entity: The column of ids by which folds are made.
        label: The column of classes: Boolean, integer or text.
        calibration: ``platt``, ``isotonic`` (two classes only) or ``none``.
    """

    name: str
    version: int
    transform: Transform
    classifier: BaseEstimator
    entity: str
    label: str
    calibration: Calibration = "platt"

    def __post_init__(self) -> None:
        check_name(self.name, kind="probability model", where="a probability model")
        self._require(isinstance(self.version, int) and self.version >= 1, f"version is {self.version!r}.", "from 1.")
        known = self.calibration in get_args(Calibration)
        self._require(known, f"calibration is {self.calibration!r}.", f"use one of {get_args(Calibration)}.")
        able = hasattr(self.classifier, "predict_proba") or (
            hasattr(self.classifier, "decision_function") and self.calibration == "platt"
        )
        what = f"{self.classifier!r:.80} gives no probabilities."
        self._require(able, what, "give a scikit-learn classifier; one with only a decision function needs 'platt'.")
        leaks = {self.label, self.entity} & set(self.transform.inputs)
        self._require(not leaks, f"Its transform takes {sorted(leaks)}.", "leave out the label and the entity.")

    def __hash__(self) -> int:
        return hash(self.fingerprint)

    @property
    def where(self) -> str:
        """How errors call it."""
        return f"probability model '{self.name}' v{self.version}"

    @property
    def fingerprint(self) -> str:
        """sha256 of all that is declared."""
        own = [self.name, self.version, self.entity, self.label, self.calibration]
        return digest([*own, self.transform.fingerprint, estimator_text(self.classifier)])

    def using(self, **settings: Any) -> Self:
        """The same with other settings of the classifier, for example those that validation chose."""
        return replace(self, classifier=clone(self.classifier).set_params(**settings))

    def _require(self, holds: object, what: str, next_step: str) -> None:
        if not holds:
            raise InvalidProbabilityModel(self.where, what=what, state="was not declared", next_step=next_step)


def estimator_text(estimator: BaseEstimator) -> list[str]:
    """Type and settings of an unfitted estimator, and of those in it, sorted."""
    settings = estimator.get_params(deep=True).items()
    texts = (f"{name}={type(v).__name__ if isinstance(v, BaseEstimator) else repr(v)}" for name, v in settings)
    return [f"{type(estimator).__module__}.{type(estimator).__qualname__}", *sorted(texts)]


@dataclass(frozen=True)
class FittedProbabilityModel:
    """A fitted `ProbabilityModel`; a member of a release.

    What it says of a row does not depend on the rows beside it, their number or order, or the process.

    Attributes:
        name: Of the declaration.
        version: Of the declaration.
        declared: The declaration's fingerprint.
        transform: Fitted.
        classifier: Fitted on the codes of the classes, 0 to K - 1.
        calibrator: Fitted on out-of-fold scores.
        classes: K classes in ascending order.
        out_of_fold: Content hash of the out-of-fold predictions that were made with it.
        trained_on: Content hashes of members whose out-of-fold predictions chose its training rows, by role.
    """

    kind: ClassVar[str] = "probability_model"

    name: str
    version: int
    declared: str
    transform: FittedTransform
    classifier: Any = field(repr=False)
    calibrator: Calibrator
    classes: tuple[Class, ...]
    out_of_fold: str = ""
    trained_on: Mapping[str, str] = field(default_factory=dict)

    def raw(self, rows: pl.DataFrame) -> Floats:
        """Uncalibrated log-odds per class, float64 (n, K).

        Raises:
            InputsMismatch, ValuesMissing, StepFailed: The transform refuses the rows.
            ScoresNotFinite: The classifier makes something else than finite numbers of them.
        """
        values = self.transform.apply(rows).values
        if not len(values):
            return np.empty((0, len(self.classes)))
        made = self._scores(values.astype(np.float64))
        if not np.isfinite(made).all():
            raise ScoresNotFinite(
                f"probability model '{self.name}' v{self.version}",
                what=f"{np.count_nonzero(~np.isfinite(made).all(axis=1))} of {len(made)} rows get no finite score.",
                state="made no probabilities",
                next_step="check the rows, or train it again.",
            )
        return made

    def probabilities(self, rows: pl.DataFrame) -> Floats:
        """Calibrated probability per class, float64 (n, K), rows sum to 1; raises as `raw` does."""
        return self.calibrator.apply(self.raw(rows))

    def _scores(self, values: Floats) -> Floats:
        if type(self.classifier) is LogisticRegression and len(self.classes) == 2:
            # Its log-odds themselves: no detour by probabilities, no BLAS, and a tenth of the time for one row.
            found = product(values, self.classifier.coef_.T) + self.classifier.intercept_
            return np.concatenate([-found, found], axis=1)
        if hasattr(self.classifier, "predict_proba"):
            # scipy's logit goes element by element: vectorised ones may differ in the last bit with the layout.
            said = in_padded_blocks(self.classifier.predict_proba, values)
            return np.asarray(logit(np.clip(said, _SURE, 1 - _SURE)))
        found = in_padded_blocks(self.classifier.decision_function, values)
        return np.stack([-found, found], axis=1) if found.ndim == 1 else found

    def parts(self) -> Parts:
        """What it is restored from."""
        inner = nested({"transform": self.transform.parts(), "calibrator": parts_of(self.calibrator)})
        own: Any = {
            "name": self.name,
            "version": self.version,
            "declared": self.declared,
            "calibration": type(self.calibrator).__name__,
            "classes": list(self.classes),
            "out_of_fold": self.out_of_fold,
            "trained_on": dict(self.trained_on),
        }
        return Parts({**inner.state, "own": own}, inner.arrays, {**inner.estimators, "classifier": self.classifier})

    @classmethod
    def of(cls, parts: Parts) -> Self:
        """The model that these parts were taken from."""
        own = cast("dict[str, Any]", parts.state["own"])
        return cls(
            own["name"],
            own["version"],
            own["declared"],
            FittedTransform.of(part(parts, "transform")),
            parts.estimators["classifier"],
            value_of(CALIBRATORS[own["calibration"]], part(parts, "calibrator")),
            tuple(own["classes"]),
            own["out_of_fold"],
            own["trained_on"],
        )
