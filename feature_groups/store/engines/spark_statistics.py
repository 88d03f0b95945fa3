"""The statistics of a column as Spark computes them: in one aggregation, distinct counts and quantiles estimated."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import polars as pl

from feature_groups.store.statistics import QUANTILES, TOP, ColumnStatistics

if TYPE_CHECKING:
    from pyspark.sql import Column

_ACCURACY = 1000


def figures(value: Column, type_name: str) -> dict[str, Column]:
    """The aggregates to compute for a column of a type, by what `column_statistics` calls them."""
    from pyspark.sql import functions as F

    made = {"count": F.count(value)}
    if type_name.startswith("list<"):
        return made | {"mean": F.avg(F.size(value)), "std": F.stddev_samp(F.when(value.isNotNull(), F.size(value)))}
    if type_name == "binary":
        return made
    # A timestamp would come to Python without its zone, and years 1 and 9999 not at all.
    whole = F.unix_micros(value) if type_name == "timestamp" else value
    made |= {"distinct": F.approx_count_distinct(value, 0.02), "minimum": F.min(whole), "maximum": F.max(whole)}
    if type_name in ("string", "bool"):
        # One more, for NULL is counted among the values.
        made["top"] = F.call_function("approx_top_k", value, F.lit(TOP + 1))
    if type_name == "bool":
        made |= {"mean": F.avg(value.cast("int")), "std": F.stddev_samp(value.cast("int"))}
    elif type_name == "timestamp":
        made["quantiles"] = F.percentile_approx(F.unix_micros(value), list(QUANTILES), _ACCURACY)
    elif type_name == "date":
        made["quantiles"] = F.percentile_approx(F.unix_date(value), list(QUANTILES), _ACCURACY)
    elif type_name != "string":
        made["quantiles"] = F.percentile_approx(value, list(QUANTILES), _ACCURACY)
        number = value.cast("double")
        made |= {"mean": F.avg(number), "std": F.stddev_samp(number)}
    return made


def column_statistics(name: str, type_name: str, rows: int, found: Mapping[str, Any]) -> ColumnStatistics:
    """A column's statistics from its computed `figures`."""
    count = int(found["count"])
    quantiles = found.get("quantiles") or []
    least, most = found.get("minimum"), found.get("maximum")
    if type_name == "date":
        quantiles = pl.Series(list(quantiles), dtype=pl.Int32()).cast(pl.Date()).to_list()
    quantiles = [_within(q, share, least, most) for q, share in zip(quantiles, QUANTILES, strict=False)]
    if type_name == "timestamp":
        times = pl.Series([least, most, *quantiles], dtype=pl.Int64()).cast(pl.Datetime("us", "UTC"))
        least, most, *quantiles = times.to_list()
    seen = [(t["item"], int(t["count"])) for t in found.get("top") or [] if t["item"] is not None]
    top = sorted(seen, key=lambda t: (-t[1], t[0]))[:TOP]
    estimates = [f for f in ("distinct", "quantiles", "top") if found.get(f) is not None]
    return ColumnStatistics(
        name=name,
        type=type_name,
        count=count,
        nulls=rows - count,
        distinct=None if found.get("distinct") is None else int(found["distinct"]),
        minimum=least,
        maximum=most,
        mean=found.get("mean"),
        std=found.get("std"),
        quantiles={str(q): v for q, v in zip(QUANTILES, quantiles, strict=True)} if quantiles else {},
        top=tuple(top),
        approximate=tuple(estimates),
    )


def _within(quantile: Any, share: float, least: Any, most: Any) -> Any:
    """Spark estimates in float64, coarser than large numbers: beyond the extremes, or NULL beyond the type."""
    if quantile is None:
        return most if share > 0.5 else least
    return min(max(quantile, least), most)
