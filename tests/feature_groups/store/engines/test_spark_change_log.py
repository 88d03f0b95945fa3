"""The change log on Spark, in buckets of keys and in SQL, against the definition and against Polars, bit for bit."""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from polars.testing import assert_frame_equal

from change_logs import AGGREGATIONS, START, TICK, Event, frame, random_events, spec, wrong
from feature_groups.store import Aggregation, Settings, connect
from feature_groups.store.change_log import change_log
from feature_groups.store.errors import ContractViolated
from feature_groups.store.names import SINCE
from feature_groups.store.window_slices import ChangeLogSpec

FEW, ALL = 10**9, 1
"""Events of a key that go to a worker: no key has more, every key of two events has more."""

LEAN = (AGGREGATIONS[0], *(replace(a, windows=a.windows[-2:]) for a in AGGREGATIONS[1:]))
"""Every function over a finite window and the unbounded one; another finite window has counts alone."""

OnSpark = Callable[[pl.DataFrame, ChangeLogSpec, int], pl.DataFrame]


@pytest.fixture
def on_spark(lake: Path, tmp_path: Path) -> OnSpark:
    """The change log as Spark makes it, in a worker for keys of so many events at most."""

    def made(events: pl.DataFrame, wanted: ChangeLogSpec, most: int) -> pl.DataFrame:
        events.write_parquet(tmp_path / "events.parquet")
        rows = most * (1 + len(wanted.finite))
        store = connect(lake, settings=Settings(engine="polars", spark_key_rows=rows, spark_buckets=3))
        engine = store.shop.spark()
        log = engine.collect(engine.change_log(engine.files(str(tmp_path)), wanted))
        return log.sort("k", wanted.time)

    return made


def test_both_forms_say_what_the_definition_says(on_spark: OnSpark, caplog: pytest.LogCaptureFixture) -> None:
    rows = random_events(seed=1, keys=60)
    with caplog.at_level(logging.INFO):
        log = on_spark(frame(rows), spec(aggregations=LEAN), 12)

    sizes = np.bincount([e[0] for e in rows])
    assert f"in SQL for {sum(sizes > 12)} keys of more than 12 events" in caplog.text
    assert f"in {-(-2 * len(rows) // 12)} buckets of keys" in caplog.text
    assert 10 < sum(sizes > 12) < 50
    assert_frame_equal(log, change_log(frame(rows), spec(aggregations=LEAN)), check_exact=True)
    assert wrong(log, [e for e in rows if e[0] < 20], range(0, 80, 7), LEAN) == []


def test_in_sql_too_a_resolution_merges_what_enters_and_leaves_at_one_instant(on_spark: OnSpark) -> None:
    rows = random_events(seed=2, keys=30)
    windows = (2 * TICK, 9 * TICK, None)
    some = tuple(Aggregation(f, "x", windows) for f in ("sum", "min", "n_unique", "last"))
    coarse = spec(5 * TICK, some)
    asked_from = (
        pl.when(pl.col("k") < 20).then(START).otherwise(START + pl.duration(microseconds=pl.col("k"))).alias(SINCE)
    )
    log = on_spark(frame(rows).with_columns(asked_from), coarse, ALL)

    whole = change_log(frame(rows), coarse)
    assert_frame_equal(log, whole.filter(pl.col("t") >= asked_from), check_exact=True)
    assert 0 < log.height < whole.height
    assert wrong(log, [e for e in rows if e[0] < 20], range(0, 80, 5), some) == []


REFUSED: dict[str, tuple[list[Event], Aggregation]] = {
    "more digits than declared": ([(0, t, 0, 1, 0.123, "a") for t in (0, 1)], Aggregation("sum", "y")),
    "a square beyond 64 bits": ([(0, t, 0, 3 * 10**9, 0.0, "a") for t in (0, 1)], Aggregation("std", "x")),
    "an extreme that is no number": ([(0, t, 0, 1, float("nan"), "a") for t in (0, 1)], Aggregation("max", "y")),
}


@pytest.mark.parametrize("name", REFUSED)
@pytest.mark.parametrize("most", [FEW, ALL])
def test_what_polars_refuses_is_refused_in_the_same_words(on_spark: OnSpark, name: str, most: int) -> None:
    rows, aggregation = REFUSED[name]
    wanted = spec(aggregations=(aggregation,))
    with pytest.raises(ContractViolated) as here:
        change_log(frame(rows), wanted)
    with pytest.raises(ContractViolated) as there:
        on_spark(frame(rows), wanted, most)
    assert str(there.value) == str(here.value)


@pytest.mark.slow
@pytest.mark.parametrize("most", [FEW, ALL])
@pytest.mark.parametrize("resolution", [None, 4 * TICK])
@pytest.mark.parametrize("start", [START, datetime(1970, 1, 1, tzinfo=UTC)], ids=["2000", "1970"])
def test_many_histories_in_one_job_are_equal(on_spark: OnSpark, most: int, resolution: None, start: datetime) -> None:
    events = frame(random_events(seed=3, keys=400), start - 30 * TICK)

    assert_frame_equal(on_spark(events, spec(resolution), most), change_log(events, spec(resolution)), check_exact=True)


@pytest.mark.slow
def test_a_hot_key_with_a_third_of_the_rows_is_equal(on_spark: OnSpark, caplog: pytest.LogCaptureFixture) -> None:
    draw, count = np.random.default_rng(4), 100_000
    keys = np.where(draw.random(count) < 0.3, 0, draw.integers(1, 2000, count))
    columns = {
        "k": keys,
        "t": pl.Series(draw.integers(0, 40_000, count)).cast(pl.Duration("us")) + START,
        "s": draw.permutation(count),
        "x": draw.integers(-3, 4, count),
        "y": draw.integers(0, 400, count) / 4,
        "word": draw.choice(["a", "b", "ä"], count),
    }
    events = pl.DataFrame(columns, schema_overrides={"t": pl.Datetime("us", "UTC")})
    with caplog.at_level(logging.INFO):
        log = on_spark(events, spec(), 10_000)

    assert "in 20 buckets of keys, and in SQL for 1 keys of more than 10,000 events" in caplog.text
    assert_frame_equal(log, change_log(events, spec()), check_exact=True)
