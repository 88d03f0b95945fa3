"""Window aggregations as a change log: one row per key and instant at which an event enters or leaves a window.

An event at t is in the window of length w of every instant p with ``p - w <= t < p``: it enters at t + 1 µs and
leaves at t + w + 1 µs. The newest row at or before any instant is therefore the exact value over ``[p - w, p)``.

With the events sorted by key and time, the events in a window are one slice ``[lo, hi)`` of the array: `hi` counts
the entries up to an instant, `lo` the exits. Every aggregate is then a difference of prefix sums in integers
(count, sum, mean, std, n_unique), a look-up (last, last_n) or a range minimum (min, max), so results do not depend
on order or engine.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import polars as pl

from feature_groups.store.exact_sums import Ints
from feature_groups.store.names import SINCE
from feature_groups.store.window_slices import MICROSECOND, ChangeLogSpec, Slices

_MAX_CODE = 2**62
_PART = 2**18
"""Events computed at a time, whole keys: bounds the memory for what is made on the way."""


def change_log(events: pl.DataFrame, spec: ChangeLogSpec) -> pl.DataFrame:
    """The change log of all events.

    Args:
        events: Key, time, order and aggregated columns; keys and times not NULL. Any order. Shape (n, columns). With
            a column `SINCE` (µs, UTC; one value per key) only instants from it on are made, of all events.
        spec: What to aggregate.

    Returns:
        Key columns, the instants (µs, UTC) and one column per aggregation and window, sorted by key and instant.

    Raises:
        ContractViolated: A float to be summed has more digits than declared, a float to be summed or compared is not
            finite, or a sum could overflow int64.
        InvalidDeclaration: A column has a type that its aggregation cannot have.
    """
    schema = spec.schema(events.schema)
    if not events.height:
        return pl.DataFrame(schema=schema)
    ordered = events.sort([*spec.key, spec.time, *spec.order], nulls_last=False, maintain_order=True)
    time = ordered[spec.time].dt.timestamp("us").to_numpy()
    group = ordered.select(pl.struct(spec.key).rle_id()).to_series().to_numpy().astype(np.int64)
    starts = np.flatnonzero(np.r_[True, group[1:] != group[:-1]])
    parts = [
        _part(ordered[first:last], time[first:last], group[first:last], spec)
        for first, last in _chunks(time, starts, spec)
    ]
    return pl.concat(parts)


def _part(events: pl.DataFrame, time: Ints, group: Ints, spec: ChangeLogSpec) -> pl.DataFrame:
    """The change log of whole keys whose instants fit one line of codes."""
    group = group - group[0]
    starts = np.flatnonzero(np.r_[True, group[1:] != group[:-1]])
    windows = spec.finite
    base, first = _bases(time, starts, windows, spec)
    entry = base[group] + (_rounded(time + 1, spec) - first[group])
    leave = {w: base[group] + (_rounded(time + w + 1, spec) - first[group]) for w in windows}
    codes = np.sort(np.concatenate([entry, *leave.values()]), kind="stable")  # merges runs that are sorted already
    points = codes[np.r_[True, codes[1:] != codes[:-1]]]
    hi = np.searchsorted(entry, points, side="right")
    owner = group[hi - 1]
    if SINCE in events.columns:
        since = events[SINCE].dt.timestamp("us").to_numpy()
        asked = points - base[owner] + first[owner] >= since[hi - 1]
        points, hi, owner = points[asked], hi[asked], owner[asked]
    lo: dict[int | None, Ints] = {w: np.searchsorted(gone, points, side="right") for w, gone in leave.items()}
    lo[None] = starts[owner]
    instants = pl.Series(spec.time, points - base[owner] + first[owner]).cast(pl.Datetime("us", "UTC"))
    keys = events[starts].select(spec.key)[owner]
    slices = Slices(events, time, group, hi, lo, spec)
    columns = [
        slices.column(aggregation, window, name)
        for aggregation in spec.aggregations
        for window, name in zip(aggregation.windows, aggregation.outputs, strict=True)
    ]
    return keys.with_columns(instants, *columns)


def _rounded(instants: Ints, spec: ChangeLogSpec) -> Ints:
    if spec.resolution is None:
        return instants
    step = spec.resolution // MICROSECOND
    rounded: Ints = -(-instants // step) * step
    return rounded


def _bases(time: Ints, starts: Ints, windows: Sequence[int], spec: ChangeLogSpec) -> tuple[Ints, Ints]:
    """Per key where its codes begin, and the instant they begin at: keys lie one after another on one line."""
    ends = np.r_[starts[1:], len(time)] - 1
    first = _rounded(time[starts] + 1, spec)
    last = _rounded(time[ends] + max(windows, default=0) + 1, spec)
    length = last - first + 1
    return np.r_[np.int64(0), np.cumsum(length)[:-1]], first


def _chunks(time: Ints, starts: Ints, spec: ChangeLogSpec) -> list[tuple[int, int]]:
    """Runs of whole keys, about `_PART` events each, whose instants, laid one after another, stay below 2^62."""
    longest = max(spec.finite, default=0)
    slack = 2 * (spec.resolution // MICROSECOND) if spec.resolution else 0
    ends = np.r_[starts[1:], len(time)]
    lengths = (time[ends - 1] - time[starts] + longest + slack + 2).astype(np.float64)
    line, part = (np.cumsum(lengths) // _MAX_CODE).astype(np.int64), (ends - 1) // _PART
    borders = np.flatnonzero(np.r_[True, (line[1:] != line[:-1]) | (part[1:] != part[:-1])])
    firsts = [int(starts[b]) for b in borders]
    return list(zip(firsts, [*firsts[1:], len(time)], strict=True))
