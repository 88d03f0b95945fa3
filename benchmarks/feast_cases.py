"""Small cases of the point-in-time join with their right answers, on which feature stores are known to differ."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import numpy as np
import polars as pl

START = datetime(2026, 1, 31, 12, tzinfo=UTC)
HOUR, SECOND, TICK = timedelta(hours=1), timedelta(seconds=1), timedelta(microseconds=1)
SHUFFLED_ENTITIES, VERSIONS = 20_000, 10

Row = tuple[str | None, str, datetime, datetime, float]
"""(key, second key, event time, created, value)"""
Question = tuple[str | None, str, datetime]
"""(key, second key, instant)"""


@dataclass(frozen=True)
class Case:
    """One case.

    Attributes:
        name: What it is about.
        rows: What is known.
        spine: What is asked.
        expected: The value of every question.
        max_age: The oldest row that counts.
        composite: Whether the second key counts.
    """

    name: str
    rows: Sequence[Row]
    spine: Sequence[Question]
    expected: Sequence[float | None]
    max_age: timedelta | None = None
    composite: bool = False

    def frames(self) -> tuple[pl.DataFrame, pl.DataFrame]:
        """The rows (with ``row``, a number) and the spine (with ``n``)."""
        names = ["key", "second", "event_time", "created", "value"]
        kinds = {"key": pl.String, "event_time": pl.Datetime("us", "UTC"), "created": pl.Datetime("us", "UTC")}
        rows = pl.DataFrame(self.rows, schema=names, schema_overrides=kinds, orient="row")
        spine = pl.DataFrame(self.spine, schema=names[:3], schema_overrides=kinds, orient="row")
        return rows.with_row_index("row").cast({"row": pl.Int64}), spine.with_row_index("n").cast({"n": pl.Int64})

    def wrong(self, found: pl.DataFrame) -> int:
        """How many questions have no answer row, several, or another value; of ``n`` and ``value``."""
        wanted = pl.DataFrame({"n": range(len(self.expected)), "wanted": self.expected}, schema_overrides=_TYPES)
        answers = found.select(pl.col("n").cast(pl.Int64), pl.col("value").cast(pl.Float64).fill_nan(None))
        each = answers.group_by("n").agg(pl.len(), pl.col("value").first())
        right = (pl.col("len") == 1) & pl.col("value").eq_missing(pl.col("wanted"))
        return wanted.height - wanted.join(each, on="n", how="left").filter(right).height


_TYPES = {"n": pl.Int64, "wanted": pl.Float64}


def cases() -> list[Case]:
    """All of them; "who is asked when, what is right" is each time to be seen from the rows."""
    a, b = "a", ""
    one: list[Row] = [(a, b, START, START, 1.0)]
    late, later = START + HOUR, START + 2 * HOUR
    return [
        Case(
            "age limit of an hour, to the microsecond",
            one,
            [(a, b, START - SECOND), (a, b, START), (a, b, late), (a, b, late + TICK)],
            [None, 1.0, 1.0, None],
            max_age=HOUR,
        ),
        Case("an entity with nothing but its future", one, [(a, b, START - HOUR), (a, b, late)], [None, 1.0]),
        Case("the same label twice", one, [(a, b, late), (a, b, late)], [1.0, 1.0]),
        _shuffled_ties(),
        Case(
            "one instant, one time of creation, two rows",
            [(a, b, START, START, 1.0), (a, b, START, START, 1.0)],
            [(a, b, late)],
            [1.0],
        ),
        Case(
            "keys that run together as text",
            [("1", "23", START, START, 100.0), ("12", "3", START, START, 200.0)],
            [("1", "23", late), ("12", "3", late)],
            [100.0, 200.0],
            composite=True,
        ),
        Case(
            "a label without a key",
            [*one, (None, b, START, START, 999.0)],
            [(None, b, later), (a, b, later)],
            [None, 1.0],
        ),
    ]


def _shuffled_ties() -> Case:
    """Several versions of every row, in no order: the one created last counts."""
    order = np.random.default_rng(3).permutation(SHUFFLED_ENTITIES * VERSIONS)
    rows = [
        (f"e{number // VERSIONS}", "", START, START + number % VERSIONS * SECOND, float(number % VERSIONS))
        for number in order.tolist()
    ]
    spine = [(f"e{entity}", "", START + HOUR) for entity in range(SHUFFLED_ENTITIES)]
    return Case(
        f"{VERSIONS} versions of {SHUFFLED_ENTITIES:,} rows, shuffled", rows, spine, [VERSIONS - 1.0] * len(spine)
    )
