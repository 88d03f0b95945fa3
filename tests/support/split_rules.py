"""A small spine and a split rule of every kind."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import numpy as np
import polars as pl

from feature_groups.store import EntityTimeSplit, HashSplit, KFold, TimeSplit
from feature_groups.store.split_rule import Split

US = timedelta(microseconds=1)
START = datetime(2000, 1, 1, tzinfo=UTC)
VALIDATION, TEST, END = (START + timedelta(days=d) for d in (300, 600, 900))
TIMES = TimeSplit(validation_from=VALIDATION, test_from=TEST, until=END, embargo=timedelta(days=7))
RULES: list[Split] = [
    HashSplit(0.5, 0.25, 0.25),
    HashSplit(0.6, 0, 0.4, by=["town", "user_id"]),
    TIMES,
    TimeSplit(test_from=TEST),
    EntityTimeSplit(HashSplit(0.5, 0.25, 0.25), TIMES),
    KFold(k=3),
    KFold(k=3, stratify="minor"),
]


def spine(rows: int = 500, users: int = 80, seed: int = 0) -> pl.DataFrame:
    """Rows of users of three towns over a thousand days; `row` tells them apart."""
    random = np.random.default_rng(seed)
    user = random.integers(0, users, rows)
    days = pl.Series(random.integers(0, 1000 * 86_400_000_000, rows)).cast(pl.Duration("us"))
    return pl.DataFrame({"row": range(rows), "user_id": user, "t": START + days}).with_columns(
        town=pl.format("town {}", pl.col("user_id") % 3), minor=(pl.col("user_id") % 9 == 0) & (pl.col("row") % 2 == 0)
    )


SPINE = spine()


def split(rule: Split, frame: pl.DataFrame, seed: int = 7) -> pl.Series:
    return rule.assign(frame, entity=["user_id"], time="t", seed=seed)
