"""A contract from whose checks some of the store's own rules follow, and rows that break every one of them."""

from __future__ import annotations

from datetime import UTC, date, datetime

import pandera.polars as pa
import polars as pl

from feature_groups.store import UtcDatetime
from feature_groups.store.contract import contract_spec

LONG = "x" * 70_000
ODD_FLOATS = [0.5, 0.0, -1.0, 7.5, float("nan"), float("inf"), float("-inf"), None]
ODD_INSTANTS = [-(10**17), -(10**16), 0, 1_700_000_000_000_000, 4_102_444_800_000_000, 10**17, 3 * 10**17, None]
"""Microseconds since 1970: of the years before Christ, 1653, 1970, 2023, 2100, 5138 and 11476."""
ODD_DAYS = [-(10**6), -200_000, 0, 19_700, 47_482, 10**6, 10**7, None]
ODD_TEXTS = ["a", "", "b", "abc", "ä" * 40_000, "é" * 65_536, LONG, None]
ODD_LISTS = [[0.5], [], [None], None, [1e308, 1e308], [float("nan")], [0.5, float("inf")], [float("-inf"), None]]


class Bounded(pa.DataFrameModel):
    """One row per number."""

    number: int = pa.Field(ge=0)
    both: float = pa.Field(in_range={"min_value": 0.0, "max_value": 5.0})
    apart: pl.Float32 = pa.Field(gt=-0.5, lt=6.0, nullable=True)
    listed: float = pa.Field(isin=[0.0, 0.5], nullable=True)
    equal: float = pa.Field(eq=0.5)
    lowest: float = pa.Field(ge=0.0)
    utmost: float = pa.Field(le=5.0, nullable=True)
    wide: float = pa.Field(in_range={"min_value": -1e308, "max_value": 1e308})
    unlike: float = pa.Field(ne=7.5)
    since: UtcDatetime = pa.Field(ge=datetime(1970, 1, 1, tzinfo=UTC), nullable=True)
    within: UtcDatetime = pa.Field(ge=datetime(1970, 1, 1, tzinfo=UTC), lt=datetime(2100, 1, 1, tzinfo=UTC))
    any_time: UtcDatetime
    day: pl.Date = pa.Field(ge=date(1970, 1, 1), le=date(2099, 12, 31))
    any_day: pl.Date = pa.Field(nullable=True)
    code: str = pa.Field(isin=["a", "b"])
    short: str = pa.Field(str_length={"max_value": 3}, nullable=True)
    longer: str = pa.Field(str_length={"min_value": 1, "max_value": 69_999})
    matched: str = pa.Field(str_matches="^[a-z]+$")
    ordered: str = pa.Field(le="b")
    text: str = pa.Field(nullable=True)
    numbers: list[float] = pa.Field(nullable=True)


SPEC = contract_spec(Bounded, "it")

_ODD = {
    pl.Float64(): ODD_FLOATS,
    pl.Float32(): ODD_FLOATS,
    pl.Datetime("us", "UTC"): ODD_INSTANTS,
    pl.Date(): ODD_DAYS,
    pl.String(): ODD_TEXTS,
    pl.List(pl.Float64()): ODD_LISTS,
}


def good_rows(count: int) -> pl.DataFrame:
    """Rows that break nothing."""
    first = {dtype: next(v for v in values if v is not None) for dtype, values in _ODD.items()}
    first |= {pl.Datetime("us", "UTC"): 1_700_000_000_000_000, pl.Date(): 19_700}
    columns = {name: [first.get(dtype)] * count for name, dtype in SPEC.polars_schema.items() if name != "number"}
    return _typed({"number": list(range(count)), **columns})


def odd_rows() -> pl.DataFrame:
    """Of every column every odd value, each in a row that is good otherwise."""
    parts = []
    for name, dtype in SPEC.polars_schema.items():
        for value in _ODD.get(dtype, []):
            column = pl.Series(name, [value], dtype=_physical(dtype)).cast(dtype)
            parts.append(good_rows(1).with_columns(column))
    return pl.concat(parts)


def _typed(columns: dict[str, list[object]]) -> pl.DataFrame:
    made = [
        pl.Series(n, v, dtype=_physical(SPEC.polars_schema[n])).cast(SPEC.polars_schema[n]) for n, v in columns.items()
    ]
    return pl.DataFrame(made)


def _physical(dtype: pl.DataType) -> pl.DataType:
    """What a column is made of: whole numbers for times, of which Python knows few years."""
    return {pl.Datetime("us", "UTC"): pl.Int64(), pl.Date(): pl.Int32()}.get(dtype, dtype)
