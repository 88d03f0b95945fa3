"""Sums that do not depend on order or engine: values become integers of a declared scale, or are refused.

Every rule looks at one value or at one key alone, so that it refuses the same whether the rows are computed at
once, in buckets of keys, or as an increment.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import numpy.typing as npt
import polars as pl

from feature_groups.store.aggregations import Aggregation
from feature_groups.store.errors import ContractViolated, InvalidDeclaration, did_you_mean

Ints = npt.NDArray[np.int64]

LARGEST_SUM = 9.2e18
"""What the absolute values of a key may add up to at most; 2^63 less what float64 products are off by."""

SLACK = 1e-6
"""How far a scaled value may lie from a whole number, so that 0.1 + 0.2 has one decimal."""


def relative_slack(dtype: pl.DataType) -> float:
    """What a float type is off by relative to its values, after a computation or two."""
    return 1e-7 if dtype == pl.Float32() else 1e-12


def integers(series: pl.Series, digits: int | None, where: str) -> Ints:
    """The values scaled to integers, NULL as 0.

    Args:
        series: Integers or booleans, or floats with declared digits; shape (n,).
        digits: Digits after the point; None for what is whole.
        where: What messages call the rows.

    Raises:
        ContractViolated: A value is not finite, has more digits, or is too large.
    """
    if digits is None:
        return series.cast(pl.Int64).fill_null(0).to_numpy()
    refuse_infinite(series, where)
    values = series.cast(pl.Float64).fill_null(0.0).to_numpy() * float(10**digits)
    size, whole = np.abs(values), np.rint(values)
    if np.any(np.abs(values - whole) > np.maximum(SLACK, size * relative_slack(series.dtype))):
        raise inexact(where, series.name, too_many_digits(digits))
    if np.any(size > LARGEST_SUM):
        raise inexact(where, series.name, TOO_LARGE)
    return whole.astype(np.int64)


def refuse_large_sums(values: Ints, starts: Ints, power: int, where: str, column: str) -> None:
    """Refuse values of which a key's sum to a power might not fit 64 bits: its largest times its number of rows.

    Args:
        values: Sorted by key, shape (n,).
        starts: Index of each key's first value.
        power: 1 or 2.
        where: What messages call the rows.
        column: And the column.

    Raises:
        ContractViolated: They might not fit.
    """
    if not len(values):
        return
    largest = np.maximum.reduceat(np.abs(values.astype(np.float64)), starts)
    sizes = np.diff(np.r_[starts, len(values)])
    if np.any((largest if power == 1 else largest * largest) * sizes > LARGEST_SUM):
        raise inexact(where, column, TOO_LARGE)


def refuse_infinite(series: pl.Series, where: str) -> None:
    """Refuse floats that are NaN or infinite: engines do not agree on what is larger.

    Raises:
        ContractViolated: There is one.
    """
    if series.dtype.is_float() and not series.is_finite().fill_null(value=True).all():
        raise inexact(where, series.name, NOT_FINITE)


def refuse_type(
    aggregation: Aggregation, events: Mapping[str, pl.DataType], decimals: Mapping[str, int], where: str
) -> None:
    """Refuse an aggregation of values that cannot be added up or compared.

    Raises:
        InvalidDeclaration: The column is not there, its type does not fit, or a float's digits are not declared.
    """
    column = aggregation.column
    if column is None:
        return
    if column not in events:
        what = f"There is no column {column!r} to aggregate. {did_you_mean(column, events)}"
        raise InvalidDeclaration(where, what=what, state="was not written", next_step="correct it or the transform.")
    dtype = events[column]
    number = dtype.is_integer() or dtype.is_float() or dtype == pl.Boolean()
    added, compared = aggregation.needs_decimals, aggregation.function in ("min", "max")
    what, next_step = "", ""
    if (added and not number) or (compared and dtype.is_nested()):
        what = f"The aggregated column {column!r} is {dtype}, of which there is no {aggregation.function}."
        next_step = "cast it to a number in the transform, or aggregate another column."
    elif added and dtype.is_float() and column not in decimals:
        what = f"The aggregated column {column!r} is a float: its sums would differ between engines and orders."
        next_step = f"declare decimals={{{column!r}: <digits after the point>}}."
    if what:
        raise InvalidDeclaration(where, what=what, state="was not written", next_step=next_step)


TOO_LARGE = "the sum of its values does not fit 64 bits"
NOT_FINITE = "some values are NaN or infinite"


def too_many_digits(digits: int) -> str:
    """What is wrong with values that are no multiples of the declared scale."""
    return f"some values have more than {digits} decimals"


def inexact(where: str, column: str, why: str) -> ContractViolated:
    """The error for values that cannot be aggregated exactly."""
    return ContractViolated(
        where,
        what=f"The aggregated column {column!r} cannot be aggregated exactly: {why}.",
        state="was not written",
        next_step=f"declare decimals={{{column!r}: ...}} with its true number of digits, or correct its values.",
    )
