"""The change log in Spark SQL alone: for keys that no Python worker can hold, and the kernel's second opinion.

The events of a key are numbered in order. What has entered by an instant is then a prefix of them, and so is what has
left a window by then: every event carries its running totals, an instant takes those of the newest event that
entered and of the newest that left, and count, sum, mean, std and n_unique are differences of the two. Rows are
sorted and read once, however long the windows are; a sliding frame would be computed anew for every row.

Extremes have no differences. Time is cut into blocks as long as the window, so that a window lies in two of them at
most: its extreme is that of the end of the one and of the beginning of the other, which are running extremes, from
the right and from the left (van Herk, Pattern Recognition Letters 13, 1992; Gil and Werman, IEEE PAMI 15, 1993).

A key is one task, as with every window in Spark; it spills to disk and passes through no Python process.
"""

from __future__ import annotations

from collections.abc import Mapping

import polars as pl
from pyspark.sql import Column, DataFrame, Window
from pyspark.sql import functions as F

from feature_groups.store import exact_sums
from feature_groups.store.aggregations import Aggregation
from feature_groups.store.engines.worker_errors import packed
from feature_groups.store.names import SINCE
from feature_groups.store.window_slices import MICROSECOND, ChangeLogSpec

_TIME, _NUMBER, _BLOCK, _NEXT = "__time", "__number", "__block", "__next"
_INSTANT, _KIND, _ENTERED = "__instant", "__kind", "__entered"
_BEFORE = (Window.unboundedPreceding, Window.currentRow)
_CARRIED = ("__count_", "__sum_", "__squares_", "__enters_", "__min_", "__max_", "__head_", "__list_")
_TOTALS = {"min": ("count",), "max": ("count",), "sum": ("sum",), "mean": ("sum", "count")}
_TOTALS |= {"std": ("sum", "squares", "count")}
_WIDE = "decimal(20,0)"
"""Holds any int64; the product of two has up to 38 digits, which is all that Spark's decimals hold."""


def change_log_in_sql(events: DataFrame, spec: ChangeLogSpec, schema: Mapping[str, pl.DataType]) -> DataFrame:
    """The change log of events, equal to the kernel's bit for bit.

    Args:
        events: Key, time, order and aggregated columns; keys and times not NULL. With a column `SINCE` (one value per
            key) only instants from it on are made, of all events.
        spec: What to aggregate.
        schema: The events' columns as Polars types.

    Returns:
        Key columns, the instants and one column per aggregation and window. What the kernel refuses fails the job, as
        `worker_errors` tells.
    """
    plan = _Plan(spec, schema)
    numbered = plan.running(plan.blocks(plan.distinct(plan.prepared(events))))
    return plan.outputs(plan.newest(plan.instants(numbered)))


class _Plan:
    """The stages, each adding columns named by what they hold, of which column, over which window (µs)."""

    def __init__(self, spec: ChangeLogSpec, schema: Mapping[str, pl.DataType]) -> None:
        self._spec, self._schema = spec, schema
        self._since = [SINCE] if SINCE in schema else []

    def prepared(self, events: DataFrame) -> DataFrame:
        """The columns that are needed, the time in microseconds, and what is summed as integers."""
        spec = self._spec
        used = [a.column for a in spec.aggregations if a.column is not None]
        kept = list(dict.fromkeys([*spec.key, spec.time, *spec.order, *used]))
        whole = [self._whole(c).alias(f"__whole_{c}") for c in self._columns("sum", "mean", "std")]
        compared = [self._comparable(c).alias(f"__value_{c}") for c in self._columns("min", "max")]
        since = [F.unix_micros(name).alias(name) for name in self._since]
        return events.select(*kept, F.unix_micros(spec.time).alias(_TIME), *since, *whole, *compared)

    def distinct(self, events: DataFrame) -> DataFrame:
        """Whether an event's value enters a window that has none like it, and leaves none like it when it goes."""
        for column in self._columns("n_unique"):
            equal = Window.partitionBy(*self._spec.key, column).orderBy(_TIME)
            time, there = F.col(_TIME), F.col(column).isNotNull()
            before, after = F.lag(_TIME).over(equal), F.lead(_TIME).over(equal)
            flags = {}
            for window in self._windows("n_unique", column):
                enters, leaves = before.isNull(), after.isNull()
                if window is not None:
                    enters, leaves = enters | (time > before + window), leaves | (after > time + window)
                flags[f"__enters_{column}_{window}"] = (there & enters).cast("bigint")
                flags[f"__leaves_{column}_{window}"] = (there & leaves).cast("bigint")
            events = events.withColumns(flags)
        return events

    def blocks(self, events: DataFrame) -> DataFrame:
        """The extremes of a block of time up to each event, and from it on; events of one time count together."""
        for window in self._spec.finite:
            wanted = [(f, c) for f in ("min", "max") for c in self._columns(f) if window in self._windows(f, c)]
            if not wanted:
                continue
            events = events.withColumn(_BLOCK, _block(F.col(_TIME), window))
            block = Window.partitionBy(*self._spec.key, _BLOCK)
            for end, order in (("head", F.col(_TIME).asc()), ("tail", F.col(_TIME).desc())):
                frame = block.orderBy(order).rangeBetween(*_BEFORE)
                events = events.withColumns(
                    {f"__{end}_{f}_{c}_{window}": _extreme(f, c).over(frame) for f, c in wanted}
                )
        return events

    def running(self, events: DataFrame) -> DataFrame:
        """Every event's number and running totals, and what comes after it."""
        order = Window.partitionBy(*self._spec.key).orderBy(_TIME, *self._spec.order)
        rows = order.rowsBetween(*_BEFORE)
        number = F.row_number().over(order).cast("bigint")
        made = {_NUMBER: number, _NEXT: F.lead(_TIME).over(order)}
        for column in self._columns("mean", "std", "min", "max"):
            made[f"__count_{column}"] = F.count(column).over(rows)
        for column in self._columns("sum", "mean", "std"):
            whole = F.col(f"__whole_{column}")
            largest = F.max(F.abs(whole.cast("double"))).over(rows)
            total, squares = F.try_sum(whole).over(rows), F.try_sum(F.try_multiply(whole, whole)).over(rows)
            made[f"__sum_{column}"] = self._fitting(column, total, largest * number)
            if column in self._columns("std"):
                made[f"__squares_{column}"] = self._fitting(column, squares, largest * largest * number)
        for function in ("min", "max"):
            made |= {f"__{function}_{c}": _extreme(function, c).over(rows) for c in self._columns(function)}
        for column in self._columns("last_n"):
            length = max(a.n or 1 for a in self._spec.aggregations if a.column == column)
            newest = F.collect_list(F.struct(column)).over(order.rowsBetween(1 - length, Window.currentRow))
            made[f"__list_{column}"] = F.reverse(newest)[column]
        made |= {c: F.sum(c).over(rows) for c in events.columns if c.startswith(("__enters_", "__leaves_"))}
        made |= {c: F.lead(c).over(order) for c in events.columns if c.startswith("__tail_")}
        return events.withColumns(made)

    def instants(self, events: DataFrame) -> DataFrame:
        """A row for every event's entry and for its leaving of every window, with what it carries from then on."""
        spec = self._spec
        lengths = [0, *spec.finite]
        points = [
            F.struct(self._rounded(w).alias(_INSTANT), F.lit(kind).alias(_KIND)) for kind, w in enumerate(lengths)
        ]
        carried = [self._entering(events), *(self._leaving(events, w) for w in spec.finite)]
        streams = [
            F.when(F.col(_KIND) == kind, F.struct(*names)).alias(stream)
            for kind, (names, stream) in enumerate(zip(carried, self._streams, strict=True))
        ]
        exploded = events.select("*", F.inline(F.array(*points)))
        return exploded.select(*spec.key, *self._since, _INSTANT, _NUMBER, *streams)

    def newest(self, points: DataFrame) -> DataFrame:
        """One row per key and instant, with what the newest event carries that entered, and that left each window."""
        order = Window.partitionBy(*self._spec.key).orderBy(_INSTANT, _NUMBER)
        found = [F.last(s, ignorenulls=True).over(order.rowsBetween(*_BEFORE)).alias(s) for s in self._streams]
        following = F.lead(_INSTANT).over(order).alias(_NEXT)
        known = points.select(*self._spec.key, *self._since, _INSTANT, *found, following)
        for since in self._since:
            known = known.where(F.col(_INSTANT) >= F.col(since))
        return known.where(F.col(_NEXT).isNull() | (F.col(_NEXT) > F.col(_INSTANT)))

    def outputs(self, points: DataFrame) -> DataFrame:
        """The columns of the change log."""
        made = [
            self._output(aggregation, None if window is None else window // MICROSECOND).alias(name)
            for aggregation in self._spec.aggregations
            for window, name in zip(aggregation.windows, aggregation.outputs, strict=True)
        ]
        return points.select(*self._spec.key, F.timestamp_micros(_INSTANT).alias(self._spec.time), *made)

    def _output(self, aggregation: Aggregation, window: int | None) -> Column:
        column = aggregation.column
        rows = _within(_NUMBER, window)
        if column is None:
            return rows
        totals = [_within(f"__{what}_{column}", window) for what in _TOTALS.get(aggregation.function, ())]
        digits = self._spec.digits(column, self._schema) if aggregation.needs_decimals else None
        scale = F.lit(10 ** (digits or 0)).cast("bigint")
        match aggregation.function, totals:
            case "sum", [total]:
                return total if digits is None else total.cast("double") / scale.cast("double")
            case "mean", [total, count]:
                return F.when(count > 0, total.cast("double") / (count * scale).cast("double"))
            case "std", [total, squares, count]:
                exact = count.cast(_WIDE) * squares.cast(_WIDE) - total.cast(_WIDE) * total.cast(_WIDE)
                variance = exact.cast("double") / (count * (count - 1)).cast("double")
                return F.when(count > 1, F.sqrt(variance) / scale.cast("double"))
            case "min" | "max", [count]:
                return F.when(count > 0, _extreme_within(aggregation.function, column, window))
            case "last", _:
                return F.when(rows > 0, F.col(_ENTERED)[column])
            case "last_n", _:
                length = F.least(rows, F.lit(aggregation.n)).cast("int")
                return F.slice(F.col(_ENTERED)[f"__list_{column}"], F.lit(1), length)
            case _:
                return _within(f"__enters_{column}_{window}", window, left=f"__leaves_{column}_{window}")

    def _entering(self, events: DataFrame) -> list[str]:
        """What an event carries from its entry on."""
        return [_NUMBER, _TIME, *self._columns("last"), *(c for c in events.columns if c.startswith(_CARRIED))]

    def _leaving(self, events: DataFrame, window: int) -> list[str]:
        """What an event carries from its leaving a window on."""
        used = [a for a in self._spec.aggregations if window in self._windows(a.function, a.column)]
        totals = [f"__{what}_{a.column}" for a in used for what in _TOTALS.get(a.function, ())]
        own = [c for c in events.columns if c.startswith(("__leaves_", "__tail_")) and c.endswith(f"_{window}")]
        return list(dict.fromkeys([_NUMBER, _NEXT, *totals, *own]))

    @property
    def _streams(self) -> list[str]:
        return [_ENTERED, *map(_left, self._spec.finite)]

    def _columns(self, *functions: str) -> list[str]:
        """The columns that any of the functions aggregates."""
        return sorted({a.column for a in self._spec.aggregations if a.function in functions and a.column})

    def _windows(self, function: str, column: str | None) -> list[int | None]:
        """The windows over which a function aggregates a column."""
        same = [a for a in self._spec.aggregations if (a.function, a.column) == (function, column)]
        return list(dict.fromkeys(None if w is None else w // MICROSECOND for a in same for w in a.windows))

    def _rounded(self, window: int) -> Column:
        """The instant just after an event leaves a window; it enters as it leaves one of length 0."""
        instant = F.col(_TIME) + (window + 1)
        if self._spec.resolution is None:
            return instant
        return instant + F.pmod(-instant, F.lit(self._spec.resolution // MICROSECOND))

    def _whole(self, column: str) -> Column:
        """A summed column as integers of its scale."""
        value, digits = F.col(column), self._spec.digits(column, self._schema)
        if digits is None:
            return value.cast("bigint")
        scaled = value.cast("double") * F.lit(float(10**digits))
        size, whole = F.abs(scaled), F.rint(scaled)
        slack = F.greatest(F.lit(exact_sums.SLACK), size * exact_sums.relative_slack(self._schema[column]))
        return (
            F.when(_infinite(value), self._refused(column, exact_sums.NOT_FINITE))
            .when(F.abs(scaled - whole) > slack, self._refused(column, exact_sums.too_many_digits(digits)))
            .when(size > exact_sums.LARGEST_SUM, self._refused(column, exact_sums.TOO_LARGE))
            .otherwise(whole.cast("bigint"))
        )

    def _comparable(self, column: str) -> Column:
        value = F.col(column)
        if not self._schema[column].is_float():
            return value
        return F.when(_infinite(value), self._refused(column, exact_sums.NOT_FINITE)).otherwise(value)

    def _fitting(self, column: str, total: Column, bound: Column) -> Column:
        """A running total, 0 before the first value; refused where the kernel refuses it."""
        refused = self._refused(column, exact_sums.TOO_LARGE)
        return F.when(bound > exact_sums.LARGEST_SUM, refused).otherwise(F.coalesce(total, F.lit(0)))

    def _refused(self, column: str, why: str) -> Column:
        return F.raise_error(packed(exact_sums.inexact(self._spec.where, column, why)))


def _left(window: int) -> str:
    return f"__left_{window}"


def _within(name: str, window: int | None, *, left: str = "") -> Column:
    """A total over the window: of what has entered, less of what has left."""
    entered = F.col(_ENTERED)[name]
    return entered if window is None else entered - F.coalesce(F.col(_left(window))[left or name], F.lit(0))


def _extreme(function: str, column: str) -> Column:
    return (F.max if function == "max" else F.min)(f"__value_{column}")


def _extreme_within(function: str, column: str, window: int | None) -> Column:
    """The extreme of a window that is not empty: of the blocks in which it begins and in which it ends."""
    entered, name = F.col(_ENTERED), f"{function}_{column}"
    if window is None:
        return entered[f"__{name}"]
    left, newest = F.col(_left(window)), _block(F.col(_INSTANT) - 1, window)
    head = F.when(_block(entered[_TIME], window) == newest, entered[f"__head_{name}_{window}"])
    tail = F.when(_block(left[_NEXT], window) < newest, left[f"__tail_{name}_{window}"])
    both = F.greatest if function == "max" else F.least
    return F.when(left.isNull(), entered[f"__{name}"]).otherwise(both(head, tail))


def _block(time: Column, length: int) -> Column:
    """Where the block of a time begins."""
    return time - F.pmod(time, F.lit(length))


def _infinite(value: Column) -> Column:
    return F.isnan(value) | (F.abs(value) == float("inf"))
