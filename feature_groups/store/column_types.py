"""The column types a feature group may have, under one name for every engine."""

from __future__ import annotations

import re
from functools import cache
from typing import Annotated

import polars as pl

UtcDatetime = Annotated[pl.Datetime, "us", "UTC"]
"""The one timestamp type: microseconds in UTC. Use it to annotate columns of a contract."""

_SCALARS: dict[str, tuple[pl.DataType, str]] = {
    "int8": (pl.Int8(), "tinyint"),
    "int16": (pl.Int16(), "smallint"),
    "int32": (pl.Int32(), "int"),
    "int64": (pl.Int64(), "bigint"),
    "float32": (pl.Float32(), "float"),
    "float64": (pl.Float64(), "double"),
    "bool": (pl.Boolean(), "boolean"),
    "string": (pl.String(), "string"),
    "binary": (pl.Binary(), "binary"),
    "date": (pl.Date(), "date"),
    "timestamp": (pl.Datetime("us", "UTC"), "timestamp"),
}
_BY_POLARS = {polars: name for name, (polars, _) in _SCALARS.items()}
_DECIMAL = re.compile(r"decimal\((\d+),(\d+)\)")
_LIST = re.compile(r"list<(.+)>")

MAX_PRECISION = 38


def type_name(dtype: object) -> str:
    """The store's name of a Polars type, for example ``list<float32>``.

    Raises:
        ValueError: The type is not storable; the message says what to use instead.
    """
    return _name(dtype() if isinstance(dtype, type) and issubclass(dtype, pl.DataType) else dtype)


@cache
def _name(instance: object) -> str:
    if isinstance(instance, pl.Decimal):
        precision = instance.precision or MAX_PRECISION
        if precision > MAX_PRECISION:
            raise ValueError(f"decimals have at most {MAX_PRECISION} digits, not {precision}")
        return f"decimal({precision},{instance.scale})"
    if isinstance(instance, (pl.List, pl.Array)):
        inner = type_name(instance.inner)
        if inner.startswith("list<"):
            raise ValueError("lists of lists are not storable; flatten them or use two columns")
        return f"list<{inner}>"
    if isinstance(instance, pl.DataType) and instance in _BY_POLARS:
        return _BY_POLARS[instance]
    raise ValueError(f"{instance} is not storable; {_hint(instance)}")


def _hint(dtype: object) -> str:
    if isinstance(dtype, pl.Datetime):
        return "timestamps are microseconds in UTC: annotate the column with UtcDatetime"
    if isinstance(dtype, pl.DataType) and dtype.is_unsigned_integer():
        return "Spark has no unsigned integers: use int64"
    if isinstance(dtype, (pl.Categorical, pl.Enum)):
        return "use str, with isin=[...] for a closed set of values"
    if isinstance(dtype, pl.Struct):
        return "make each field a column of its own"
    return f"use one of {', '.join(_SCALARS)}, decimal(p,s), list<...>"


def polars_type(name: str) -> pl.DataType:
    """The Polars type of a stored type name."""
    if name in _SCALARS:
        return _SCALARS[name][0]
    if found := _DECIMAL.fullmatch(name):
        return pl.Decimal(int(found[1]), int(found[2]))
    if found := _LIST.fullmatch(name):
        return pl.List(polars_type(found[1]))
    raise ValueError(f"{name!r} is not a stored type")


def spark_type(name: str) -> str:
    """The Spark SQL type of a stored type name, as used in a table's DDL."""
    if name in _SCALARS:
        return _SCALARS[name][1]
    if found := _LIST.fullmatch(name):
        return f"array<{spark_type(found[1])}>"
    return name


def is_float(name: str) -> bool:
    """Whether values may be NaN or infinite, in the column or inside its lists."""
    return name.removeprefix("list<").startswith("float")
