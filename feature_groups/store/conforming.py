"""Conforming: a frame that came over the border gets exactly the contract's columns and types.

Casts that lose nothing are made and counted (an int64 of small values into int32, 3.0 into an integer, a zone
into UTC); anything else is refused, all problems of a frame in one error.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
import polars as pl

from feature_groups.store.checks import showable
from feature_groups.store.contract import ContractSpec
from feature_groups.store.errors import SchemaMismatch, did_you_mean
from feature_groups.store.rules import ColumnSpec

MAX_PROBLEMS = 20
_EXACT = 2**53
_NESTED = "mixed or nested Python objects have no single type; clean the column first"
_WANTED_HINTS = {
    "instant": "give aware datetimes; for text parse with the zone, for epoch numbers use pl.from_epoch",
    "date": "give dates; a time is a date only in the zone it is meant in, convert it explicitly",
    "truth": "truth values and others are not mixed; compare or map explicitly",
    "text": "only categories are taken as text; cast it explicitly",
    "bytes": "bytes and other values are not mixed",
    "list": "lists and single values are not mixed",
}
_GIVEN_HINTS = {
    "list": _WANTED_HINTS["list"],
    "truth": _WANTED_HINTS["truth"],
    "bytes": _WANTED_HINTS["bytes"],
    "instant": "a time is no number; take .dt.epoch() with the unit that is meant",
    "date": "a date is no number; take .dt.epoch() with the unit that is meant",
    "category": "categories are taken as text only; cast them explicitly",
}


@dataclass(frozen=True)
class Conformed:
    """A frame that has exactly the contract's columns and types.

    Attributes:
        frame: The rows, columns in the contract's order.
        casts: How many values were cast without loss, by ``column: from -> to``.
    """

    frame: pl.DataFrame
    casts: Mapping[str, int] = field(default_factory=dict)


def conform(frame: pl.DataFrame, spec: ContractSpec, where: str) -> Conformed:
    """Give a frame the contract's columns and types without losing a value.

    Raises:
        SchemaMismatch: Missing or extra columns, or values that a cast would change; all reported at once.
    """
    problems = column_problems(list(frame.columns), spec)
    casts: dict[str, int] = {}
    columns: list[pl.Series] = []
    for column in spec.columns:
        if column.name not in frame.columns:
            columns.append(pl.Series(column.name, [None], dtype=column.polars).new_from_index(0, frame.height))
            continue
        series = frame.get_column(column.name)
        if series.dtype == column.polars:
            columns.append(series)
            continue
        made, problem = _cast(series, column)
        if problem is None:
            casts[f"{column.name}: {series.dtype} -> {column.type}"] = series.len() - series.null_count()
            columns.append(made)
        else:
            problems.append(problem)
    if problems:
        raise schema_mismatch(problems, where)
    return Conformed(pl.DataFrame(columns) if columns else frame, casts)


def column_problems(names: Sequence[str], spec: ContractSpec) -> list[str]:
    """Missing, extra and repeated columns, one line each; only the lines that are shown get a hint."""
    given, declared = set(names), spec.by_name
    missing = [c for c in spec.columns if c.required and c.name not in given]
    extra = [n for n in dict.fromkeys(names) if n not in declared]
    lacking = [c for c in spec.names if c not in given]
    problems = [f"{c.name!r} ({c.type}) is missing. " for c in missing]
    problems += [f"{str(n)[:80]!r} is not in the contract. " for n in extra]
    hints = [(c.name, extra) for c in missing] + [(str(n), lacking) for n in extra]
    for i, (name, candidates) in enumerate(hints[:MAX_PROBLEMS]):
        problems[i] += did_you_mean(name, candidates)
    repeated = len(names) > len(given)
    return problems + ([f"{n!r} stands more than once." for n in declared if names.count(n) > 1] if repeated else [])


def schema_mismatch(problems: Sequence[str], where: str) -> SchemaMismatch:
    """The one error for all the problems of a frame's columns and types."""
    shown = [p.strip() for p in problems[:MAX_PROBLEMS]]
    if len(problems) > MAX_PROBLEMS:
        shown.append(f"... and {len(problems) - MAX_PROBLEMS:,} more.")
    count = "1 column differs" if len(problems) == 1 else f"{len(problems):,} columns differ"
    return SchemaMismatch(
        where,
        what=f"{count} from the contract:\n" + "\n".join(f"- {p}" for p in shown),
        state="was not written",
        next_step="rename, drop or cast these columns, then insert again.",
    )


def _cast(series: pl.Series, column: ColumnSpec) -> tuple[pl.Series, str | None]:
    given, wanted = series.dtype, column.polars
    differs = f"{column.name!r} is {str(given)[:80]}, the contract says {column.type}"
    hint = _refused(given, wanted)
    if hint:
        return series, f"{differs}: {hint}"
    try:
        made = series.cast(wanted, strict=False)
        lost = _changed(series, made)
    except Exception:  # Polars raises all kinds of things where no conversion exists
        return series, f"{differs}, and Polars cannot cast the one into the other"
    count = int(lost.sum())
    if not count:
        return made, None
    samples = [] if column.pii else showable(series.filter(lost).head(3).to_frame()).to_series().to_list()
    shown = f", e.g. {', '.join(repr(s)[:60] for s in samples)}" if samples else ""
    return series, f"{differs}: {count:,} of {series.len():,} values would change{shown}"


def _refused(given: pl.DataType, wanted: pl.DataType) -> str | None:
    """Why this pair of types is refused without looking at values, or None."""
    if isinstance(given, (pl.List, pl.Array)) and isinstance(wanted, pl.List):
        return _refused(_inner(given), _inner(wanted))
    if isinstance(given, pl.Datetime) and given.time_zone is None:
        return "naive times have no instant; use .dt.replace_time_zone(<zone of the data>)"
    if isinstance(wanted, pl.Decimal) and given.is_float():
        return "floats are not exact decimals; give Decimal values, or text with all the declared digits"
    kind, target = _kind(given), _kind(wanted)
    if kind in (target, "nothing") or (kind, target) in (("text", "number"), ("category", "text")):
        return None
    if kind == "other":
        return _NESTED
    return _WANTED_HINTS.get(target) or _GIVEN_HINTS.get(kind) or "only numbers, and text that spells them, are taken"


def _inner(dtype: pl.List | pl.Array) -> pl.DataType:
    return dtype.inner if isinstance(dtype.inner, pl.DataType) else dtype.inner()


def _kind(dtype: pl.DataType) -> str:
    kinds: tuple[tuple[type[pl.DataType] | tuple[type[pl.DataType], ...], str], ...] = (
        (pl.Null, "nothing"),
        (pl.Boolean, "truth"),
        (pl.String, "text"),
        (pl.Binary, "bytes"),
        (pl.Date, "date"),
        (pl.Datetime, "instant"),
        ((pl.Categorical, pl.Enum), "category"),
        ((pl.List, pl.Array), "list"),
    )
    found = next((kind for types, kind in kinds if isinstance(dtype, types)), None)
    return found or ("number" if dtype.is_numeric() else "other")


def _changed(before: pl.Series, after: pl.Series) -> pl.Series:
    """Which values are not the same after casting there and back."""
    if before.dtype == pl.Null:
        return pl.Series([False]).new_from_index(0, before.len())
    if isinstance(before.dtype, (pl.List, pl.Array)):
        return _elements_changed(before, after)
    if isinstance(before.dtype, (pl.Categorical, pl.Enum)):
        return after.is_null() & before.is_not_null()
    back = after.cast(before.dtype, strict=False)
    same = before.eq_missing(back)
    if before.dtype.is_float() and after.dtype.is_integer():
        # 2^53 + 1 as a float is already another number: beyond 2^53 whole floats are not trusted.
        same &= before.is_null() | before.is_between(-_EXACT, _EXACT)
    return ~same


def _elements_changed(before: pl.Series, after: pl.Series) -> pl.Series:
    lists = before.arr.to_list() if isinstance(before.dtype, pl.Array) else before
    elements, cast = (s.explode(empty_as_null=False, keep_nulls=False) for s in (lists, after))
    changed = _changed(elements, cast).to_numpy()
    row = np.repeat(np.arange(lists.len()), lists.list.len().fill_null(0).to_numpy())
    lost = np.zeros(lists.len(), dtype=np.bool_)
    lost[row[changed]] = True
    return pl.Series(lost)
