"""A column of a feature group, from which conditions are made."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import NoReturn

from feature_groups.store.condition_values import Value, checked_value, only_null_tests
from feature_groups.store.conditions import Comparison, Condition, Operator, spelled
from feature_groups.store.errors import InvalidDeclaration
from feature_groups.store.rules import ColumnSpec


class Column:
    """A column of a feature group, to be compared: ``ratings.v1["rating"] >= 4``. Comparing gives a `Condition`.

    Values are of the column's own type, so that every engine compares the same things: whole numbers, text, truth
    values, dates, aware datetimes, decimals with no more digits than the column has. Lists and binary columns have
    null tests only.
    """

    __hash__ = None  # type: ignore[assignment]  # looking it up would compare it, which gives a condition
    __slots__ = ("group", "spec")

    def __init__(self, group: str, spec: ColumnSpec) -> None:
        self.group, self.spec = group, spec

    def __eq__(self, other: object) -> Condition:  # type: ignore[override]  # a condition, not a truth
        return self._compared("==", other)

    def __ne__(self, other: object) -> Condition:  # type: ignore[override]  # a condition, not a truth
        return self._compared("!=", other)

    def __lt__(self, other: object) -> Condition:
        return self._compared("<", other)

    def __le__(self, other: object) -> Condition:
        return self._compared("<=", other)

    def __gt__(self, other: object) -> Condition:
        return self._compared(">", other)

    def __ge__(self, other: object) -> Condition:
        return self._compared(">=", other)

    def isin(self, values: Iterable[object]) -> Condition:
        """Whether the value is one of several.

        Raises:
            InvalidDeclaration: `values` is text or empty (which would keep no row), or a value cannot occur.
        """
        if isinstance(values, (str, bytes, Mapping)) or not isinstance(values, Iterable):
            self._refuse("isin takes several values", "give a list, e.g. .isin([1, 2])")
        checked = {self._checked(value) for value in values}
        if not checked:
            self._refuse("isin was given no values, which would keep no row", "give at least one, or leave it out")
        return Comparison(self.group, self.spec, "isin", tuple(sorted(checked)))

    def is_null(self) -> Condition:
        """Whether there is no value."""
        return Comparison(self.group, self.spec, "is_null")

    def is_not_null(self) -> Condition:
        """Whether there is a value."""
        return Comparison(self.group, self.spec, "is_not_null")

    def __repr__(self) -> str:
        return f"{spelled(self.group, self.spec.name)} ({self.spec.type})"

    def __bool__(self) -> bool:
        self._refuse("it is no condition by itself", "compare it, e.g. == True or .is_not_null()")

    def __invert__(self) -> NoReturn:
        self._refuse("it is no condition by itself", "compare it, e.g. == False or .is_null()")

    def __and__(self, other: object) -> NoReturn:
        what = "it is no condition by itself, and & and | bind before == and <"
        self._refuse(what, "put every comparison in parentheses, e.g. (a >= 1) & (b == True)")

    __rand__ = __or__ = __ror__ = __and__

    def _compared(self, operator: Operator, other: object) -> Condition:
        return Comparison(self.group, self.spec, operator, (self._checked(other),))

    def _checked(self, value: object) -> Value:
        if only_null_tests(self.spec):
            what = f"it is {self.spec.type}, whose values engines do not compare alike"
            self._refuse(what, "use .is_null() or .is_not_null(), or a column that the group derives from it")
        if isinstance(value, (Column, Condition)):
            what = "it was compared with a column or condition"
            self._refuse(what, "compare with a value; a comparison of columns is a column of the group")
        try:
            return checked_value(self.spec, value)
        except ValueError as error:
            what, _, next_step = str(error).partition("; ")
            self._refuse(what, next_step)

    def _refuse(self, what: str, next_step: str) -> NoReturn:
        name, _, version = self.group.rpartition("_v")
        raise InvalidDeclaration(
            f"condition on feature group {name!r} v{version}",
            what=f"Column {self.spec.name!r}: {what}.",
            state="was not made",
            next_step=f"{next_step}.",
        )
