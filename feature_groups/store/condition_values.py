"""The values that conditions compare columns with: of the column's own type, so that no engine converts them."""

from __future__ import annotations

import math
import operator
import struct
from collections.abc import Callable
from contextlib import suppress
from datetime import UTC, date, datetime
from decimal import Context, Decimal, Inexact, InvalidOperation

from feature_groups.store.rules import ColumnSpec

Value = bool | int | float | str | date | datetime | Decimal
"""What a column is compared with: as its type has it, timestamps in UTC, decimals with the column's digits."""

FIRST_YEAR = 1600
"""Before it, Spark takes literals for days of another calendar."""

_LATE_ENOUGH = f"a time from {FIRST_YEAR} on, such as that year's beginning: calendars differ before"
_BITS = {"int8": 8, "int16": 16, "int32": 32, "int64": 64}
_NO_VALUES = ("NoneType", "NaTType", "NAType")


def only_null_tests(column: ColumnSpec) -> bool:
    """Whether the column's type has no order and no equality that every engine shares."""
    return column.type.startswith(("list<", "binary"))


def checked_value(column: ColumnSpec, value: object) -> Value:
    """The value as the column's type has it; nothing is rounded but to float32, the column's own precision.

    Raises:
        ValueError: It is of another type, NULL, not finite, or cannot occur in the column; the message says what
            is wrong and, after a semicolon, what to do. It shows no value that is compared with a personal column.
    """
    if type(value).__name__ in _NO_VALUES:
        raise ValueError("NULL equals nothing; use .is_null() or .is_not_null()")
    if _is_fraction(value) and value != value:
        raise ValueError("NaN is in no column; use .is_null() or .is_not_null()")
    kind = "decimal" if column.type.startswith("decimal") else column.type.rstrip("0123456789")
    return _CHECKS[kind](column, value)


def shown(value: Value) -> str:
    """A value for people: as Python writes it, times and decimals as text."""
    return repr(value) if isinstance(value, (bool, int, float, str)) else repr(str(value))


def as_json(value: Value) -> bool | int | float | str:
    """A value as JSON has it; the column's type tells what text stands for."""
    if isinstance(value, date):
        return value.isoformat()
    return str(value) if isinstance(value, Decimal) else value


def _is_bool(value: object) -> bool:
    return isinstance(value, bool) or type(value).__name__ in ("bool", "bool_")


def _is_fraction(value: object) -> bool:
    return isinstance(value, float) or type(value).__name__ in ("float16", "float32")


def _whole(value: object) -> int | None:
    """A Python or numpy whole number; truth values are none."""
    try:
        return None if _is_bool(value) else operator.index(value)  # type: ignore[arg-type]  # raises for what is no number
    except TypeError:
        return None


def _wrong(column: ColumnSpec, value: object, wanted: str) -> ValueError:
    given = f"a {type(value).__name__}" if column.pii else f"{value!r:.60} (a {type(value).__name__})"
    return ValueError(f"it is {column.type} and was compared with {given}; give {wanted}")


def _int(column: ColumnSpec, value: object) -> Value:
    number = _whole(value)
    if number is None:
        raise _wrong(column, value, "a whole number")
    limit = 2 ** (_BITS[column.type] - 1)
    if not -limit <= number < limit:
        raise _wrong(column, value, f"a number from {-limit:,} to {limit - 1:,}")
    return number


def _float(column: ColumnSpec, value: object) -> Value:
    whole = _whole(value)
    if whole is None and not _is_fraction(value):
        raise _wrong(column, value, "a number")
    try:
        number = float(value)  # type: ignore[arg-type]  # raises for what is no number
        stored = struct.unpack("<f", struct.pack("<f", number))[0] if column.type == "float32" else number
    except OverflowError:
        raise _wrong(column, value, f"a number that {column.type} can hold") from None
    if not math.isfinite(number) or (whole is not None and stored != whole):
        raise _wrong(column, value, f"a finite number, if whole one that {column.type} holds exactly")
    return float(stored) + 0.0  # no engine tells -0.0 from 0.0, but texts do


def _bool(column: ColumnSpec, value: object) -> Value:
    if not _is_bool(value):
        raise _wrong(column, value, "True or False")
    return bool(value)


def _string(column: ColumnSpec, value: object) -> Value:
    if not isinstance(value, str):
        raise _wrong(column, value, "text")
    try:
        value.encode()
    except UnicodeEncodeError:
        raise _wrong(column, value, "text without halves of surrogate pairs") from None
    return str(value)


def _date(column: ColumnSpec, value: object) -> Value:
    if not isinstance(value, date) or isinstance(value, datetime):
        raise _wrong(column, value, "a datetime.date")
    if value.year < FIRST_YEAR:
        raise _wrong(column, value, _LATE_ENOUGH)
    return value


def _timestamp(column: ColumnSpec, value: object) -> Value:
    if not isinstance(value, datetime):
        raise _wrong(column, value, "an aware datetime")
    if value.utcoffset() is None:
        raise _wrong(column, value, "it a time zone, e.g. tzinfo=UTC: a naive time is no instant")
    if getattr(value, "nanosecond", 0):
        raise _wrong(column, value, "an instant in whole microseconds, as the store keeps them")
    try:
        at = value.astimezone(UTC)
    except OverflowError:
        raise _wrong(column, value, "an instant in the years 1 to 9999 in UTC") from None
    if at.year < FIRST_YEAR:
        raise _wrong(column, value, _LATE_ENOUGH)
    return datetime(at.year, at.month, at.day, at.hour, at.minute, at.second, at.microsecond, tzinfo=UTC)


def _decimal(column: ColumnSpec, value: object) -> Value:
    precision, scale = (int(n) for n in column.type.removeprefix("decimal(").removesuffix(")").split(","))
    whole = _whole(value)
    number = Decimal(whole) if whole is not None else value
    if not isinstance(number, Decimal):
        raise _wrong(column, value, "a decimal.Decimal, e.g. Decimal('9.99'), or a whole number")
    exact = Context(prec=precision, traps=[Inexact, InvalidOperation])
    if number.is_finite():
        with suppress(Inexact, InvalidOperation):
            return exact.add(number.quantize(Decimal(1).scaleb(-scale), context=exact), 0)
    raise _wrong(column, value, f"a number with up to {precision - scale} digits before the point and {scale} after it")


_CHECKS: dict[str, Callable[[ColumnSpec, object], Value]] = {
    "int": _int,
    "float": _float,
    "bool": _bool,
    "string": _string,
    "date": _date,
    "timestamp": _timestamp,
    "decimal": _decimal,
}
