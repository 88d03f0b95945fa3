"""Rules: the conditions of a contract as narwhals expressions, true for a row that breaks them.

NULL breaks nothing but "not null"; NaN and infinity are refused by a rule of their own, because the engines
disagree on how they compare.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime
from typing import Any, cast

import narwhals as nw
import polars as pl

from feature_groups.store.bounds import Bounds, lies_within
from feature_groups.store.column_types import is_float, polars_type, spark_type
from feature_groups.store.errors import InvalidDeclaration

MAX_CHARACTERS = 65_536
MAX_PARTITION_CHARACTERS = 40
_HIVE_NULL = "__HIVE_DEFAULT_PARTITION__"
_CONTROL = r"[\x00-\x1F\x7F]"
# Bounds of 32-bit floats for all: NaN and infinity, which engines order last, lie beyond.
_FINITE = Bounds(-3.4e38, 3.4e38)
# Far enough inside of Python's years that no zone matters.
_CALENDAR = {
    "timestamp": (datetime(1600, 1, 1, tzinfo=UTC), datetime(9000, 1, 1, tzinfo=UTC)),
    "date": (date(1600, 1, 1), date(9000, 1, 1)),
}
INVARIANT = "__alluvia_invariant__"
"""Attribute of a Pandera check that holds the narwhals expression behind it."""


Refuse = Callable[[str, str], InvalidDeclaration]
"""Makes the error for (what is wrong, what to do)."""


@dataclass(frozen=True)
class ColumnSpec:
    """One column of a contract.

    Attributes:
        name: Column name.
        type: The store's type name, for example ``int64`` or ``timestamp`` (µs, UTC).
        nullable: Whether NULL is allowed.
        required: Whether a batch must carry the column; where not, it is filled with NULL.
        description: What the name cannot say.
        unit: Unit of the values, for example ``stars``.
        pii: Personal data: its values never appear in reports, statistics or errors.
        label_proxy: The label this column gives away; a view predicting that label refuses it.
    """

    name: str
    type: str
    nullable: bool = False
    required: bool = True
    description: str = ""
    unit: str = ""
    pii: bool = False
    label_proxy: str = ""

    @property
    def polars(self) -> pl.DataType:
        """The Polars type."""
        return polars_type(self.type)

    @property
    def spark(self) -> str:
        """The Spark SQL type."""
        return spark_type(self.type)


@dataclass(frozen=True)
class Rule:
    """One condition that rows can break.

    Attributes:
        name: What it is called in reports, for example ``rating in_range(1, 5)``.
        columns: The columns it looks at; their values are the samples shown.
        fails: Makes the narwhals expression that is true for a row that breaks the rule.
        hard: No policy lets such a row into a table: engines would disagree on it or refuse it.
        detail: The whole condition as text, where the name shortens it.
        bounds: Bounds of every value that meets the rule.
        implied: Whether a row that breaks it breaks another rule of its contract too, so that rows need not be looked
            through for it, only those found be counted.
        quick_in_spark: A cheaper expression, true for every row that breaks the rule and hardly another.
        met_in_polars: Tells cheaply that no row of a frame breaks the rule; false when one may.
    """

    name: str
    columns: tuple[str, ...]
    fails: Callable[[], nw.Expr] = field(compare=False, repr=False)
    hard: bool = False
    detail: str = field(default="", repr=False)
    bounds: Bounds | None = field(default=None, compare=False, repr=False)
    implied: bool = field(default=False, compare=False, repr=False)
    quick_in_spark: Callable[[], nw.Expr] | None = field(default=None, compare=False, repr=False)
    met_in_polars: Callable[[pl.DataFrame], bool] | None = field(default=None, compare=False, repr=False)


def invariant(expression: Callable[[Any], nw.Expr]) -> Any:
    """Declare a condition between columns inside a contract class.

    The decorated method returns a narwhals expression that is true for good rows; it is checked by the store
    on every engine and by Pandera itself when the class validates a Polars frame.

        @invariant
        def first_before_last(cls) -> nw.Expr:
            return nw.col("first_at") <= nw.col("last_at")
    """
    import pandera.polars as pa  # its import costs seconds; readers of data do not pay it

    def check(cls: Any, data: Any) -> pl.LazyFrame:
        frame = nw.from_native(data.lazyframe)
        return cast("pl.LazyFrame", frame.select(expression(cls)).to_native())

    check.__name__ = expression.__name__
    check.__doc__ = expression.__doc__
    setattr(check, INVARIANT, expression)
    return pa.dataframe_check(check, name=expression.__name__)


def built_in_rules(column: ColumnSpec, checks: Sequence[Rule] = ()) -> list[Rule]:
    """The rules every column has by its type: not NULL, finite, bounded text, times that Python can show.

    Args:
        column: The column.
        checks: The contract's own rules for it, from which some of these may follow.
    """
    name, rules = column.name, []
    if not column.nullable:
        rules.append(
            Rule(
                f"{name} not null",
                (name,),
                lambda: nw.col(name).is_null(),
                hard=True,
                met_in_polars=lambda rows: not rows[name].null_count(),
            )
        )
    if is_float(column.type):
        in_lists = column.type.startswith("list<")
        rules.append(
            Rule(
                f"{name} finite",
                (name,),
                lambda: _not_finite(column),
                hard=True,
                bounds=None if in_lists else _FINITE,
                met_in_polars=(lambda rows: _adds_up(rows[name])) if in_lists else None,
            )
        )
    if column.type == "string":
        rules.append(
            Rule(
                f"{name} at most {MAX_CHARACTERS:,} characters",
                (name,),
                lambda: nw.col(name).str.len_chars() > MAX_CHARACTERS,
                hard=True,
                bounds=Bounds(high=MAX_CHARACTERS),
                # Characters must be counted, the bytes of a text are known, and they are no fewer.
                quick_in_spark=lambda: nw.col(name).cast(nw.Binary).str.len_chars() > MAX_CHARACTERS,
                met_in_polars=lambda rows: not (rows[name].str.len_bytes() > MAX_CHARACTERS).any(),
            )
        )
    if column.type in _CALENDAR:
        low, high = _CALENDAR[column.type]
        rules.append(
            Rule(
                f"{name} in the years 1 to 9999",
                (),
                lambda: _beyond_calendar(name),
                hard=True,
                bounds=Bounds(low, high),
                quick_in_spark=lambda: (nw.col(name) < low) | (nw.col(name) > high),
                met_in_polars=lambda rows: not ((rows[name] < low) | (rows[name] > high)).any(),
            )
        )
    kept = [check.bounds for check in checks if check.bounds is not None]
    return [replace(r, implied=r.bounds is not None and lies_within(kept, r.bounds)) for r in rules]


def _not_finite(column: ColumnSpec) -> nw.Expr:
    values = nw.col(column.name)
    if not column.type.startswith("list<"):
        return ~values.is_finite()
    # Not by the sum: it may overflow, and Spark folds a list outside its generated code, thirty times slower.
    odd = [values.list.contains(number) for number in (math.nan, math.inf, -math.inf)]
    return odd[0] | odd[1] | odd[2]


def _adds_up(lists: pl.Series) -> bool:
    """Whether the sum of all elements is finite, and so each of them; they lie in one piece below the lists."""
    elements = cast("pl.Series", pl.from_arrow(lists.to_arrow().values))
    return math.isfinite(elements.sum())


def _beyond_calendar(column: str) -> nw.Expr:
    """Times that Python cannot show, as epoch numbers in the wrong unit give; far away, Polars' year is NULL."""
    year = nw.col(column).dt.year()
    return (year.is_null() & ~nw.col(column).is_null()) | (year < 1) | (year > 9999)


def partition_rule(column: str) -> Rule:
    """Text that names a folder: no folder has a NUL; the empty text and Hive's NULL would be read back as NULL."""

    def fails() -> nw.Expr:
        value = nw.col(column)
        too_long = value.str.len_chars() > MAX_PARTITION_CHARACTERS
        return (value == "") | (value == _HIVE_NULL) | too_long | value.str.contains(_CONTROL)

    return Rule(f"{column} names a partition (1 to {MAX_PARTITION_CHARACTERS} characters)", (column,), fails, hard=True)
