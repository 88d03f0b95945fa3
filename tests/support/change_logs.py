"""Random events and what their change log must say, by the definition alone."""

from __future__ import annotations

import math
import random
from datetime import UTC, datetime, timedelta
from typing import Any

import polars as pl

from feature_groups.store import Aggregation
from feature_groups.store.window_slices import ChangeLogSpec

START = datetime(2000, 1, 1, tzinfo=UTC)
TICK = timedelta(microseconds=1)
WINDOWS = (3 * TICK, 10 * TICK, None)
FUNCTIONS = ("sum", "mean", "min", "max", "std", "last", "n_unique")
AGGREGATIONS = (
    Aggregation("count", windows=WINDOWS),
    *(Aggregation(f, "x", WINDOWS) for f in FUNCTIONS),  # type: ignore[arg-type]  # one of the literals
    Aggregation("last_n", "x", WINDOWS, n=3),
    Aggregation("sum", "y", WINDOWS),
    Aggregation("std", "y", [WINDOWS[1]]),
    Aggregation("max", "word", WINDOWS[1:]),
)
SCHEMA = {
    "k": pl.Int64,
    "t": pl.Datetime("us", "UTC"),
    "s": pl.Int64,
    "x": pl.Int64,
    "y": pl.Float64,
    "word": pl.String,
}

Event = tuple[int, int, int, int | None, float, str | None]
"""Key, time in ticks, sequence, and the values of x, y and word."""


def spec(resolution: timedelta | None = None, aggregations: tuple[Aggregation, ...] = AGGREGATIONS) -> ChangeLogSpec:
    """Aggregations of events by key."""
    return ChangeLogSpec(("k",), "t", ("s",), aggregations, resolution, {"y": 2}, "feature group 'x' v1")


def frame(rows: list[Event], start: datetime = START) -> pl.DataFrame:
    """The events as a frame."""
    return pl.DataFrame([(k, start + t * TICK, *rest) for k, t, *rest in rows], schema=SCHEMA, orient="row")


def random_events(seed: int, keys: int) -> list[Event]:
    """Up to twenty events of each key: some at one time, some far apart, with NULLs and repeated values."""
    draw, rows = random.Random(seed), []
    for key in range(keys):
        span = draw.choice([3, 12, 25, 60])
        places = {(draw.randint(0, span), draw.randint(0, 99)) for _ in range(draw.randint(1, 20))}
        for time, sequence in draw.sample(sorted(places), len(places)):
            x, word = draw.choice([None, *range(-3, 4)]), draw.choice([None, "a", "b", "ä"])
            rows.append((key, time, sequence, x, draw.randint(0, 400) / 4, word))
    return rows


def by_hand(rows: list[Event], at: int, window: timedelta | None, aggregation: Aggregation) -> Any:
    """The definition: all events with at - w <= t < at, in order of time and sequence."""
    place = {"x": 3, "y": 4, "word": 5}.get(aggregation.column or "x", 0)
    then = sorted(rows, key=lambda e: e[1:3])
    inside = [e for e in then if e[1] < at and (window is None or e[1] >= at - window // TICK)]
    column: list[Any] = [e[place] for e in inside]
    values = [v for v in column if v is not None]
    match aggregation.function:
        case "count":
            return len(inside)
        case "sum":
            return sum(values)
        case "mean":
            return sum(values) / len(values) if values else None
        case "min":
            return min(values, default=None)
        case "max":
            return max(values, default=None)
        case "std":
            cents = [round(v * 100) for v in values] if aggregation.column == "y" else values
            n, scale = len(values), 100 if aggregation.column == "y" else 1
            spread = n * sum(v * v for v in cents) - sum(cents) ** 2
            return math.sqrt(spread / (n * (n - 1))) / scale if n > 1 else None
        case "last":
            return column[-1] if column else None
        case "n_unique":
            return len(set(values))
        case _:
            return column[::-1][: aggregation.n]


def wrong(log: pl.DataFrame, rows: list[Event], instants: range, aggregations: tuple[Aggregation, ...]) -> list[str]:
    """Where the newest row at or before an instant is not what the definition says: key, instant, column."""
    found = []
    for key in sorted({e[0] for e in rows}):
        mine = [e for e in rows if e[0] == key]
        made = log.filter(pl.col("k") == key).sort("t")
        times = [(t - START) // TICK for t in made["t"]]
        for at in instants:
            newest = max((i for i, t in enumerate(times) if t <= at), default=None)
            if newest is None:
                found += [f"{key} {at}: no row"] if any(t < at for _, t, *_ in mine) else []
                continue
            row = made.row(newest, named=True)
            for aggregation in aggregations:
                for window, output in zip(aggregation.windows, aggregation.outputs, strict=True):
                    if row[output] != by_hand(mine, at, window, aggregation):
                        found.append(f"{key} {at}: {output} is {row[output]}")
    return found
