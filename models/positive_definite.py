"""Solving with G + lambda I, G a sum of outer products: by Cholesky, on one thread, so that bits do not vary."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.linalg import lapack
from threadpoolctl import threadpool_limits

from models.errors import RankerMisused

Floats = NDArray[np.float64]


def inverse(gram: Floats, penalty: float) -> Floats:
    """(G + lambda I)^-1, by LAPACK's potrf and potri.

    Args:
        gram: float64 (m, m), symmetric; it is overwritten.
        penalty: lambda, above 0.

    Raises:
        RankerMisused: The penalty is too small for G, or not above 0.
    """
    with threadpool_limits(1, "blas"):
        lower, failed = lapack.dpotri(_factor(gram, penalty), lower=1, overwrite_c=1)
    _must_succeed(failed, penalty)
    triangle = np.tril(lower, -1)
    result: Floats = triangle + triangle.T
    np.fill_diagonal(result, np.diagonal(lower))
    return result


def solved(gram: Floats, penalty: float, right: Floats) -> Floats:
    """(G + lambda I)^-1 R, by LAPACK's potrf and potrs.

    Args:
        gram: float64 (m, m), symmetric; it is overwritten.
        penalty: lambda, above 0.
        right: R, float64 (m, q); it is overwritten where its columns are contiguous.

    Raises:
        RankerMisused: As of `inverse`.
    """
    with threadpool_limits(1, "blas"):
        result, failed = lapack.dpotrs(_factor(gram, penalty), right, lower=1, overwrite_b=1)
    _must_succeed(failed, penalty)
    return np.asarray(result, dtype=np.float64)


def _factor(gram: Floats, penalty: float) -> Floats:
    _must_succeed(0 if np.isfinite(penalty) and penalty > 0 else 1, penalty)
    gram[np.diag_indices_from(gram)] += penalty
    # Symmetric: its transpose is itself, so that either order is LAPACK's, without a copy.
    columns_first = gram if gram.flags.f_contiguous else gram.T
    factor, failed = lapack.dpotrf(columns_first, lower=1, overwrite_a=1, clean=0)
    _must_succeed(failed, penalty)
    return np.asarray(factor, dtype=np.float64)


def _must_succeed(failed: int, penalty: float) -> None:
    if failed:
        raise RankerMisused(
            "ranker",
            what=f"the statistics with a penalty of {penalty} on their diagonal are not positive definite.",
            state="was not fitted",
            next_step="choose a penalty above 0; some hundreds are usual for counts.",
        )
