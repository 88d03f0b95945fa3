"""Splits into train, validation and test: by the entity's hash, by time, and by both.

The side of an entity is decided by a documented number, the same on every engine, run and library version, so that
rows added or shuffled move no other row, and two views that share an entity, a seed and shares agree on the sides:

1. h is the low lane of the hash in ``row_hash.py`` of the columns that decide: it depends on their names and values,
   not on their order nor on the width of an integer.
2. The seed is mixed in: ``x = mix(h XOR mix(seed))``, ``mix`` being the finalizer of SplitMix64.
3. The upper 53 bits of x are a fraction in [0, 1); the parts are cut off it in order, each as long as its share.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import accumulate
from typing import Any

import numpy as np
import polars as pl

from feature_groups.store.row_hash import Words, mix, row_hashes
from feature_groups.store.split_rule import Given, Split, column_names, declared_wrong

_TOLERANCE = 1e-9
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)

Window = tuple[datetime | None, datetime | None]


def seeded_hashes(frame: pl.DataFrame, columns: Sequence[str], seed: int) -> Words:
    """The number x of the module's docstring, per row; shape (n,)."""
    low, _ = row_hashes(frame, {name: frame.schema[name] for name in columns})
    return mix(low ^ mix(np.array([seed], dtype=np.uint64)))


@dataclass(frozen=True, repr=False)
class HashSplit(Split, kind="hash"):
    """A random split that keeps an entity whole and moves no row when others come or go.

    To split a part again, choose another seed: with the same one its entities lie in one stretch of the fractions.

    Attributes:
        train: Share of the entities, above 0.
        validation: Share; 0 makes no such part.
        test: Share; 0 makes no such part. The three sum to 1.
        by: Columns that decide; the entity by default. Rows with equal values in them share a part.
    """

    train: float = 0.8
    validation: float = 0.1
    test: float = 0.1
    by: Sequence[str] = ()

    def __post_init__(self) -> None:
        shares = {"train": self.train, "validation": self.validation, "test": self.test}
        for name, share in shares.items():
            if isinstance(share, bool) or not isinstance(share, (int, float)) or not 0 <= share <= 1:
                raise declared_wrong("HashSplit", f"The share {name} is {share!r}.", "choose a share from 0 to 1.")
            object.__setattr__(self, name, float(share) + 0.0)
        if not math.isclose(sum(shares.values()), 1, rel_tol=0, abs_tol=_TOLERANCE):
            added = " + ".join(f"{share:g}" for share in shares.values())
            raise declared_wrong(
                "HashSplit",
                f"The shares train + validation + test = {added} sum to {sum(shares.values()):g}, not 1.",
                "give all three shares; 0 makes no such part.",
            )
        if not self.train:
            raise declared_wrong("HashSplit", "Nothing is left to train on.", "choose a share train above 0.")
        object.__setattr__(self, "by", column_names(self.by, rule="HashSplit"))

    @property
    def names(self) -> tuple[str, ...]:
        """The parts with a share above 0."""
        return tuple(name for name in ("train", "validation", "test") if getattr(self, name))

    def grouped_by(self, entity: Sequence[str]) -> tuple[str, ...]:
        """``by``, or the entity."""
        return tuple(self.by or entity)

    def _parts(self, given: Given) -> pl.Series:
        x = seeded_hashes(given.frame, self.grouped_by(given.entity), given.seed)
        fraction = (x >> np.uint64(11)).astype(np.float64) * 2.0**-53
        ends = list(accumulate(getattr(self, name) for name in self.names))
        return pl.Series(self.names).gather(np.searchsorted(ends[:-1], fraction, side="right"))

    def _why_empty(self, name: str, given: Given) -> tuple[str, str]:
        by = list(self.grouped_by(given.entity))
        return (
            f"{given.frame.select(by).n_unique():,} different values of {', '.join(by)} are too few for the share "
            f"{getattr(self, name):g}",
            "hand over more entities, give the part a larger share, or give it 0.",
        )


@dataclass(frozen=True, repr=False, kw_only=True)
class TimeSplit(Split, kind="time"):
    """The past to train on, the time after it to test on; all windows are half-open.

    train is everything before ``first - embargo``, first being ``validation_from`` or else ``test_from``; validation
    is ``[validation_from, test_from - embargo)``; test is ``[test_from, until)``. All other rows are in no part.

    Attributes:
        test_from: Where the test part begins.
        validation_from: Where the validation part begins; None makes no such part.
        until: Where the test part ends; None for open.
        embargo: What is left out before each boundary: at least as long as a label takes to become known, so that
            no label of an earlier part knows of a later one.
    """

    _by_entity, _by_time = False, True

    test_from: datetime
    validation_from: datetime | None = None
    until: datetime | None = None
    embargo: timedelta = timedelta(0)

    def __post_init__(self) -> None:
        if not isinstance(self.embargo, timedelta) or self.embargo < timedelta(0):
            raise declared_wrong("TimeSplit", f"The embargo is {self.embargo!r}.", "use a timedelta of 0 or more.")
        object.__setattr__(self, "embargo", timedelta(microseconds=int(self.embargo // _MICROSECOND)))
        for name in ("test_from", "validation_from", "until"):
            if name == "test_from" or getattr(self, name) is not None:
                object.__setattr__(self, name, _instant(name, getattr(self, name)))
        if self.validation_from is not None and self.test_from - self.validation_from <= self.embargo:
            raise declared_wrong(
                "TimeSplit",
                f"From validation_from {self.validation_from.isoformat()} to test_from {self.test_from.isoformat()} "
                f"less the embargo of {self.embargo} no time is left.",
                "move validation_from back, or shorten the embargo.",
            )
        if self.until is not None and self.until <= self.test_from:
            raise declared_wrong(
                "TimeSplit",
                f"until {self.until.isoformat()} is not after test_from {self.test_from.isoformat()}.",
                "give an instant after test_from, or None.",
            )
        try:
            self.windows  # noqa: B018  # the embargo may reach back beyond all dates
        except OverflowError:
            raise declared_wrong(
                "TimeSplit", f"The embargo is {self.embargo}: no time is left to train on.", "shorten the embargo."
            ) from None

    @property
    def windows(self) -> dict[str, Window]:
        """``[from, until)`` by part, in UTC; None is open."""
        first = self.test_from if self.validation_from is None else self.validation_from
        windows: dict[str, Window] = {"train": (None, first - self.embargo)}
        if self.validation_from is not None:
            windows["validation"] = (self.validation_from, self.test_from - self.embargo)
        return {**windows, "test": (self.test_from, self.until)}

    @property
    def names(self) -> tuple[str, ...]:
        """``train``, ``validation`` if it has a beginning, and ``test``."""
        return tuple(self.windows)

    def grouped_by(self, entity: Sequence[str]) -> tuple[str, ...]:  # noqa: ARG002  # entities lie on both sides
        """Nothing: an entity may lie in several parts."""
        return ()

    def _parts(self, given: Given) -> pl.Series:
        at = given.frame.select(pl.col(given.time).dt.timestamp("us").alias("at"))
        inside = [pl.when(_within(window)).then(pl.lit(name)) for name, window in self.windows.items()]
        return at.select(pl.coalesce(inside)).to_series()

    def _why_empty(self, name: str, given: Given) -> tuple[str, str]:
        at = given.frame.get_column(given.time).dt.convert_time_zone("UTC")
        start, end = self.windows[name]
        spans = [f"from {start.isoformat()}" if start else "", f"before {end.isoformat()}" if end else ""]
        # Instants here.
        oldest, newest = (instant.isoformat() for instant in (at.min(), at.max()))  # type: ignore[union-attr]
        return (
            f"it takes rows {' and '.join(filter(None, spans))}, and the rows lie between {oldest} and {newest}",
            "move the boundary between the oldest and the newest row, or hand over rows of that time.",
        )

    @classmethod
    def _decode(cls, values: dict[str, Any]) -> dict[str, Any]:
        instants = {k: v if v is None else datetime.fromisoformat(v) for k, v in values.items() if k != "embargo"}
        return {**instants, "embargo": timedelta(microseconds=values["embargo"])}


@dataclass(frozen=True, repr=False)
class EntityTimeSplit(Split, kind="entity_time"):
    """Other entities and a later time: a row is in a part if its entity and its time both are.

    So nothing of a test entity, and nothing of the test's time, was ever trained on. Rows of train entities in the
    test's time, and of test entities before it, are in no part.

    Attributes:
        entities: Which entities belong to which part.
        times: Which time belongs to which part; the same parts.
    """

    _by_time = True

    entities: HashSplit
    times: TimeSplit

    def __post_init__(self) -> None:
        if not isinstance(self.entities, HashSplit) or not isinstance(self.times, TimeSplit):
            raise declared_wrong(
                "EntityTimeSplit",
                f"It is made of {self.entities!r} and {self.times!r}.",
                "write EntityTimeSplit(HashSplit(...), TimeSplit(...)).",
            )
        if self.entities.names != self.times.names:
            raise declared_wrong(
                "EntityTimeSplit",
                f"The entities have the parts {', '.join(self.entities.names)} and the times "
                f"{', '.join(self.times.names)}.",
                "make them agree: a share of 0 and validation_from=None make no validation part.",
            )

    @property
    def names(self) -> tuple[str, ...]:
        """The parts of both."""
        return self.times.names

    def grouped_by(self, entity: Sequence[str]) -> tuple[str, ...]:
        """As the entities are."""
        return self.entities.grouped_by(entity)

    def _parts(self, given: Given) -> pl.Series:
        both = pl.DataFrame({"entity": self.entities._parts(given), "time": self.times._parts(given)})
        return both.select(pl.when(pl.col("entity") == pl.col("time")).then(pl.col("time"))).to_series()

    def _why_empty(self, name: str, given: Given) -> tuple[str, str]:
        of_entity, of_time = ((rule._parts(given) == name).sum() for rule in (self.entities, self.times))
        return (
            f"{of_entity:,} rows are of its entities, {of_time:,} lie in its time, and none is both",
            "move the boundaries into the time of the rows, give the part a larger share, or hand over more rows.",
        )

    @classmethod
    def _decode(cls, values: dict[str, Any]) -> dict[str, Any]:
        return {name: Split.from_json(value) for name, value in values.items()}


def _instant(name: str, value: object) -> datetime:
    if not isinstance(value, datetime) or value.utcoffset() is None:
        raise declared_wrong(
            "TimeSplit", f"{name} is {value!r}.", "give a datetime with a time zone, such as datetime(..., tzinfo=UTC)."
        )
    try:
        return datetime.fromisoformat(value.astimezone(UTC).isoformat(timespec="microseconds"))
    except OverflowError:
        raise declared_wrong("TimeSplit", f"{name} is {value!r}.", "give an instant that exists in UTC.") from None


def _within(window: Window) -> pl.Expr:
    start, end = ((b - _EPOCH) // _MICROSECOND if b else None for b in window)
    after = pl.lit(True) if start is None else pl.col("at") >= start
    return after if end is None else after & (pl.col("at") < end)
