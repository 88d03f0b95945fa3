"""Conditions on the rows of a feature group: ``(fg["rating"] >= 4) & ~fg["note"].is_null()``.

As in SQL, a comparison with NULL is neither true nor false, and only rows for which the whole condition is true are
kept: ``fg["rating"] != 4`` keeps no row without a rating, and neither does ``~(fg["rating"] == 4)``.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

import narwhals as nw

from feature_groups.store.condition_values import Value, as_json, shown
from feature_groups.store.errors import InvalidDeclaration
from feature_groups.store.rules import ColumnSpec

Operator = Literal["==", "!=", "<", "<=", ">", ">=", "isin", "not in", "is_null", "is_not_null"]
_PAIRS = {"==": "!=", "<": ">=", "<=": ">", "isin": "not in", "is_null": "is_not_null", "&": "|"}
_NEGATED: Mapping[Any, Any] = _PAIRS | {second: first for first, second in _PAIRS.items()}
"""What is true where the operator is false; both are neither on NULL, and no column holds NaN."""


class Condition(ABC):
    """A condition on rows; combine with ``&``, ``|`` and ``~``. One of `Comparison` and `Combination`."""

    @property
    @abstractmethod
    def columns(self) -> frozenset[tuple[str, str]]:
        """The columns it looks at, as (feature group's id, column)."""

    @property
    def groups(self) -> frozenset[str]:
        """The ids of the feature groups it looks at."""
        return frozenset(group for group, _ in self.columns)

    @property
    @abstractmethod
    def comparisons(self) -> tuple[Comparison, ...]:
        """The comparisons it is made of."""

    def conjuncts(self) -> tuple[Condition, ...]:
        """The conditions that must all be true for it to be true."""
        return (self,)

    @abstractmethod
    def expr(self, *, rename: Mapping[str, str] | None = None) -> nw.Expr:
        """The condition as an expression over a frame of one feature group's rows; NULL keeps no row in a filter.

        Args:
            rename: The frame's names of columns that have others than in the contract.
        """

    @abstractmethod
    def to_json(self) -> dict[str, Any]:
        """The condition as plain JSON: equal for equal conditions."""

    def __and__(self, other: object) -> Condition:
        return _combined("&", self, other)

    def __or__(self, other: object) -> Condition:
        return _combined("|", self, other)

    __rand__, __ror__ = __and__, __or__

    @abstractmethod
    def __invert__(self) -> Condition: ...

    def __bool__(self) -> bool:
        raise InvalidDeclaration(
            f"condition {self!r:.200}",
            what="It is true or false for a row, not by itself; Python's and, or, not, in and a < b < c ask for that.",
            state="was not made",
            next_step="combine conditions with &, | and ~, each in parentheses: (a >= 1) & ~(b == 2); "
            "use .isin([...]) for in.",
        )


@dataclass(frozen=True)
class Comparison(Condition):
    """One column compared with values of its own type.

    Attributes:
        group: Id of the feature group.
        column: The column.
        operator: How it is compared.
        values: What with: one value, several in rising order for ``isin`` and ``not in``, none for null tests.
    """

    group: str
    column: ColumnSpec
    operator: Operator
    values: tuple[Value, ...] = ()

    @property
    def columns(self) -> frozenset[tuple[str, str]]:
        """Its one column, as (feature group's id, column)."""
        return frozenset({(self.group, self.column.name)})

    @property
    def comparisons(self) -> tuple[Comparison, ...]:
        """Itself."""
        return (self,)

    def expr(self, *, rename: Mapping[str, str] | None = None) -> nw.Expr:
        """As in `Condition`."""
        name = self.column.name
        column = nw.col((rename or {}).get(name, name))
        match self.operator:
            case "is_null":
                return column.is_null()
            case "is_not_null":
                return ~column.is_null()
            case "isin":
                return column.is_in(self.values)
            case "not in":
                return ~column.is_in(self.values)
        value = self.values[0]
        match self.operator:
            case "==":
                return column == value
            case "!=":
                return column != value
            case "<":
                return column < value
            case "<=":
                return column <= value
            case ">":
                return column > value
        return column >= value

    def to_json(self) -> dict[str, Any]:
        """As in `Condition`."""
        values = {"values": [as_json(v) for v in self.values]} if self.values else {}
        return {"group": self.group, "column": self.column.name, "operator": self.operator} | values

    def __invert__(self) -> Condition:
        return Comparison(self.group, self.column, _NEGATED[self.operator], self.values)

    def __repr__(self) -> str:
        column = spelled(self.group, self.column.name)
        values = ["<hidden>"] if self.column.pii else [shown(v) for v in self.values]
        match self.operator:
            case "is_null" | "is_not_null":
                return f"{column}.{self.operator}()"
            case "isin":
                return f"{column}.isin([{', '.join(values)}])"
            case "not in":
                return f"~{column}.isin([{', '.join(values)}])"
        return f"{column} {self.operator} {values[0]}"


@dataclass(frozen=True)
class Combination(Condition):
    """Conditions of which all (``&``) or at least one (``|``) must be true.

    Attributes:
        operator: ``&`` or ``|``.
        parts: Two or more conditions, none of them a combination by the same operator.
    """

    operator: Literal["&", "|"]
    parts: tuple[Condition, ...]

    @property
    def columns(self) -> frozenset[tuple[str, str]]:
        """The columns of its parts, as (feature group's id, column)."""
        return frozenset().union(*(part.columns for part in self.parts))

    @property
    def comparisons(self) -> tuple[Comparison, ...]:
        """Those of its parts."""
        return tuple(c for part in self.parts for c in part.comparisons)

    def conjuncts(self) -> tuple[Condition, ...]:
        """Its parts, if all of them must be true."""
        return self.parts if self.operator == "&" else (self,)

    def expr(self, *, rename: Mapping[str, str] | None = None) -> nw.Expr:
        """As in `Condition`."""
        first, *others = (part.expr(rename=rename) for part in self.parts)
        for other in others:
            first = first & other if self.operator == "&" else first | other
        return first

    def to_json(self) -> dict[str, Any]:
        """As in `Condition`."""
        return {self.operator: [part.to_json() for part in self.parts]}

    def __invert__(self) -> Condition:
        return Combination(_NEGATED[self.operator], tuple(~part for part in self.parts))

    def __repr__(self) -> str:
        return f" {self.operator} ".join(f"({part!r})" for part in self.parts)


def spelled(group: str, column: str) -> str:
    """A column as it is written in code, e.g. ``ratings.v1['rating']``."""
    name, _, version = group.rpartition("_v")
    return f"{name}.v{version}[{column!r}]"


def _combined(operator: Literal["&", "|"], one: Condition, other: object) -> Condition:
    if not isinstance(other, Condition):
        raise InvalidDeclaration(
            f"condition {one!r:.200}",
            what=f"It was combined by {operator} with {other!r:.60}, which is no condition.",
            state="was not made",
            next_step=f"put every comparison in parentheses, since {operator} binds before == and <: "
            f"(a >= 1) {operator} (b == 2).",
        )
    parts: list[Condition] = []
    for part in (one, other):
        parts += part.parts if isinstance(part, Combination) and part.operator == operator else [part]
    return Combination(operator, tuple(parts))
