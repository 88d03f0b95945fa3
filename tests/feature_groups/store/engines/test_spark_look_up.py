"""Look-ups on Spark: the kernel in buckets and the SQL form, many random cases in one job each."""

from __future__ import annotations

import logging
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import narwhals as nw
import numpy as np
import polars as pl
import pytest
from polars.testing import assert_frame_equal

from feature_groups.store import Settings, connect
from feature_groups.store.as_of import looked_up
from feature_groups.store.engines.spark_look_up import look_up
from feature_groups.store.engines.spark_look_up_sql import look_up_in_sql
from feature_groups.store.errors import EngineUnavailable
from feature_groups.store.look_up import LookUp
from feature_groups.store.names import ALIVE, ROW

CASES, TICK = 120, timedelta(microseconds=1)
START = datetime(1969, 12, 31, 23, 59, 59, 999_990, tzinfo=UTC)  # instants of both signs
TIMED = LookUp(
    "timed",
    left=("case", "key"),
    right=("case", "k"),
    event_time="e",
    outputs={"timed_x": "x", "timed_text": "text"},
    order=("s", "p"),
)
LOOKS = [
    replace(TIMED, max_age=timedelta.max),
    replace(TIMED, name="fresh", max_age=4 * TICK, strict=True, delay=TICK, outputs={"fresh_x": "x", "at": "e"}),
    replace(TIMED, name="static", event_time=None, order=("e", "s", "p"), outputs={"static_x": "x"}),
    # The key of this one is what another one found.
    replace(TIMED, name="reached", left=("case", "timed_x"), delay=3 * TICK, outputs={"reached_x": "x"}),
]


def instants(chance: np.random.Generator, low: int, high: int, count: int) -> pl.Series:
    ticks = pl.Series(chance.integers(low, high, count))
    return pl.select(pl.lit(START) + pl.duration(microseconds=ticks)).to_series().dt.cast_time_unit("us")


def sometimes(chance: np.random.Generator, values: pl.Series) -> pl.Series:
    return values.scatter(np.flatnonzero(chance.random(len(values)) < 0.15), None)


@pytest.fixture(scope="module")
def cases() -> tuple[pl.DataFrame, pl.DataFrame]:
    """A spine and rows of many small cases: ties, NULL keys, NULL values, keys and cases without any row."""
    chance = np.random.default_rng(20)
    n, m = CASES * 12, CASES * 20
    spine = pl.DataFrame(
        {
            ROW: np.arange(n),
            "case": chance.integers(0, CASES + 5, n),
            "key": sometimes(chance, pl.Series(chance.integers(0, 4, n))),
            "t": instants(chance, -3, 25, n),
            "kept as it is": chance.random(n),
        }
    )
    rows = pl.DataFrame(
        {
            "case": chance.integers(0, CASES, m),
            "k": chance.integers(0, 4, m),
            "p": chance.integers(0, 3, m),
            "e": instants(chance, 0, 20, m),
            "s": sometimes(chance, pl.Series(chance.integers(0, 2, m))),
            "x": sometimes(chance, pl.Series(chance.integers(0, 5, m))),
            "text": sometimes(chance, pl.Series(["", "ü", "\x00"]).gather(chance.integers(0, 3, m))),
        }
    ).unique(["case", "k", "p", "e"], maintain_order=True)
    return spine, rows


def on_spark(folder: Path, *frames: pl.DataFrame, **settings: Any) -> tuple[Any, list[Any]]:
    """The Spark engine and the frames there, as Spark's own frames."""
    shop = connect(folder, settings=Settings(engine="spark", **settings)).shop
    made = []
    for frame in frames:
        path = str(shop.spool())
        shop.polars.write_files(nw.from_native(frame.lazy()), path)
        made.append(shop.spark().files(path).to_native())
    return shop.spark(), made


def collected(frame: Any) -> pl.DataFrame:
    found = pl.from_arrow(frame.toArrow())
    assert isinstance(found, pl.DataFrame)
    return found.sort(ROW)


def test_the_kernel_in_buckets_and_the_sql_form_find_what_the_kernel_finds(
    cases: tuple[pl.DataFrame, pl.DataFrame], lake: Path
) -> None:
    spine, rows = cases
    expected = spine
    for look in LOOKS:
        expected = expected.hstack(looked_up(expected, rows, look, "t"))

    _, (asked, found) = on_spark(lake, spine, rows)
    looks = [(look, found) for look in LOOKS]
    for in_sql in (frozenset(), frozenset(look.name for look in LOOKS)):
        made = collected(look_up(asked, looks, "t", 3, in_sql))
        assert_frame_equal(made, expected, check_column_order=False)


def test_a_group_with_a_key_too_large_for_a_worker_is_looked_up_in_sql(
    cases: tuple[pl.DataFrame, pl.DataFrame], lake: Path, caplog: pytest.LogCaptureFixture
) -> None:
    spine, rows = cases
    most = rows.group_by("case", "k").len()["len"].max()
    few = replace(TIMED, name="few", right=("case", "p"), outputs={"few_x": "x"})
    some = rows.group_by("case", "p", "e").first()
    looks = [TIMED, few]
    expected = spine.hstack(looked_up(spine, rows, TIMED, "t")).hstack(looked_up(spine, some.head(90), few, "t"))

    def planned(key_rows: int) -> tuple[str, Any]:
        engine, (asked, *found) = on_spark(lake, spine, rows, some.head(90), spark_key_rows=key_rows)
        given = [(look, nw.from_native(frame)) for look, frame in zip(looks, found, strict=True)]
        made = engine.look_up(nw.from_native(asked), given, "t", rows.height).to_native()
        return made._jdf.queryExecution().logical().toString(), made

    with caplog.at_level(logging.INFO):
        large, made = planned(most - 1)
    assert f"a key of {most} rows, more than {most - 1}: SQL" in caplog.text
    assert "windowspecdefinition" in large
    assert "CoGroups" in large, "the other group stays with the kernel"
    assert_frame_equal(collected(made), expected, check_column_order=False)
    assert "windowspecdefinition" not in planned(most)[0], "no key is too large"


def test_what_was_known_when_stays_with_the_kernel_whatever_the_size(
    cases: tuple[pl.DataFrame, pl.DataFrame], lake: Path, caplog: pytest.LogCaptureFixture
) -> None:
    spine, rows = cases
    known = rows.with_columns(pl.col("e").alias("i") + TICK, pl.lit(value=True).alias(ALIVE))
    look = replace(TIMED, identity=("case", "k", "p", "e"), ingested="i")
    expected = spine.hstack(looked_up(spine, known, look, "t"))

    engine, (asked, found) = on_spark(lake, spine, known, spark_key_rows=1)
    with caplog.at_level(logging.INFO):
        made = engine.look_up(nw.from_native(asked), [(look, nw.from_native(found))], "t", rows.height).to_native()
    assert "the Polars kernel all the same, for knowledge counts" in caplog.text
    assert_frame_equal(collected(made), expected, check_column_order=False)
    with pytest.raises(EngineUnavailable, match="cannot be said as a window"):
        look_up_in_sql(asked, found, look, "t")
