"""What a split rule is: a value that puts every row of a spine into one part, or into none.

A rule looks at the values of declared columns and at nothing else: the order of the rows, their number, the engine
and the versions of libraries change no answer. Part names are text (``train``, ``validation``, ``test``, or
``fold_0``, ``fold_1``, ...); NULL says that the row is in no part: it lies in an embargo or outside all windows.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import fields
from datetime import datetime, timedelta
from typing import Any, ClassVar, NamedTuple

import polars as pl

from feature_groups.store.aggregations import window_label
from feature_groups.store.column_types import is_float, type_name
from feature_groups.store.errors import EmptyBatch, SplitRefused, did_you_mean

_SEEDS = 1 << 64
_MICROSECOND = timedelta(microseconds=1)


class Given(NamedTuple):
    """What a rule is applied to."""

    frame: pl.DataFrame
    entity: tuple[str, ...]
    time: str
    seed: int


class Split(ABC):
    """A split rule: frozen, comparable, hashable, and stored as plain JSON."""

    _kinds: ClassVar[dict[str, type[Split]]] = {}
    _kind: ClassVar[str]
    _by_entity: ClassVar[bool] = True
    _by_time: ClassVar[bool] = False

    def __init_subclass__(cls, *, kind: str) -> None:
        """Register the rule under the name that its JSON carries."""
        cls._kind = kind
        Split._kinds[kind] = cls

    @property
    @abstractmethod
    def names(self) -> tuple[str, ...]:
        """The parts, in order."""

    @abstractmethod
    def grouped_by(self, entity: Sequence[str]) -> tuple[str, ...]:
        """The columns whose equal values never lie in two parts; none for a split by time alone."""

    @abstractmethod
    def _parts(self, given: Given) -> pl.Series: ...

    def _why_empty(self, name: str, given: Given) -> tuple[str, str]:  # noqa: ARG002  # the rules that can say more do
        """The cause and the next step for a part without rows."""
        return "none belongs there", "hand over more rows."

    def reads(self, entity: Sequence[str], time: str) -> tuple[str, ...]:
        """Every column that `assign` looks at."""
        label = () if self._label is None else (self._label,)
        return tuple(dict.fromkeys((*self.grouped_by(entity), *((time,) if self._by_time else ()), *label)))

    @property
    def _label(self) -> str | None:
        """The column whose values are to be spread evenly."""
        return None

    def validate(self, columns: Mapping[str, pl.DataType], entity: Sequence[str], time: str) -> None:
        """Refuse a frame that `assign` could not split, before any row of it is read.

        Args:
            columns: The columns of the frame with their types.
            entity: Columns that name the entity.
            time: Column of the instant of the decision.

        Raises:
            SplitRefused: A column is missing, or its type has no exact equality or no time zone.
        """
        deciding = self.grouped_by(entity)
        problems = [_value_problem(columns, c) for c in (*deciding, self._label) if c is not None]
        if self._by_time:
            problems.append(_time_problem(columns, time))
        if self._by_entity and not deciding:
            problems.append("There is no entity, and by= names no column.")
        found = [p for p in problems if p]
        if found:
            raise self._refused("\n".join(found), "name columns of the frame, or cast them before the split.")

    def assign(self, frame: pl.DataFrame, *, entity: Sequence[str], time: str, seed: int) -> pl.Series:
        """The part of every row.

        Args:
            frame: Rows to split, shape (n, columns); only `reads` of them are looked at.
            entity: Columns that name the entity.
            time: Column of the instant of the decision.
            seed: From 0 to 2^64 - 1; splits by time alone do not depend on it.

        Returns:
            Shape (n,), type String, in the order of the rows; NULL for a row in no part.

        Raises:
            EmptyBatch: The frame has no rows.
            SplitRefused: See `validate`; or the seed is none, a column that decides has NULLs, or a part is empty.
        """
        self.validate(frame.schema, entity, time)
        if type(seed) is not int or not 0 <= seed < _SEEDS:
            raise self._refused(f"The seed is {seed!r}.", "choose a whole number from 0 to 2^64 - 1.")
        if not frame.height:
            raise EmptyBatch(
                repr(self),
                what="The frame to split has the right columns, but no rows.",
                state="was not applied",
                next_step="find out why the spine is empty.",
            )
        given = Given(frame, tuple(entity), time, seed)
        self._refuse_nulls(given)
        parts = self._parts(given).rename("split")
        filled = set(parts.unique())
        for name in self.names:
            if name not in filled:
                why, next_step = self._why_empty(name, given)
                raise self._refused(f"The {name} part has no rows: {why}.", next_step)
        return parts

    def _refuse_nulls(self, given: Given) -> None:
        counts = {name: given.frame.get_column(name).null_count() for name in self.reads(given.entity, given.time)}
        found = [f"{n:,} of {given.frame.height:,} rows have no {name}." for name, n in counts.items() if n]
        if found:
            raise self._refused("\n".join(found), "filter these rows out of the spine: nothing says where they belong.")

    def to_json(self) -> dict[str, Any]:
        """The rule as plain JSON: its kind and fields; instants as ISO text in UTC, durations in microseconds."""
        return {"kind": self._kind, **{name: _plain(value) for name, value in self._fields().items()}}

    @staticmethod
    def from_json(stored: Mapping[str, Any]) -> Split:
        """The rule that `to_json` was called on.

        Raises:
            SplitRefused: It is no rule of a kind known here, or its fields mean nothing.
        """
        values = dict(stored)
        kind = str(values.pop("kind", None))
        if kind not in Split._kinds:
            raise declared_wrong("split", f"Its kind is {kind!r}. {did_you_mean(kind, Split._kinds)}", "correct it.")
        cls = Split._kinds[kind]
        try:
            return cls(**cls._decode(values))
        except (KeyError, TypeError, ValueError) as error:
            raise declared_wrong(cls.__name__, f"Its stored fields: {error}.", "restore the stored object.") from error

    @classmethod
    def _decode(cls, values: dict[str, Any]) -> dict[str, Any]:
        return values

    def _fields(self) -> dict[str, Any]:
        return {f.name: getattr(self, f.name) for f in fields(self)}  # type: ignore[arg-type]  # every rule is a dataclass

    def _refused(self, what: str, next_step: str) -> SplitRefused:
        return SplitRefused(repr(self), what=what, state="was not applied", next_step=next_step)

    def __repr__(self) -> str:
        shown = [f"{k}={_shown(v)}" for k, v in self._fields().items() if v not in (None, (), timedelta(0))]
        return f"{type(self).__name__}({', '.join(shown)})"


def declared_wrong(rule: str, what: str, next_step: str) -> SplitRefused:
    """The error of a rule whose own fields contradict each other."""
    return SplitRefused(rule, what=what, state="was not declared", next_step=next_step)


def column_names(value: object, *, rule: str) -> tuple[str, ...]:
    """The names given as ``by=``.

    Raises:
        SplitRefused: It is no list of different texts.
    """
    if not isinstance(value, (list, tuple)) or not all(isinstance(name, str) for name in value):
        raise declared_wrong(rule, f"by is {value!r}, no list of columns.", "give a list such as by=['user_id'].")
    if len(set(value)) != len(value):
        raise declared_wrong(rule, f"by is {value!r}: a column is named twice.", "name each column once.")
    return tuple(value)


def _missing(columns: Mapping[str, pl.DataType], name: str) -> str | None:
    return None if name in columns else f"There is no column {name!r}. {did_you_mean(name, columns)}"


def _value_problem(columns: Mapping[str, pl.DataType], name: str) -> str | None:
    if name not in columns:
        return _missing(columns, name)
    try:
        stored = type_name(columns[name])
    except ValueError as error:
        return f"Column {name!r}: {error}."
    if is_float(stored) or stored.startswith("list<"):
        return f"Column {name!r} is {stored}; splits need values that are equal or not, such as int64 or text."
    return None


def _time_problem(columns: Mapping[str, pl.DataType], name: str) -> str | None:
    if name not in columns:
        return _missing(columns, name)
    dtype = columns[name]
    if isinstance(dtype, pl.Datetime) and dtype.time_zone is not None:
        return None
    return f"Column {name!r} is {dtype}; the instant of a decision is a timestamp with a time zone."


def _plain(value: Any) -> Any:
    if isinstance(value, Split):
        return value.to_json()
    if isinstance(value, datetime):
        return value.isoformat()
    if isinstance(value, timedelta):
        return value // _MICROSECOND
    return list(value) if isinstance(value, tuple) else value


def _shown(value: Any) -> str:
    if isinstance(value, datetime):
        return value.isoformat()
    return window_label(value) if isinstance(value, timedelta) else repr(value)
