"""One day of events into a derived group whose history is 1, 4 and 16 times as long: only the day should cost."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import narwhals as nw
import numpy as np
import pandera.polars as pa
import polars as pl

from benchmarks.lake import scratch_home, session
from benchmarks.measure import Row, Work, alternate, versus
from benchmarks.report import main
from feature_groups.store import Aggregation, FeatureGroup, FeatureStore, Frame, Settings, UtcDatetime, connect
from feature_groups.store.derived import made
from feature_groups.store.materialize import materialize
from feature_groups.store.steps import Steps

DAYS = 30
TIMES = (1, 4, 16)
USERS = 3_000
VISITORS = 60
EVENTS = 2_000
LIMIT = 1.5
REPEATS = 3
START = datetime(2020, 1, 1, tzinfo=UTC)
_DAY = timedelta(days=1)


class Listen(pa.DataFrameModel):
    """One row per user and instant."""

    user_id: int
    heard_at: UtcDatetime
    seconds: int


class Habits(pa.DataFrameModel):
    """One row per user and instant at which something enters or leaves a window."""

    user_id: int
    heard_at: UtcDatetime
    count_1d: int = pa.Field(ge=0)
    count_7d: int = pa.Field(ge=0)
    count_30d: int = pa.Field(ge=0)
    count_all: int = pa.Field(ge=1)
    minutes_sum_30d: int = pa.Field(ge=0)
    minutes_sum_all: int = pa.Field(ge=0)
    minutes_std_all: float = pa.Field(nullable=True)
    minutes_max_30d: int = pa.Field(nullable=True)
    seconds_last_all: int
    share_7d: float = pa.Field(ge=0, le=1)


def in_minutes(rows: Frame) -> Frame:
    """The transform: whole minutes beside the seconds."""
    return rows.with_columns((nw.col("seconds") // 60).cast(nw.Int64).alias("minutes"))


def shares(rows: Frame) -> Frame:
    """The derived column: how much of everything falls in the last week."""
    return rows.with_columns((nw.col("count_7d") / nw.col("count_all")).alias("share_7d"))


listens = FeatureGroup(
    name="listens",
    version=1,
    description="What users listened to, made up for the benchmarks.",
    primary_key=["user_id"],
    event_time="heard_at",
    contract=Listen,
)
habits = FeatureGroup(
    name="habits",
    version=1,
    description="How much users listen.",
    primary_key=["user_id"],
    event_time="heard_at",
    parents=[listens],
    transform=in_minutes,
    aggregations=[
        Aggregation("count", windows=[_DAY, 7 * _DAY, 30 * _DAY, None]),
        Aggregation("sum", "minutes", [30 * _DAY, None]),
        Aggregation("std", "minutes"),
        Aggregation("max", "minutes", [30 * _DAY]),
        Aggregation("last", "seconds"),
    ],
    derive=shares,
    contract=Habits,
)


def rows() -> list[Row]:
    """Refreshes after a day of events each, with the three histories in turn."""
    with scratch_home() as settings:
        return _measured(settings)


def listened(first: int, days: int) -> pl.DataFrame:
    """The events of some days: every day `EVENTS` by `VISITORS` of `USERS` users, each in a visit of an hour.

    Args:
        first: Number of the first day; the same day has the same events.
        days: How many.

    Returns:
        Shape (days * EVENTS, 3), the columns of `Listen`.
    """
    parts = []
    for day in range(first, first + days):
        chance = np.random.default_rng([11, day])
        visitors = chance.choice(USERS, size=VISITORS, replace=False)
        begins = chance.integers(0, 23 * 3600, size=VISITORS)
        who = np.arange(EVENTS) % VISITORS
        # A key's instants differ: an event every hundred seconds or so of its visit.
        second = begins[who] + np.arange(EVENTS) // VISITORS * 100 + chance.integers(0, 100, size=EVENTS)
        parts.append((visitors[who] + 1, day * 86_400 + second, chance.integers(1, 600, size=EVENTS)))
    users, at, seconds = (np.concatenate(values) for values in zip(*parts, strict=True))
    instants = np.datetime64(START.replace(tzinfo=None), "us") + at * np.timedelta64(1_000_000, "us")
    heard_at = pl.Series(instants).dt.replace_time_zone("UTC")
    return pl.DataFrame({"user_id": users, "heard_at": heard_at, "seconds": seconds})


def _measured(settings: Settings) -> list[Row]:
    session(settings)
    stores = {times: connect(settings.home / f"lake-{times}", settings=settings) for times in TIMES}
    for times, store in stores.items():
        store.get_or_create_feature_group(listens).insert(listened(0, DAYS * times))
        _refresh(store)
    received: dict[int, int] = {}

    def one_day(times: int, repeat: int) -> Work:
        store = stores[times]
        # The newest days of every history are the same number of days on.
        store.get_or_create_feature_group(listens).insert(listened(DAYS * times + repeat, 1))

        def work() -> None:
            received[times] = _refresh(store)

        return work

    for warm_up in (0, 1):
        for times in TIMES:
            one_day(times, warm_up)()
    ways = {f"{t}x": lambda repeat, t=t: one_day(t, repeat + 2) for t in TIMES}
    spent = alternate(ways, repeats=REPEATS)
    same = all(_equals_a_rebuild(store) for store in stores.values())
    told = ", ".join(f"{t}x {spent[f'{t}x'].cpu:.2f} CPU-s for {received[t]:,} rows" for t in TIMES)
    lines = []
    for times in TIMES[1:]:
        lines.append(
            versus(
                f"refresh of a derived group after one day of {EVENTS:,} events, history of {DAYS * times} days",
                spent[f"{times}x"],
                f"the same with a history of {DAYS} days",
                spent["1x"],
                limit=LIMIT if times == TIMES[-1] else None,
                same=same,
                note=f"median of {REPEATS} in a warm session, MERGE included; {told}; equal to a rebuild",
            )
        )
    return lines


def _refresh(store: FeatureStore) -> int:
    """As the refresh flow does; returns the rows it made."""
    steps = Steps(store)
    decision = steps.decide(habits, None)
    done = materialize(
        store,
        habits,
        data=None,
        batch_key=decision.batch_key,
        reason=decision.why,
        anew=decision.anew,
        starting_point=decision.starting_point,
    )
    steps.record(habits, decision, done.receipt, source_rows=None)
    return done.receipt.received


def _equals_a_rebuild(store: FeatureStore) -> bool:
    """Whether the newest refresh was an increment, and the table holds what all events give."""
    stored = store.get_or_create_feature_group(habits)
    events: Any = store.get_or_create_feature_group(listens).read(engine="polars")
    anew = store.shop.polars.collect(made(store.shop.polars, habits, [nw.from_native(events)]))
    found = stored.read(engine="polars").collect()
    key = ["user_id", "heard_at"]
    return "increment" in str(stored.history(1)[0].why) and found.sort(key).equals(anew.sort(key))


if __name__ == "__main__":
    main(rows)
