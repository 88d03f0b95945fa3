"""The as-of kernel against brute force, over every rule and every odd order of rows."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from feature_groups.store.as_of import looked_up
from feature_groups.store.event_inputs import events_before
from feature_groups.store.look_up import LookUp
from feature_groups.store.names import ALIVE, EVENT, ROW

START = datetime(2000, 1, 1, tzinfo=UTC)
TICK = timedelta(microseconds=1)
ROWS = {"k": pl.Int64, "p": pl.Int64, "e": pl.Datetime("us", "UTC"), "s": pl.Int64, "x": pl.Int64}
KNOWN = {**ROWS, "i": pl.Datetime("us", "UTC"), ALIVE: pl.Boolean}
SPINE = {"key": pl.Int64, "t": pl.Datetime("us", "UTC")}
LOOK = LookUp("x", left=("key",), right=("k",), event_time="e", outputs={"value": "x"}, order=("s", "p"))

Row = tuple[int, int, int, int, int]
keys = st.integers(0, 3)
instants = st.integers(0, 20)
rows = st.lists(st.tuples(keys, st.integers(0, 2), instants, st.integers(0, 2), st.integers()), max_size=25).map(
    lambda found: list({row[:3]: row for row in found}.values())
)
spines = st.lists(st.tuples(st.none() | keys, st.integers(-2, 24)), max_size=12)
looks = st.builds(
    replace,
    st.just(LOOK),
    strict=st.booleans(),
    delay=st.integers(0, 4).map(lambda n: n * TICK),
    max_age=st.none() | st.integers(0, 6).map(lambda n: n * TICK),
)


def at(tick: int) -> datetime:
    return START + tick * TICK


def spine_of(asked: Sequence[tuple[int | None, int]]) -> pl.DataFrame:
    return pl.DataFrame([(k, at(t)) for k, t in asked], schema=SPINE, orient="row")


def rows_of(found: Sequence[Row]) -> pl.DataFrame:
    data = [(k, p, at(e), s, x % 1000) for k, p, e, s, x in found]
    return pl.DataFrame(data, schema=ROWS, orient="row")


def newest(candidates: Sequence[tuple[int, int, int, int]], t: int, look: LookUp) -> int | None:
    """The definition: the last visible one of (event time, sequence, rest of the key, value), if not too old."""
    delay = look.delay // TICK
    seen = [c for c in candidates if (c[0] + delay < t if look.strict else c[0] + delay <= t)]
    best = max(seen, default=None)
    if best is None or (look.max_age is not None and best[0] < t - look.max_age // TICK):
        return None
    return best[3]


@settings(max_examples=300, deadline=None)
@given(found=rows, asked=spines, look=looks)
def test_every_spine_row_gets_the_newest_visible_row_of_its_key(
    found: list[Row], asked: list[tuple[int | None, int]], look: LookUp
) -> None:
    made = looked_up(spine_of(asked), rows_of(found), look, "t")

    expected = [newest([(e, s, p, x % 1000) for k, p, e, s, x in found if k == key], t, look) for key, t in asked]
    assert made["value"].to_list() == expected
    assert made[look.at].is_null().to_list() == [value is None for value in expected]


Version = tuple[int, int, int, int, int, int, bool]
versions = st.lists(
    st.tuples(
        keys, st.integers(0, 1), instants, st.integers(0, 2), st.integers(0, 99), st.integers(0, 24), st.booleans()
    ),
    max_size=25,
).map(lambda found: list({(*v[:3], v[5]): v for v in found}.values()))


@settings(max_examples=300, deadline=None)
@given(found=versions, asked=spines, look=looks, corrections=st.booleans())
def test_only_what_was_known_counts(
    found: list[Version], asked: list[tuple[int | None, int]], look: LookUp, corrections: bool
) -> None:
    told = found if corrections else [(*v[:6], True) for v in found]
    look = replace(look, identity=("k", "p", "e"), ingested="i")
    data = [(k, p, at(e), s, x, at(i), alive) for k, p, e, s, x, i, alive in told]
    made = looked_up(spine_of(asked), pl.DataFrame(data, schema=KNOWN, orient="row"), look, "t")

    def expected(key: int | None, t: int) -> int | None:
        then: dict[Any, Version] = {}
        for version in sorted(told, key=lambda v: v[5]):
            if version[0] == key and version[5] <= t:
                then[version[:3]] = version
        return newest([(e, s, p, x) for _, p, e, s, x, _, alive in then.values() if alive], t, look)

    assert made["value"].to_list() == [expected(key, t) for key, t in asked]


@settings(max_examples=100, deadline=None)
@given(found=st.dictionaries(keys, st.integers(0, 99)), asked=spines)
def test_a_static_group_gives_the_value_of_the_key_at_any_instant(
    found: dict[int, int], asked: list[tuple[int | None, int]]
) -> None:
    frame = pl.DataFrame(list(found.items()), schema={"k": pl.Int64, "x": pl.Int64}, orient="row")
    made = looked_up(spine_of(asked), frame, replace(LOOK, event_time=None, order=()), "t")

    assert made["value"].to_list() == [None if key is None else found.get(key) for key, _ in asked]


FAR = datetime(9999, 12, 31, 23, 59, 59, 999999, tzinfo=UTC)
LONG_AGO = datetime(1, 1, 1, tzinfo=UTC)


@pytest.mark.parametrize(
    "ids",
    [
        [1, 2],
        [-(2**63), 2**63 - 1],
        ["a", "b"],
        [True, False],
        [datetime(1, 1, 1, tzinfo=UTC), FAR],
        [b"\x00", b""],
    ],
    ids=str,
)
@pytest.mark.parametrize("order", [(), ("s",)])
def test_keys_of_every_type_and_instants_at_both_ends_of_the_calendar_are_told_apart(
    ids: list[Any], order: tuple[str, ...]
) -> None:
    look = replace(LOOK, order=order)
    found = pl.DataFrame({"k": [ids[0], ids[0], ids[1]], "e": [LONG_AGO, FAR, FAR], "s": [0, 0, 0], "x": [1, 2, 3]})
    asked = [(ids[0], LONG_AGO), (ids[0], FAR - TICK), (ids[0], FAR), (ids[1], LONG_AGO), (ids[1], FAR), (None, FAR)]
    spine = pl.DataFrame(asked, schema={"key": found.schema["k"], "t": pl.Datetime("us", "UTC")}, orient="row")

    for frame in (found, found.reverse()):
        assert looked_up(spine, frame, look, "t")["value"].to_list() == [1, 1, 2, None, 3, None]
    late = looked_up(spine, found, replace(look, delay=timedelta.max), "t")
    assert late["value"].to_list() == [None] * 6


def test_keys_of_several_columns_are_not_run_together() -> None:
    look = replace(LOOK, left=("a", "b"), right=("a", "b"), event_time=None, order=())
    found = pl.DataFrame({"a": ["1", "12"], "b": ["23", "3"], "x": [1, 2]})
    spine = pl.DataFrame({"a": ["12", "1", "1", None], "b": ["3", "23", None, "3"], "t": [START] * 4})

    made = looked_up(spine.with_columns(pl.col("t").dt.cast_time_unit("us")), found, look, "t")
    assert made["value"].to_list() == [2, 1, None, None]


@settings(max_examples=200, deadline=None)
@given(found=rows, asked=spines, look=looks, last=st.none() | st.integers(1, 3))
def test_event_inputs_are_all_visible_events_strictly_before_the_instant(
    found: list[Row], asked: list[tuple[int | None, int]], look: LookUp, last: int | None
) -> None:
    spine = spine_of(asked).with_row_index(ROW)
    made = events_before(spine, rows_of(found), look, "t", last)

    expected = []
    for row, (key, t) in enumerate(asked):
        oldest = t - (look.max_age // TICK if look.max_age is not None else 99)
        events = sorted((e, s, p, x % 1000) for k, p, e, s, x in found if k == key and e + look.delay // TICK < t)
        expected += [(row, x) for e, _, _, x in (events[-last:] if last else events) if e >= oldest]
    assert made.drop(EVENT).rows() == expected


@settings(max_examples=200, deadline=None)
@given(found=versions, asked=spines, delay=st.integers(0, 4), last=st.none() | st.integers(1, 3))
def test_event_inputs_hold_what_was_known_at_the_instant(
    found: list[Version], asked: list[tuple[int | None, int]], delay: int, last: int | None
) -> None:
    spine = spine_of(asked).with_row_index(ROW)
    look = replace(LOOK, identity=("k", "p", "e"), ingested="i", delay=delay * TICK)
    data = [(k, p, at(e), s, x, at(i), alive) for k, p, e, s, x, i, alive in found]
    made = events_before(spine, pl.DataFrame(data, schema=KNOWN, orient="row"), look, "t", last)

    expected = []
    for row, (key, t) in enumerate(asked):
        then = {v[:3]: v for v in sorted(found, key=lambda v: v[5]) if v[0] == key and v[5] <= t}
        events = sorted((e, s, p, x) for _, p, e, s, x, _, alive in then.values() if alive and e + delay < t)
        expected += [(row, x) for *_, x in (events[-last:] if last else events)]
    assert made.drop(EVENT).rows() == expected
