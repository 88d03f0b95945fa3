"""The border: frames of any library as Polars frames, read without guessing.

Polars and Arrow guess at mixed Python values: they take naive times among aware ones as UTC, ``True`` as 1 and
large integers among floats as other numbers. A column of mixed values therefore becomes one of Python objects here,
which is refused by name when the frame is conformed.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any, cast

import polars as pl

from feature_groups.store.errors import BatchUnreadable, UnsupportedFrame

_EXACT = 2**53
_FAILURES = (Exception, pl.exceptions.PanicException)
"""What reading foreign data may end in: Polars' panic is no `Exception`."""


def to_polars(data: object, where: str, *, private: bool = False) -> pl.DataFrame:
    """Any in-memory or lazy frame as a Polars frame; NaN from pandas becomes NULL, as pandas means it.

    Args:
        data: Polars (eager or lazy), pandas or Arrow frame, mapping of columns, or list of dicts.
        where: What messages name.
        private: Whether the rows are personal, so that no message may quote them.

    Raises:
        UnsupportedFrame: It is no frame, or holds values no column can.
        BatchUnreadable: A lazy plan failed while it ran.
    """
    if isinstance(data, pl.DataFrame):
        return data
    if isinstance(data, pl.LazyFrame):
        try:
            return data.collect()
        except _FAILURES as error:
            raise unreadable(error, where, private=private) from (None if private else error)
    kind = f"{type(data).__module__.partition('.')[0]}.{type(data).__name__}"
    try:
        if isinstance(data, Mapping):
            return _from_columns(data, where)
        if isinstance(data, Sequence) and not isinstance(data, (str, bytes)):
            return _from_rows(data, where)
        if kind == "pandas.DataFrame":
            return _from_pandas(data, where)
        if hasattr(data, "__arrow_c_stream__"):
            return pl.DataFrame(data)
    except UnsupportedFrame:
        raise
    except _FAILURES as error:
        raise _unsupported(data, where, _first_line(error)) from error
    raise _unsupported(data, where, "it is not a frame")


def unreadable(error: BaseException, where: str, *, private: bool) -> BatchUnreadable:
    """The error for a lazy plan that failed; a plan over personal data is not quoted, since it may quote values."""
    reason = f"{type(error).__name__} (not quoted: the data is personal)" if private else _first_line(error)
    return BatchUnreadable(
        where,
        what=f"The lazy frame failed while it was computed: {reason}",
        state="was not written",
        next_step="compute it by itself to see the whole error, correct it and insert again.",
    )


def _from_columns(columns: Mapping[Any, Any], where: str) -> pl.DataFrame:
    _refuse_names(columns, list(columns), where)
    return pl.DataFrame({n: _series(n, v) if isinstance(v, (list, tuple)) else v for n, v in columns.items()})


def _from_rows(rows: Sequence[Any], where: str) -> pl.DataFrame:
    if not all(isinstance(r, Mapping) for r in rows):
        raise _unsupported(rows, where, "a list must hold dicts, one per row")
    if not rows:
        raise _unsupported(rows, where, "an empty list has no columns; give an empty frame with its columns")
    names = list(dict.fromkeys(name for row in rows for name in row))
    _refuse_names(rows, names, where)
    return pl.DataFrame([_series(name, [row.get(name) for row in rows]) for name in names])


def _from_pandas(data: Any, where: str) -> pl.DataFrame:
    _refuse_names(data, list(data.columns), where)
    return pl.DataFrame([_from_pandas_column(name, data[name]) for name in data.columns])


def _from_pandas_column(name: str, column: Any) -> pl.Series:
    values = None
    if column.dtype == object:
        missing = column.isna().tolist()
        values = [None if gone else value for value, gone in zip(column.tolist(), missing, strict=True)]
    found = {type(v).__name__ for v in values or () if v is not None}
    if values is not None and not found:
        return pl.Series(name, values, dtype=pl.Null)
    try:
        if found and found <= {"Timestamp"}:
            column = column.infer_objects()  # keeps the nanoseconds that Python's own datetimes have not
            if column.dtype == object:
                return pl.Series(name, values, dtype=pl.Object)
        elif values is not None and found != {"ndarray"}:
            return _series(name, values)
        return cast("pl.Series", pl.from_pandas(column)).alias(name)
    except _FAILURES:
        return pl.Series(name, column.tolist(), dtype=pl.Object)


def _series(name: str, values: Sequence[Any]) -> pl.Series:
    """Python values as one column; mixed ones, and those Polars cannot keep, as one of Python objects."""
    uniform = _uniform(values)
    if uniform is not None:
        try:
            made = pl.Series(name, uniform, strict=True)
        except _FAILURES:
            return pl.Series(name, values, dtype=pl.Object)
        if _as_many_nulls(made, uniform):
            return made
    return pl.Series(name, values, dtype=pl.Object)


def _as_many_nulls(made: pl.Series, values: Sequence[Any]) -> bool:
    """Whether no value became NULL, as a decimal does that does not fit the scale of the others."""
    if made.null_count() != sum(v is None for v in values):
        return False
    if not isinstance(made.dtype, pl.List):
        return True
    elements = [element for v in values if v is not None for element in v]
    return _as_many_nulls(made.explode(empty_as_null=False, keep_nulls=False), elements)


def _uniform(values: Sequence[Any]) -> Sequence[Any] | None:
    """The values when they are of one kind, integers among floats as floats; None when they are mixed."""
    kinds = {(type(v), getattr(v, "tzinfo", None) is None) for v in values if v is not None}
    types = {kind for kind, _ in kinds}
    if types == {int, float}:
        exact = all(abs(v) <= _EXACT for v in values if type(v) is int)
        return [float(v) if type(v) is int else v for v in values] if exact else None
    if types and types <= {list, tuple}:
        elements = _uniform([element for v in values if v is not None for element in v])
        if elements is None:
            return None
        rest = iter(elements)
        return [None if v is None else [next(rest) for _ in v] for v in values]
    return values if len(kinds) <= 1 else None


def _refuse_names(data: object, names: Sequence[Any], where: str) -> None:
    if odd := [n for n in names if not isinstance(n, str)]:
        raise _unsupported(data, where, f"the column names {str(odd[:5])[:200]} are not text")
    if repeated := [n for n, count in Counter(names).items() if count > 1][:5]:
        raise _unsupported(data, where, f"the columns {str(repeated)[:200]} stand twice")


def _unsupported(data: object, where: str, why: str) -> UnsupportedFrame:
    return UnsupportedFrame(
        where,
        what=f"The {type(data).__module__}.{type(data).__name__} cannot be read: {why}.",
        state="was not written",
        next_step="give a Polars, pandas, Arrow or Spark frame, or a list of dicts.",
    )


def _first_line(error: BaseException) -> str:
    return (str(error).strip().splitlines() or [type(error).__name__])[0][:300]
