"""What each encoder and step learns from the training split."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict
from typing import Any, cast

import numpy as np
import polars as pl
from numpy.typing import NDArray
from scipy import sparse
from sklearn.base import BaseEstimator, clone
from sklearn.decomposition import TruncatedSVD
from sklearn.feature_extraction.text import TfidfTransformer
from sklearn.preprocessing import PowerTransformer, QuantileTransformer, RobustScaler, StandardScaler

from models.blocks_categories import Categories, Frequencies, Level, Lists, MultiHot, OneHot, Shares, elements
from models.blocks_counts import InverseFrequencies, Projection, Svd, TfIdf
from models.blocks_estimators import Estimator, FittedEstimator
from models.blocks_numbers import Affine, Filled, Impute, Scale
from models.blocks_text import Counts, Words, texts
from models.fitted_block import failed
from models.row_wise import Rows, dense
from models.steps import Encoder, EncoderDeclaration, Step
from models.transform import Normalisation, StepDeclaration

MAX_QUANTILES = 1000


class Unit:
    """Normalise a block by one number: centred, root mean squared length of a row 1."""


def normalisation(how: Normalisation) -> tuple[Unit | Scale, ...]:
    """The step by which a block is normalised, if it is."""
    steps: dict[str, tuple[Unit | Scale, ...]] = {"none": (), "unit": (Unit(),), "zscore": (Scale("standard"),)}
    return steps[how]


def fit_encoder(declared: EncoderDeclaration, rows: pl.DataFrame) -> Encoder:
    """The encoder with what it learns; itself, where there is nothing to learn."""
    match declared:
        case Categories():
            counted = rows[declared.column].drop_nulls().value_counts(name="rows")
            levels = _levels(counted, declared.column, declared.min_rows)
            return OneHot(**asdict(declared), levels=levels)
        case Frequencies():
            counted = rows[declared.column].drop_nulls().value_counts(name="rows")
            levels = _levels(counted, declared.column, 1)
            of = dict(zip(counted[declared.column], counted["rows"], strict=True))
            return Shares(**asdict(declared), levels=levels, shares=tuple(of[v] / rows.height for v in levels))
        case Lists():
            counted = elements(rows, declared.column).unique().group_by("level").agg(rows=pl.len())
            return MultiHot(**asdict(declared), levels=_levels(counted, "level", declared.min_rows))
        case Words():
            return Counts(**asdict(declared), words=_words(declared, rows))
    return cast(Encoder, declared)


def fit_step(declared: StepDeclaration | Unit, rows: Rows, block: str, where: str) -> Step:
    """The step with what it learns from rows of shape (n, d), both at least 1.

    Raises:
        StepFailed: An estimator refuses the rows.
    """
    match declared:
        case Unit():
            found = dense(rows)
            centre = _means(found)
            length = float(np.sqrt(np.mean(np.sum((found - centre) ** 2, axis=1))))
            return Affine(centre, np.full(found.shape[1], length or 1.0))
        case Impute():
            return Filled(_fills(declared, dense(rows)), declared.mask)
        case Scale("standard"):
            found = dense(rows)
            return Affine(_means(found), StandardScaler().fit(found).scale_)
        case Scale("robust"):
            robust = RobustScaler().fit(dense(rows))
            return Affine(robust.center_, robust.scale_)
        case Scale("power"):
            return _estimator(PowerTransformer(), rows, block, where)
        case Scale():
            n = min(MAX_QUANTILES, rows.shape[0])
            normal = QuantileTransformer(n_quantiles=n, output_distribution="normal", subsample=None)
            return _estimator(normal, rows, block, where)
        case TfIdf():
            idf = TfidfTransformer(sublinear_tf=declared.sublinear).fit(sparse.csr_array(rows)).idf_
            return InverseFrequencies(idf, declared.sublinear)
        case Svd():
            return Projection(_directions(declared, rows))
        case Estimator():
            return _estimator(clone(declared.estimator), rows, block, where)


def _means(rows: NDArray[np.float64]) -> NDArray[np.float64]:
    """Means of columns; of a constant one exactly its value, so that centred it is 0 and no rounding."""
    lowest = rows.min(axis=0)
    return np.asarray(np.where(lowest == rows.max(axis=0), lowest, rows.mean(axis=0)))


def _estimator(unfitted: BaseEstimator, rows: Rows, block: str, where: str) -> FittedEstimator:
    found = dense(rows)
    try:
        fitted = cast(Any, unfitted).fit(found)
        return FittedEstimator(fitted, FittedEstimator(fitted, 0).apply(found[:1]).shape[1])
    except ValueError as error:
        raise failed(block, type(unfitted).__name__, str(error), where) from error


def _levels(counted: pl.DataFrame, column: str, min_rows: int) -> tuple[Level, ...]:
    return tuple(counted.filter(pl.col("rows") >= min_rows)[column].sort())


def _words(declared: Words, rows: pl.DataFrame) -> tuple[str, ...]:
    # scikit-learn raises where no word is left; the block then has no column, which `fit` refuses.
    vectorizer = declared.vectorizer()
    analyse: Callable[[str], list[str]] = vectorizer.build_analyzer()
    if not any(map(analyse, texts(rows, declared.column))):
        return ()
    counts = sparse.csr_array(vectorizer.fit_transform(texts(rows, declared.column)))
    words = vectorizer.get_feature_names_out()
    in_rows = np.bincount(counts.indices, minlength=len(words))
    often = np.asarray(counts.sum(axis=0)).ravel()
    # The words that occur most, of equal ones the first by name.
    order = np.lexsort((words.astype(str), -often))
    kept = [words[n] for n in order if in_rows[n] >= declared.min_rows][: declared.max_words]
    return tuple(sorted(map(str, kept)))


def _fills(declared: Impute, rows: NDArray[np.float64]) -> NDArray[np.float64]:
    fills = np.zeros(rows.shape[1])
    if declared.strategy != "zero":
        statistic = np.median if declared.strategy == "median" else np.mean
        for n, column in enumerate(rows.T):
            known = column[np.isfinite(column)]
            fills[n] = statistic(known) if len(known) else 0.0
    return fills


def _directions(declared: Svd, rows: Rows) -> NDArray[np.float64]:
    width = min(declared.components, *rows.shape)
    if rows.shape[1] == 1:
        return np.ones((1, 1))
    # Rows that are all 0 have no variance to explain, of which scikit-learn computes a share.
    with np.errstate(divide="ignore", invalid="ignore"):
        fitted = TruncatedSVD(width, random_state=declared.seed).fit(rows)
    return np.ascontiguousarray(fitted.components_.T)
