"""Bounds: between which values a check keeps a column, so that what follows from it need not be looked for."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Bounds:
    """An interval with both its ends, of a column's values; for text, of their numbers of characters.

    Attributes:
        low: The least; None where there is no least.
        high: The greatest, likewise.
    """

    low: Any = None
    high: Any = None


def bounds_of(values: Iterable[Any]) -> Bounds | None:
    """The least bounds with all these values in them; None for no values, and for values without an order."""
    found = [len(v) if isinstance(v, str) else v for v in values]
    try:
        return Bounds(min(found), max(found)) if found else None
    except TypeError:
        return None


def lies_within(several: Sequence[Bounds], wanted: Bounds) -> bool:
    """Whether a value that lies in all of several bounds lies in those wanted too; not where nobody can tell."""
    low = wanted.low is None or any(_at_most(wanted.low, b.low) for b in several)
    high = wanted.high is None or any(_at_most(b.high, wanted.high) for b in several)
    return low and high


def _at_most(one: Any, other: Any) -> bool:
    """Whether two ends are in this order; not when there is none, as for NaN, and for a naive and an aware time."""
    try:
        return one is not None and other is not None and bool(one <= other)
    except TypeError:
        return False
