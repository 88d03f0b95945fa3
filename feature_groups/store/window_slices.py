"""Aggregates over slices ``[lo, hi)`` of sorted events: prefix sums, look-ups and range extremes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta

import numpy as np
import numpy.typing as npt
import polars as pl

from feature_groups.store.aggregations import Aggregation
from feature_groups.store.exact_sums import Ints, integers, refuse_infinite, refuse_large_sums, refuse_type
from feature_groups.store.range_minimum import range_extreme

Flags = npt.NDArray[np.bool_]
MICROSECOND = timedelta(microseconds=1)
_MAX_EXACT = 2**63 - 1
_NEVER = 2**63 - 1


@dataclass(frozen=True)
class ChangeLogSpec:
    """What to aggregate.

    Attributes:
        key: Columns an event belongs to; no NULLs.
        time: The events' timestamp column (µs, UTC), and the instants' in the result.
        order: Columns that order a key's events of equal time.
        aggregations: What to compute.
        resolution: Rounds instants up to its multiples since 1970 UTC; None keeps microseconds.
        decimals: Digits after the point of float columns that are summed.
        where: What messages call it.
    """

    key: tuple[str, ...]
    time: str
    order: tuple[str, ...]
    aggregations: tuple[Aggregation, ...]
    resolution: timedelta | None
    decimals: Mapping[str, int]
    where: str

    @property
    def longest(self) -> timedelta | None:
        """The longest window; None when one is unbounded."""
        windows = [w for a in self.aggregations for w in a.windows]
        return None if None in windows else max(w for w in windows if w is not None)

    @property
    def finite(self) -> list[int]:
        """The lengths of the finite windows (µs), each once, shortest first."""
        return sorted({w // MICROSECOND for a in self.aggregations for w in a.windows if w is not None})

    def digits(self, column: str, events: Mapping[str, pl.DataType]) -> int | None:
        """Digits after the point that a column's sums are made with; None for whole numbers."""
        return self.decimals[column] if events[column].is_float() else None

    def schema(self, events: Mapping[str, pl.DataType]) -> pl.Schema:
        """Columns and types of the change log of events with this schema.

        Raises:
            InvalidDeclaration: A column has a type that its aggregation cannot have.
        """
        made: dict[str, pl.DataType] = {k: events[k] for k in self.key}
        made[self.time] = pl.Datetime("us", "UTC")
        for aggregation in self.aggregations:
            refuse_type(aggregation, events, self.decimals, self.where)
            for output in aggregation.outputs:
                made[output] = output_type(aggregation, events)
        return pl.Schema(made)


class Slices:
    """The slices of the events that are in the windows, and what is aggregated over them."""

    def __init__(
        self,
        events: pl.DataFrame,
        time: Ints,
        group: Ints,
        hi: Ints,
        lo: Mapping[int | None, Ints],
        spec: ChangeLogSpec,
    ) -> None:
        self._events, self._time, self._group = events, time, group
        self._hi, self._lo, self._spec = hi, lo, spec
        self._starts = np.flatnonzero(np.r_[True, group[1:] != group[:-1]])
        self._whole: dict[str, Ints] = {}
        self._sums: dict[tuple[str, int], Ints] = {}
        self._counts: dict[str, Ints] = {}
        self._neighbours: dict[str, tuple[Ints, Ints]] = {}

    def column(self, aggregation: Aggregation, window: timedelta | None, name: str) -> pl.Series:
        """One output column."""
        lo = self._lo[None if window is None else window // MICROSECOND]
        column = aggregation.column
        dtype = output_type(aggregation, self._events.schema)
        if column is None:
            return pl.Series(name, self._hi - lo, dtype=dtype)
        match aggregation.function:
            case "sum":
                total, scale = self._total(column, lo, 1)
                return pl.Series(name, total if scale is None else total / scale).cast(dtype)
            case "mean":
                total, scale = self._total(column, lo, 1)
                return _ratio(name, total, self._count(column, lo) * (scale or 1))
            case "std":
                return self._std(name, column, lo)
            case "min" | "max":
                return self._extreme(name, column, lo, aggregation.function)
            case "last":
                return _where(self._events[column].gather(self._hi - 1).alias(name), self._hi > lo)
            case "last_n":
                return self._last_n(name, column, lo, aggregation.n or 1)
            case _:
                return self._n_unique(name, column, lo, window)

    def _count(self, column: str, lo: Ints) -> Ints:
        """Values that are not NULL."""
        if column not in self._counts:
            self._counts[column] = _prefix(self._events[column].is_not_null().to_numpy().astype(np.int64))
        counts = self._counts[column]
        return counts[self._hi] - counts[lo]

    def _total(self, column: str, lo: Ints, power: int) -> tuple[Ints, int | None]:
        """Exact sum of the values to a power, scaled to integers; and the scale of floats."""
        digits, where = self._spec.digits(column, self._events.schema), self._spec.where
        if column not in self._whole:
            self._whole[column] = integers(self._events[column], digits, where)
        if (column, power) not in self._sums:
            values = self._whole[column]
            refuse_large_sums(values, self._starts, power, where, column)
            self._sums[column, power] = _prefix(values**power)
        sums = self._sums[column, power]
        return sums[self._hi] - sums[lo], None if digits is None else 10**digits

    def _std(self, name: str, column: str, lo: Ints) -> pl.Series:
        """Sample standard deviation, exact up to the last division and root: (c q - s s) / (c (c - 1))."""
        total, scale = self._total(column, lo, 1)
        squares, _ = self._total(column, lo, 2)
        count = self._count(column, lo)
        largest = int(count.max(initial=0)) * int(squares.max(initial=0))
        if largest > _MAX_EXACT:
            wide = count.astype(object) * squares.astype(object) - total.astype(object) ** 2
            spread = np.array([float(x) for x in wide])
        else:
            spread = (count * squares - total * total).astype(np.float64)
        pairs = (count * (count - 1)).astype(np.float64)
        with np.errstate(invalid="ignore", divide="ignore"):
            made = np.sqrt(spread / pairs) / (scale or 1)
        return _where(pl.Series(name, made), count > 1)

    def _extreme(self, name: str, column: str, lo: Ints, function: str) -> pl.Series:
        series = self._events[column]
        refuse_infinite(series, self._spec.where)
        values = series.drop_nulls()
        if not len(values):
            return pl.repeat(None, len(lo), dtype=series.dtype, eager=True).alias(name)
        ranked = isinstance(series.dtype, (pl.String, pl.Binary, pl.Boolean, pl.Decimal))
        distinct = values.unique().sort() if ranked else values
        numbers = distinct.search_sorted(values) if ranked else values.to_physical()
        kept = _prefix(series.is_not_null().to_numpy().astype(np.int64))
        first, last = kept[lo], kept[self._hi]
        found = pl.Series(range_extreme(numbers.to_numpy(), first, last, largest=function == "max"))
        made = distinct.gather(found) if ranked else found.cast(series.dtype)
        return _where(made.alias(name), last > first)

    def _last_n(self, name: str, column: str, lo: Ints, n: int) -> pl.Series:
        """The newest n values in the window, newest first, NULLs included."""
        first = np.maximum(lo, self._hi - n)
        lengths = self._hi - first
        ends = np.cumsum(lengths)
        position = np.arange(int(ends[-1]) if len(ends) else 0) - np.repeat(ends - lengths, lengths)
        taken = np.repeat(self._hi - 1, lengths) - position
        values = self._events[column].gather(taken)
        offsets = np.r_[0, ends].astype(np.int64)
        return lists_from(name, values, offsets)

    def _n_unique(self, name: str, column: str, lo: Ints, window: timedelta | None) -> pl.Series:
        """Distinct values in the window: +1 where a value enters that is not there, -1 where its last one leaves."""
        since, until = self._equal_neighbours(column)
        length = _NEVER - 1 if window is None else window // MICROSECOND
        entered, begin = _prefix(since > length), self._lo[None]
        made = entered[self._hi] - entered[begin]
        if window is not None:
            left = _prefix(until > length)
            made -= left[lo] - left[begin]
        return pl.Series(name, made, dtype=pl.Int64)

    def _equal_neighbours(self, column: str) -> tuple[Ints, Ints]:
        """Microseconds since the key's event before of equal value, until the next; `_NEVER` for none, -1 for NULL."""
        if column not in self._neighbours:
            rows = pl.DataFrame({"g": self._group, "x": self._events[column]}).with_row_index("i").drop_nulls("x")
            # Sorted, because a window function of the many small groups takes 20 times as long.
            rows = rows.sort("g", "x", maintain_order=True)
            at = rows["i"].to_numpy()
            run = rows.select(pl.struct("g", "x").rle_id()).to_series().to_numpy()
            gap = np.where(run[1:] == run[:-1], np.diff(self._time[at]), _NEVER)
            since, until = np.full((2, len(self._time)), -1, dtype=np.int64)
            since[at[:1]], since[at[1:]] = _NEVER, gap
            until[at[-1:]], until[at[:-1]] = _NEVER, gap
            self._neighbours[column] = since, until
        return self._neighbours[column]


def lists_from(name: str, values: pl.Series, offsets: Ints) -> pl.Series:
    """A list column from flat values and the offsets at which its rows begin; shape (len(offsets) - 1,)."""
    import pyarrow as pa

    made = pa.LargeListArray.from_arrays(pa.array(offsets), values.to_arrow())
    return pl.Series(name, pl.from_arrow(made))


def _prefix(values: Ints | Flags) -> Ints:
    sums: Ints = np.r_[np.int64(0), np.cumsum(values)]
    return sums


def _where(series: pl.Series, there: Flags) -> pl.Series:
    mask = pl.Series(there)
    return series.to_frame().select(pl.when(mask).then(pl.col(series.name))).to_series()


def _ratio(name: str, above: Ints, below: Ints) -> pl.Series:
    with np.errstate(invalid="ignore", divide="ignore"):
        return _where(pl.Series(name, above / below), below > 0)


def output_type(aggregation: Aggregation, events: Mapping[str, pl.DataType]) -> pl.DataType:
    """The type of an aggregation's output columns, for events of this schema."""
    if aggregation.function in ("count", "n_unique") or aggregation.column is None:
        return pl.Int64()
    dtype = events[aggregation.column]
    match aggregation.function:
        case "mean" | "std":
            return pl.Float64()
        case "sum":
            return pl.Float64() if dtype.is_float() else pl.Int64()
        case "last_n":
            return pl.List(dtype)
        case _:
            return dtype
