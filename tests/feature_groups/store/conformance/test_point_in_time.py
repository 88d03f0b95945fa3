"""The point-in-time join on both engines, against what plain Python says row by row."""

from __future__ import annotations

import bisect
import functools
from collections.abc import Sequence
from dataclasses import dataclass
from random import Random
from typing import Any

import polars as pl
import pytest
from polars.testing import assert_frame_equal

from feature_groups.store import FeatureGroup, FeatureView, History, Join
from feature_groups.store.feature_view import Known
from pit_world import (
    AGED,
    CASES,
    CORRECTED,
    FULLY_TIED,
    FUTURE,
    KEYS,
    NAMES,
    RUN_TOGETHER,
    TICK,
    TIED,
    TWICE,
    World,
    at,
    before,
    events,
    kept,
    make,
    many,
    many_rows,
    never,
    newest,
    states,
    things,
)
from visits import in_memory

SPINE = {"n": pl.Int64, "a": pl.String, "b": pl.String, "p": pl.Int32, "t": pl.Datetime("us", "UTC"), "note": pl.String}
BY_NAMES = (("n", "n"), ("a", "a"), ("b", "b"))


@dataclass(frozen=True)
class Rules:
    """What a view says about time, in ticks."""

    strict: bool = False
    known: Known = "pinned"
    max_age: tuple[int | None, int | None] = (None, None)
    delay: tuple[int, int] = (0, 0)

    @property
    def group(self) -> FeatureGroup:
        return kept if self.known == "as_of_event" else events

    def view(self, name: str) -> FeatureView:
        group = self.group
        both = (group, states)
        read = group.select("x", "y").join(things.select("z"), on={"n": "n", "ref": "id"})
        large = group.select("x").filter(group["x"] >= 3)
        led = large.join(states.select("v"), on={"n": "n", "ref": "id"}, how="inner")
        features = [
            Join(read, on=BY_NAMES),
            Join(led, on=BY_NAMES, prefix="large_"),
            Join(group.select("s", "x"), on=(*BY_NAMES, ("p", "p")), prefix="whole_"),
            Join(things.select("z"), on=(("n", "n"), ("a", "id")), prefix="thing_"),
            Join(states.select("v"), on=(("n", "n"), ("b", "id")), prefix="state_"),
            Join(never.select("v"), on=(("n", "n"), ("b", "id")), prefix="never_"),
        ]
        return FeatureView(
            name=name,
            version=1,
            description="Everything at once.",
            features=features,
            event_time="t",
            strict=self.strict,
            known=self.known,
            max_age={g: age * TICK for g, age in zip(both, self.max_age, strict=True) if age is not None},
            source_delay={g: delay * TICK for g, delay in zip(both, self.delay, strict=True)},
        )

    def found(self, world: World, n: int, a: str | None, b: str | None, p: int | None, t: int) -> dict[str, Any]:
        """What a spine row must find."""
        tick = t if self.known == "as_of_event" else None
        (age, state_age), (delay, state_delay) = self.max_age, self.delay
        time = {"strict": self.strict, "delay": delay, "max_age": age}
        state_time = {"strict": self.strict, "delay": state_delay, "max_age": state_age}
        mine, of_things, of_states = (world.known(g, n, tick) for g in (self.group, things, states))

        def thing(name: str | None) -> Any:
            return newest(of_things, (n, name), 0)

        def value(row: Any, column: str) -> Any:
            return None if row is None else row.values[column]

        read = newest(mine, (n, a, b), t, **time)
        large = newest(mine, (n, a, b), t, **time, where=lambda v: v["x"] is not None and v["x"] >= 3)
        led = large and newest(of_states, (n, large.values["ref"]), t, **state_time)
        whole = newest(mine, (n, a, b, p), t, **time)
        return {
            "x": value(read, "x"),
            "y": value(read, "y"),
            "z": read and value(thing(read.values["ref"]), "z"),
            "large_x": value(led and large, "x"),
            "large_v": value(led, "v"),
            "whole_s": value(whole, "s"),
            "whole_x": value(whole, "x"),
            "thing_z": value(thing(a), "z"),
            "state_v": value(newest(of_states, (n, b), t, **state_time), "v"),
            "never_v": None,
        }


RULES = {
    "inclusive": Rules(),
    "strict_aged_delayed": Rules(strict=True, max_age=(4, 6), delay=(2, 1)),
    "known": Rules(known="as_of_event"),
    "known_aged_delayed": Rules(known="as_of_event", max_age=(5, 3), delay=(1, 2)),
}


@pytest.fixture(scope="session")
def world(tmp_path_factory: pytest.TempPathFactory) -> World:
    return make(tmp_path_factory.mktemp("world") / "lake")


@functools.cache
def asked() -> list[tuple[Any, ...]]:
    """Spine rows (n, a, b, p, tick) in no order, a fifth of them twice."""
    random = Random(5)

    def maybe(value: Any) -> Any:
        return value if random.random() < 0.9 else None

    rows = [
        (case, maybe(random.choice(NAMES)), maybe(random.choice(NAMES[1:3])), maybe(random.randrange(2)), tick)
        for case in range(CASES)
        for tick in random.choices(range(-5, 22), k=8)
    ]
    rows += random.choices(rows, k=len(rows) // 5)
    random.shuffle(rows)
    return rows


def spine(rows: Sequence[tuple[Any, ...]]) -> pl.DataFrame:
    """The rows with aware instants of Berlin, and a column that is carried."""
    data = [(*keys, at(tick), f"row {i}") for i, (*keys, tick) in enumerate(rows)]
    return pl.DataFrame(data, schema=SPINE, orient="row").with_columns(
        pl.col("t").dt.convert_time_zone("Europe/Berlin")
    )


def scored(world: World, view: FeatureView, frame: Any, engine: str) -> pl.DataFrame:
    """The view's data in the spine's order."""
    stored = world.store.get_or_create_feature_view(view)
    made = in_memory(stored.get_batch_data(frame, engine=engine))
    return made if engine == "polars" else made.sort("__row").drop("__row")


def check(world: World, engine: str, name: str) -> None:
    rules, rows = RULES[name], asked()
    made = scored(world, rules.view(name), spine(rows), engine)

    given = spine(rows).with_columns(pl.col("t").dt.convert_time_zone("UTC"))
    found = pl.DataFrame([rules.found(world, *row) for row in rows], schema=made.drop(SPINE).schema)
    assert_frame_equal(made, given.hstack(found), check_exact=True)
    assert all(found[name].null_count() < len(rows) for name in found.columns if name != "never_v")


@pytest.mark.parametrize("name", ["strict_aged_delayed", "known"])
def test_random_rows_find_what_plain_python_says(world: World, engine: str, name: str) -> None:
    check(world, engine, name)


@pytest.mark.parametrize("name", ["inclusive", "known_aged_delayed"])
def test_random_rows_find_it_under_every_rule(world: World, name: str) -> None:
    check(world, "polars", name)


@pytest.mark.slow
@pytest.mark.parametrize("name", ["inclusive", "known_aged_delayed"])
def test_random_rows_find_it_under_every_rule_on_spark(world: World, name: str) -> None:
    check(world, "spark", name)


HOUR, SECOND = 3_600_000_000, 1_000_000
NINE = {
    "a row is found up to its age, both ends included": (
        [(AGED, "1", "3", -SECOND), (AGED, "1", "3", 0), (AGED, "1", "3", HOUR), (AGED, "1", "3", HOUR + 1)],
        [None, 1, 1, None],
    ),
    "a spine row that only has a future is kept": ([(FUTURE, "1", "3", 50)], [None]),
    "two equal spine rows stay two": ([(TWICE, "1", "3", 5), (TWICE, "1", "3", 5)], [1, 1]),
    "of two rows of one instant the later written wins": ([(TIED, "1", "3", 9)], [2]),
    "a correction counts from the start, unless only what was known does": ([(CORRECTED, "1", "3", 5)], [2]),
    "a full tie gives one row, always the same": ([(FULLY_TIED, "1", "3", 9)], [2]),
    "keys that run together are told apart": ([(RUN_TOGETHER, "1", "23", 9), (RUN_TOGETHER, "12", "3", 9)], [100, 200]),
    "a NULL in a key finds nothing": ([(AGED, None, "3", 9), (None, "1", "3", 9), (None, None, None, 9)], [None] * 3),
}
"""Seven of the nine cases in which other stores go wrong, as spine rows and what each must find. The eighth is the same
with shuffled tables, see `test_a_shuffled_table_of_many_keys_is_joined_in_order`; a row cannot have a NULL key."""


@functools.cache
def nine(world: World, engine: str, known: Known) -> list[Any]:
    group = kept if known == "as_of_event" else events
    view = FeatureView(
        name=f"nine_{known}",
        version=1,
        description="What other stores get wrong.",
        features=[Join(group.select("x"), on=BY_NAMES)],
        event_time="t",
        known=known,
        max_age={group: HOUR * TICK},
    )
    rows = [(n, a, b, None, t) for found, _ in NINE.values() for n, a, b, t in found]
    return scored(world, view, spine(rows), engine)["x"].to_list()


def answers(world: World, engine: str, case: str, known: Known = "pinned") -> list[Any]:
    first = sum(len(found) for found, _ in list(NINE.values())[: list(NINE).index(case)])
    return nine(world, engine, known)[first : first + len(NINE[case][0])]


@pytest.mark.parametrize("case", NINE)
def test_what_other_stores_get_wrong(world: World, engine: str, case: str) -> None:
    assert len(nine(world, engine, "pinned")) == sum(len(found) for found, _ in NINE.values())
    assert answers(world, engine, case) == NINE[case][1]


def test_a_correction_is_not_known_before_it_came(world: World, engine: str) -> None:
    corrected = "a correction counts from the start, unless only what was known does"
    assert answers(world, engine, corrected, "as_of_event") == [1]
    for case in NINE:
        if case != corrected:
            aged = case == "a row is found up to its age, both ends included"
            expected = [None, None, 1, None] if aged else NINE[case][1]  # nothing was known at its instant
            assert answers(world, engine, case, "as_of_event") == expected


def test_a_shuffled_table_of_many_keys_is_joined_in_order(world: World, engine: str) -> None:
    view = FeatureView(
        name="many_keys",
        version=1,
        description="More than one sort block.",
        features=[Join(many.select("x"), on=(("k", "k"),))],
        event_time="t",
    )
    rows, random = many_rows(), Random(7)
    asked = pl.DataFrame(
        {
            "k": [random.randrange(-10, KEYS + 10) for _ in range(50_000)],
            "t": [at(random.randrange(-3, 50)) for _ in range(50_000)],
        },
        schema={"k": pl.Int64, "t": pl.Datetime("us", "UTC")},
    )
    asked = pl.concat([asked, asked.sample(10_000, seed=3)]).with_columns(pl.col("k").replace(5, None))
    made = scored(world, view, asked, engine)

    told: dict[int, list[tuple[Any, int, int]]] = {}
    for k, p, e, x in rows.sort("e", "p").rows():
        told.setdefault(k, []).append((e, p, x))
    expected = []
    for k, t in asked.rows():
        mine = told.get(k, [])
        place = bisect.bisect_right(mine, t, key=lambda row: row[0])
        expected.append(mine[place - 1][2] if place else None)
    assert_frame_equal(made, asked.with_columns(pl.Series("x", expected, dtype=pl.Int64)))


def test_histories_hold_every_event_before(world: World, engine: str) -> None:
    view = FeatureView(
        name=f"histories_{engine}",
        version=1,
        description="Whole histories.",
        features=[Join(things.select("z"), on=(("n", "n"), ("a", "id")))],
        histories={
            "every": History(kept.select("x", "p"), on=["n", "a", "b"]),
            "last": History(kept.select("y").filter(~kept["y"].is_null()), on=["n", "a"], last=2),
        },
        event_time="t",
        known="as_of_event",
        max_age={kept: 9 * TICK},
        source_delay={kept: TICK},
    )
    rows = asked()
    made = world.store.get_or_create_feature_view(view).create_training_dataset(spine(rows), engine=engine)

    every, last = [], []
    for row, (n, a, b, _, t) in enumerate(rows):
        known = world.known(kept, n, t)
        every += [(row, r.values["x"], r.key[3]) for r in before(known, (n, a, b), t, delay=1, max_age=9)]
        valued = [r for r in known if r.values["y"] is not None]
        last += [(row, r.values["y"]) for r in before(valued, (n, a), t, delay=1)[-2:] if r.e >= t - 9]
    assert made.history("every").rows() == every
    assert made.history("last").rows() == last
    assert made.history("every").schema == {"__row": pl.Int64, "x": pl.Int64, "p": pl.Int32}
    assert len(last) > len(rows) / 4
    assert_frame_equal(made.frame().select("n", "a", "b", "p", "note"), spine(rows).drop("t"))
