"""A small world of feature groups for point-in-time joins, random and hand-made rows told apart by a case number.

`ORACLE` functions say, in plain Python, what a spine row must find. Instants are ticks of one microsecond around the
night in which Berlin sets its clocks back.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from random import Random
from typing import Any, NamedTuple

import pandera.polars as pa
import polars as pl

from feature_groups.store import FeatureGroup, FeatureStore, Settings, UtcDatetime, connect

START = datetime(2021, 10, 31, 0, 59, 59, 999_990, tzinfo=UTC)
"""Ten ticks before 03:00 becomes 02:00 in Berlin."""
TICK = timedelta(microseconds=1)
CASES = 120
KNOWN_AT = (3, 7, 12)
"""The ticks at which batches come in."""


class Event(pa.DataFrameModel):
    """One row per case, two names, a place and instant."""

    n: int
    a: str
    b: str
    p: pl.Int32
    e: UtcDatetime
    s: int = pa.Field(nullable=True)
    x: int = pa.Field(nullable=True)
    y: float = pa.Field(nullable=True)
    ref: str = pa.Field(nullable=True)


class Thing(pa.DataFrameModel):
    """One row per case and thing."""

    n: int
    id: str
    z: int = pa.Field(nullable=True)


class State(pa.DataFrameModel):
    """One row per case, thing and instant."""

    n: int
    id: str
    e: UtcDatetime
    v: int = pa.Field(nullable=True)


def _group(name: str, contract: Any, key: list[str], time: str | None, **more: Any) -> FeatureGroup:
    return FeatureGroup(
        name=name,
        version=1,
        description=f"{name}.",
        primary_key=key,
        event_time=time,
        static=time is None,
        contract=contract,
        **more,
    )


events = _group("events", Event, ["n", "a", "b", "p"], "e", sequence="s")
kept = _group("kept_events", Event, ["n", "a", "b", "p"], "e", sequence="s", corrections="keep")
things = _group("things", Thing, ["n", "id"], None, corrections="keep")
states = _group("states", State, ["n", "id"], "e", corrections="keep")
never = _group("never", State, ["n", "id"], "e", corrections="keep")


class Many(pa.DataFrameModel):
    """One row per key, place and instant."""

    k: int
    p: pl.Int32
    e: UtcDatetime
    x: int


many = _group("many", Many, ["k", "p"], "e")
KEYS, EACH = 20_000, 10


class Row(NamedTuple):
    """A row of a group: who, when (ticks; 0 for a static one), the values, when it became known, whether alive."""

    key: tuple[Any, ...]
    e: int
    values: Mapping[str, Any]
    known: int
    alive: bool = True


Rows = list[Row]
Filter = Callable[[Mapping[str, Any]], bool]


@dataclass(eq=False)
class World:
    """A lake, and everything that was ever written to it.

    Attributes:
        store: The lake.
        rows: Per group id and case every version of every row.
    """

    store: FeatureStore
    rows: dict[str, dict[int, Rows]] = field(default_factory=dict)

    def known(self, group: FeatureGroup, case: int, tick: int | None) -> Rows:
        """What was known of a case at a tick; None for what a reader sees now."""
        told = [row for row in self.rows[group.id].get(case, []) if tick is None or row.known <= tick]
        then = {(row.key, row.e): row for row in told}
        return [row for row in then.values() if row.alive]


def at(tick: int) -> datetime:
    """The instant of a tick."""
    return START + tick * TICK


def newest(
    rows: Iterable[Row],
    key: Sequence[Any],
    t: int,
    *,
    strict: bool = False,
    delay: int = 0,
    max_age: int | None = None,
    where: Filter = lambda _: True,
) -> Row | None:
    """The row that a key finds: of equal event times the later by sequence, ingestion, rest of the key."""
    if None in key:
        return None
    there = [r for r in rows if r.key[: len(key)] == tuple(key) and where(r.values)]
    seen = [r for r in there if (r.e + delay < t if strict else r.e + delay <= t)]

    def place(row: Row) -> tuple[Any, ...]:
        sequence = row.values.get("s")
        return row.e, sequence is not None, sequence or 0, row.known, row.key

    best = max(seen, key=place, default=None)
    return None if best is None or (max_age is not None and best.e < t - max_age) else best


def before(rows: Iterable[Row], key: Sequence[Any], t: int, *, delay: int = 0, max_age: int | None = None) -> list[Row]:
    """All rows of a key that were visible at t and happened before it, oldest first."""
    found: list[Row] = []
    left = [r for r in rows if None not in key and r.key[: len(key)] == tuple(key)]
    while (last := newest(left, key, t, strict=True, delay=delay)) is not None:
        found.insert(0, last)
        left.remove(last)
    return [r for r in found if max_age is None or r.e >= t - max_age]


NAMES = ("1", "12", "3", "23")
"""Names that run into each other when they are put together."""


AGED, FUTURE, TWICE, TIED, CORRECTED, FULLY_TIED, RUN_TOGETHER = range(1000, 1007)
"""Cases whose rows are made by hand."""

_BLANK = {"s": None, "x": None, "y": None, "ref": None}
BY_HAND: Mapping[int, Sequence[tuple[Any, ...]]] = {
    KNOWN_AT[0]: [
        (AGED, "1", "3", 0, 0, 1),
        (FUTURE, "1", "3", 0, 100, 1),
        (TWICE, "1", "3", 0, 0, 1),
        (TIED, "1", "3", 1, 0, 1),
        (CORRECTED, "1", "3", 0, 0, 1),
        (FULLY_TIED, "1", "3", 0, 0, 1),
        (FULLY_TIED, "1", "3", 1, 0, 2),
        (RUN_TOGETHER, "1", "23", 0, 0, 100),
        (RUN_TOGETHER, "12", "3", 0, 0, 200),
    ],
    KNOWN_AT[1]: [(TIED, "1", "3", 0, 0, 2), (CORRECTED, "1", "3", 0, 0, 2)],
}
"""Per batch the rows (key, tick, x) that are new or corrected."""


def _event_batches(random: Random) -> list[dict[tuple[Any, ...], dict[str, Any]]]:
    """The rows of events after each batch, by key and tick."""
    states: list[dict[tuple[Any, ...], dict[str, Any]]] = []
    now: dict[tuple[Any, ...], dict[str, Any]] = {}
    for batch in KNOWN_AT:
        now |= {tuple(key): _BLANK | {"x": x} for *key, x in BY_HAND.get(batch, ())}
        for case in range(CASES):
            mine = [key for key in now if key[0] == case]
            for key in random.sample(mine, min(len(mine), random.randrange(3))):
                if random.random() < 0.5:
                    del now[key]
                else:
                    now[key] = _values(random)
            for _ in range(random.randrange(6)):
                key = (
                    case,
                    random.choice(NAMES),
                    random.choice(NAMES[1:3]),
                    random.randrange(2),
                    random.randrange(-2, 16),
                )
                now[key] = _values(random)
        states.append(dict(now))
    return states


def _values(random: Random) -> dict[str, Any]:
    def maybe(value: Any) -> Any:
        return value if random.random() < 0.8 else None

    return {
        "s": maybe(random.randrange(2)),
        "x": maybe(random.randrange(6)),
        "y": maybe(random.uniform(-1e6, 1e6)),
        "ref": maybe(random.choice(NAMES)),
    }


def _thing_batches(random: Random, *, timed: bool) -> list[dict[tuple[Any, ...], dict[str, Any]]]:
    value = "v" if timed else "z"
    found = []
    now: dict[tuple[Any, ...], dict[str, Any]] = {}
    for _ in KNOWN_AT[:2]:
        for case in range(CASES):
            for name in NAMES:
                for tick in random.sample(range(-2, 16), 2) if timed else (0,):
                    draw = random.random()
                    if draw < 0.4:
                        now[case, name, tick] = {value: random.choice([None, 1, 2, 3])}
                    elif draw < 0.5:
                        now.pop((case, name, tick), None)
        found.append(dict(now))
    return found


def frame(group: FeatureGroup, rows: Mapping[tuple[Any, ...], Mapping[str, Any]]) -> pl.DataFrame:
    """Rows by key and tick as a frame of a group."""
    assert group.spec is not None
    data = [
        dict(zip(group.primary_key, key, strict=True))
        | ({group.event_time: at(tick)} if group.event_time else {})
        | dict(values)
        for (*key, tick), values in rows.items()
    ]
    return pl.DataFrame(data, schema=dict(group.spec.polars_schema))


def make(lake: Any) -> World:
    """Write the world; every batch replaces the one before, so that rows are corrected and deleted on the way."""
    ticks = [0]
    store = connect(lake, settings=Settings(engine="polars", spark_buckets=2), clock=lambda: at(ticks[0]))
    world = World(store)
    random = Random(20211031)
    batches = {
        events: _event_batches(random)[:2],
        kept: _event_batches(random),
        things: _thing_batches(random, timed=False),
        states: _thing_batches(random, timed=True),
        never: [{}],
    }
    for group, found in batches.items():
        told = world.rows.setdefault(group.id, {})
        stored = store.get_or_create_feature_group(group)
        then: Mapping[tuple[Any, ...], Any] = {}
        for tick, now in zip(KNOWN_AT, found, strict=False):
            ticks[0] = tick
            stored.insert(frame(group, now), overwrite=True, allow_empty=True)
            new = [Row(key[:-1], key[-1], values, tick) for key, values in now.items() if then.get(key) != values]
            for row in new + [Row(key[:-1], key[-1], {}, tick, alive=False) for key in then if key not in now]:
                told.setdefault(row.key[0], []).append(row)
            then = now
    ticks[0] = KNOWN_AT[0]
    store.get_or_create_feature_group(many).insert(many_rows().sample(fraction=1, shuffle=True, seed=1))
    return world


def many_rows() -> pl.DataFrame:
    """Every key at five instants, with two rows that tie at each; x tells all rows apart."""
    row = pl.int_range(KEYS * EACH, dtype=pl.Int64, eager=True)
    tick = (row // 2 % (EACH // 2)) * 7 + row // EACH % 5
    columns = {"k": row // EACH, "p": (row % 2).cast(pl.Int32), "e": tick, "x": row}
    instant = pl.lit(START).dt.cast_time_unit("us") + pl.duration(microseconds=pl.col("e"))
    return pl.DataFrame(columns).with_columns(instant.alias("e"))
