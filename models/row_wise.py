"""Row-wise arithmetic: what becomes of a row does not depend on the rows beside it, to the last bit.

A dense product does not promise that: BLAS picks its kernel, and with it the order of summation, by the shape of the
whole batch, so that a batch and its single rows differ in most entries of a float32 product.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

Rows: TypeAlias = NDArray[np.float64] | sparse.csr_array
"""Rows of float64, dense or sparse (with sorted column indices, none twice)."""

BLOCK = 64
"""Rows of a padded block."""


def product(rows: Rows, weights: NDArray[np.float64]) -> NDArray[np.float64]:
    """``rows @ weights``, in which every row is a sum in the order of its columns, whatever the batch.

    SciPy's sparse kernel adds one row of `weights` after the other. It calls no BLAS, so the result does not
    depend on the CPU's family either; for at most some thousand columns it is fast enough for dense rows too.

    Args:
        rows: Of shape (n, d).
        weights: Of shape (d, k).

    Returns:
        Of shape (n, k).
    """
    made: NDArray[np.float64] = (full(rows) if isinstance(rows, np.ndarray) else rows) @ np.ascontiguousarray(weights)
    return made


def full(rows: NDArray[np.float64]) -> sparse.csr_array:
    """Dense rows as sparse ones that hold every value, zeros too: a third of the time that looking for them takes."""
    n, d = rows.shape
    return sparse.csr_array((rows.ravel(), np.tile(np.arange(d), n), np.arange(n + 1) * d), shape=(n, d))


def in_padded_blocks(
    function: Callable[[NDArray[np.float64]], NDArray[np.float64]], rows: NDArray[np.float64], size: int = BLOCK
) -> NDArray[np.float64]:
    """What a function makes of rows, called with exactly so many rows each time.

    For functions of others, which may call BLAS: a fixed shape fixes the kernel. The last block is filled up by
    repeating its last row, which unlike zeros the function is known to take.

    Args:
        function: Makes (size, k) of (size, d), each row from its own row only.
        rows: Of shape (n, d), n at least 1.
        size: Rows of a block.

    Returns:
        Of shape (n, k).
    """
    made = []
    for start in range(0, len(rows), size):
        block = rows[start : start + size]
        filled = np.concatenate([block, np.repeat(block[-1:], size - len(block), axis=0)])
        made.append(np.asarray(function(filled))[: len(block)])
    return np.concatenate(made)


def dense(rows: Rows) -> NDArray[np.float64]:
    """The rows as one array of shape (n, d)."""
    return rows if isinstance(rows, np.ndarray) else np.asarray(rows.toarray(), dtype=np.float64)
