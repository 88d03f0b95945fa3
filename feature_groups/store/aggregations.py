"""Window aggregations as declarations: which function of which column, over which windows.

A window of length w at instant t holds the events in ``[t - w, t)``; the unbounded window holds all before t.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, Literal, get_args

from feature_groups.store.errors import InvalidDeclaration, did_you_mean
from feature_groups.store.names import check_name

Function = Literal["count", "sum", "mean", "min", "max", "std", "last", "last_n", "n_unique"]

FUNCTIONS: tuple[str, ...] = get_args(Function)
_NEEDS_DECIMALS = ("sum", "mean", "std")
_MICROSECOND = timedelta(microseconds=1)


@dataclass(frozen=True)
class Aggregation:
    """One function of one column over several windows.

    Attributes:
        function: ``count``, ``sum``, ``mean``, ``min``, ``max``, ``std`` (sample, n - 1), ``last``, ``last_n``
            (newest first) or ``n_unique``.
        column: The events' column; none for ``count``.
        windows: Lengths in whole microseconds; ``None`` is the unbounded window.
        name: Prefix of the output columns, by default ``<column>_<function>`` or ``count``.
        n: How many values ``last_n`` keeps.
    """

    function: Function
    column: str | None = None
    windows: Sequence[timedelta | None] = (None,)
    name: str = ""
    n: int | None = None

    def __post_init__(self) -> None:
        where = f"aggregation {self.function!r} of {self.column!r}"

        def refuse(what: str, next_step: str) -> InvalidDeclaration:
            return InvalidDeclaration(where, what=what, state="was not declared", next_step=next_step)

        if self.function not in FUNCTIONS:
            raise refuse(f"There is no such function. {did_you_mean(str(self.function), FUNCTIONS)}", "correct it.")
        if (self.column is None) != (self.function == "count"):
            raise refuse("count takes no column and every other function takes one.", "correct column=.")
        if (self.n is not None) != (self.function == "last_n"):
            raise refuse("last_n takes n= and no other function does.", "correct n=.")
        if self.n is not None and (type(self.n) is not int or not 1 <= self.n <= 1000):
            raise refuse(f"n is {self.n!r}.", "choose a whole n between 1 and 1,000.")
        if not isinstance(self.windows, (list, tuple)):
            raise refuse(f"windows is {self.windows!r}, no list.", "give a list such as [timedelta(days=7), None].")
        object.__setattr__(self, "windows", tuple(self.windows))
        for window in self.windows:
            if window is not None and (not isinstance(window, timedelta) or window < _MICROSECOND):
                raise refuse(f"{window!r} is no window.", "use a positive timedelta, or None for all events.")
        if not self.windows or len(set(self.windows)) != len(self.windows):
            raise refuse("Windows are missing or repeated.", "name each window once; None is the unbounded one.")
        default = "count" if self.column is None else f"{self.column}_{self.function}"
        object.__setattr__(self, "name", check_name(self.name or default, kind="aggregation", where=where))
        for output in self.outputs:
            check_name(output, kind="column", where=where)

    @property
    def outputs(self) -> list[str]:
        """The columns it makes, one per window: ``<name>_1d``, ``<name>_90m``, ``<name>_all``."""
        return [f"{self.name}_{window_label(w)}" for w in self.windows]

    @property
    def needs_decimals(self) -> bool:
        """Whether it adds values up, so that floats need a declared scale."""
        return self.function in _NEEDS_DECIMALS

    def to_json(self) -> dict[str, Any]:
        """The declaration as plain JSON; windows in microseconds, null for the unbounded one."""
        windows = [None if w is None else w // _MICROSECOND for w in self.windows]
        return {
            "function": self.function,
            "column": self.column,
            "windows": windows,
            "name": self.name,
            "n": self.n,
        }


def window_label(window: timedelta | None) -> str:
    """A short name for a window: ``all``, ``30d``, ``12h``, ``5m``, ``10s`` or ``250us``."""
    if window is None:
        return "all"
    microseconds = window // _MICROSECOND
    for unit, size in (("d", 86_400_000_000), ("h", 3_600_000_000), ("m", 60_000_000), ("s", 1_000_000)):
        if microseconds % size == 0:
            return f"{microseconds // size}{unit}"
    return f"{microseconds}us"
