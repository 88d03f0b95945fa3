"""Fit a branch that says a number."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, cast

import numpy as np
import polars as pl
from sklearn.base import BaseEstimator, clone
from threadpoolctl import threadpool_limits

from feature_groups.store.digest import digest
from models.probability_model import estimator_text
from models.regression_branch import RegressionBranch
from models.transform import Transform
from models.transform_fit import fit as fit_transform


@dataclass(frozen=True)
class Regression:
    """A regressor on the branch's own rows.

    Attributes:
        transform: Makes a matrix of rows; fitted on the same rows.
        regressor: Unfitted, of scikit-learn.
        target: The column of numbers that it learns.
    """

    transform: Transform
    regressor: BaseEstimator
    target: str

    def __hash__(self) -> int:
        return hash(self.fingerprint)

    @property
    def fingerprint(self) -> str:
        """sha256 of all that is declared."""
        return digest(["regression", self.transform.fingerprint, estimator_text(self.regressor), self.target])

    def fit(self, own: pl.DataFrame, everybody: pl.DataFrame, material: Mapping[str, Any]) -> RegressionBranch:  # noqa: ARG002  # as every branch
        """As `BranchModel.fit`; needs no material."""
        transform = fit_transform(self.transform, own)
        values = transform.apply(own).values.astype(np.float64)
        with threadpool_limits(limits=1):
            fitted = cast(Any, clone(self.regressor)).fit(values, own[self.target].to_numpy())
        return RegressionBranch(transform, fitted)
