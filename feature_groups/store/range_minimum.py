"""The smallest or largest value of many slices of one array."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

Values = npt.NDArray[Any]
Ints = npt.NDArray[np.int64]


def range_extreme(values: Values, first: Ints, last: Ints, *, largest: bool) -> Values:
    """The extreme of ``values[first:last]`` per slice.

    A sparse table (Bender, Farach-Colton: The LCA Problem Revisited, LATIN 2000), one level in memory at a time: a
    slice of length between 2^k and 2^(k + 1) is covered by two overlapping runs of length 2^k.

    Args:
        values: Shape (n,), without NULLs.
        first: First index of each slice, shape (m,).
        last: One past the last index, likewise; empty slices give an unspecified value.
        largest: The maximum instead of the minimum.

    Returns:
        Shape (m,), in the type of `values`.
    """
    pick = np.maximum if largest else np.minimum
    lengths = last - first
    found = np.zeros(len(first), dtype=values.dtype)
    if not len(values):
        return found
    level = np.frexp(lengths.astype(np.float64))[1].astype(np.int8) - np.int8(1)  # -1 for empty slices; int8 sorts fast
    by_level = np.argsort(level, kind="stable")
    borders = np.searchsorted(level[by_level], np.arange(int(level.max(initial=-1)) + 2))
    runs = values
    for k in range(len(borders) - 1):
        slices = by_level[borders[k] : borders[k + 1]]
        width = 1 << k
        if len(slices):
            found[slices] = pick(runs[first[slices]], runs[last[slices] - width])
        if len(runs) > width:
            runs = pick(runs[:-width], runs[width:])
    return found
