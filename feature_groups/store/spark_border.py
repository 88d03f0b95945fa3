"""The border for Spark frames: types are compared, values are not scanned, so only widening casts are made."""

from __future__ import annotations

from typing import Any

import narwhals as nw
import polars as pl

from feature_groups.store.column_types import spark_type
from feature_groups.store.conforming import column_problems, schema_mismatch
from feature_groups.store.contract import ContractSpec
from feature_groups.store.engine import Frame

_WIDENING = {
    "int8": {"int16", "int32", "int64"},
    "int16": {"int32", "int64"},
    "int32": {"int64"},
    "float32": {"float64"},
}
_VOID = "void"
"""The type of a column that holds nothing but NULL."""


def conform_spark(data: Any, spec: ContractSpec, where: str) -> Frame:
    """A Spark frame as a lazy frame with the contract's columns and types.

    Raises:
        SchemaMismatch: Columns are missing or extra, or have a type that is not the contract's or narrower.
    """
    problems = column_problems(list(data.columns), spec)
    given = {f.name: f.dataType.simpleString() for f in data.schema.fields}
    columns = []
    for column in spec.columns:
        kind = given.get(column.name, "")
        wanted = _narwhals_type(column.polars)
        narrow = {spark_type(n) for n, wide in _WIDENING.items() if column.type in wide}
        if not kind:
            columns.append(nw.lit(None, dtype=wanted).alias(column.name))
        elif kind.replace(" ", "") == column.spark.replace(" ", ""):
            columns.append(nw.col(column.name))
        elif kind == _VOID or kind in narrow:
            columns.append(nw.col(column.name).cast(wanted))
        else:
            hint = " Naive times have no instant; use to_utc_timestamp." if kind == "timestamp_ntz" else ""
            shown = kind[:80]
            problems.append(f"{column.name!r} is {shown}, the contract says {column.type} ({column.spark}).{hint}")
    if problems:
        raise schema_mismatch(problems, where)
    frame: Frame = nw.from_native(data)
    return frame.select(*columns)


def _narwhals_type(dtype: pl.DataType) -> Any:
    return nw.from_native(pl.DataFrame(schema={"c": dtype})).schema["c"]
