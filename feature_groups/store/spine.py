"""The spine: who and when. A frame of any kind, conformed to what a view needs of it, in its own order."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import narwhals as nw
import polars as pl

from feature_groups.store.batch import Workshop
from feature_groups.store.border import to_polars, unreadable
from feature_groups.store.column_types import type_name
from feature_groups.store.conforming import conform
from feature_groups.store.contract import ContractSpec
from feature_groups.store.engine import Engine, Frame
from feature_groups.store.errors import AlluviaError, BatchUnreadable, SchemaMismatch, UnsupportedFrame, did_you_mean
from feature_groups.store.inference import is_spark
from feature_groups.store.names import ROW
from feature_groups.store.rules import ColumnSpec

TIMESTAMP = pl.Datetime("us", "UTC")
_STATE = "was not joined"
_CALENDAR = (-62_135_596_800_000_000_000, 253_402_300_799_999_999_999)
"""The first and the last nanosecond of the years 1 to 9999."""
_UNWRITABLE = ("void", "interval", "variant")
_PER_UNIT = {"ns": 1, "us": 1_000, "ms": 1_000_000}


@dataclass(frozen=True)
class Spine:
    """A conformed spine.

    Attributes:
        frame: ``__row`` (int64, from 0), then the columns handed over: keys in the groups' types, instants in µs UTC,
            others as they came. In memory, or a lazy scan where it was handed over as one.
        rows: How many.
        columns: The columns handed over, with their types.
        time: The column of instants.
    """

    frame: pl.LazyFrame
    rows: int
    columns: Mapping[str, pl.DataType]
    time: str


def conformed_spine(
    data: object,
    keys: Mapping[str, ColumnSpec],
    time: str,
    others: Sequence[str],
    taken: Sequence[str],
    where: str,
    shop: Workshop,
) -> Spine:
    """Bring a spine to the types of the keys.

    Args:
        data: Polars (eager or lazy), pandas, Arrow or Spark frame, a list of dicts, a `deltalake.DeltaTable`, or the
            path of a Parquet file or folder or of a Delta table.
        keys: The key columns, with the types of the groups they name.
        time: The column of instants: aware.
        others: Further columns it must bring.
        taken: Names it may not bring, since the groups bring them.
        where: What messages name.
        shop: The engines.

    Raises:
        SchemaMismatch: Columns are missing or clash, a key has another type, instants are naive or NULL; all problems
            at once.
        UnsupportedFrame, BatchUnreadable: It is no frame, or cannot be computed.
    """
    frame = _opened(data, where, shop)
    try:
        schema = dict(frame.collect_schema())
        rows = int(frame.select(pl.len()).collect().item())
    except pl.exceptions.PolarsError as error:
        raise _unread(error, where) from error
    problems = _missing(schema, [*keys, time, *others])
    problems += [f"{name!r} comes from a feature group too; rename or drop it" for name in schema if name in taken]
    problems += [f"{name!r} starts with __, as only the store's own columns do" for name in schema if name[:2] == "__"]
    problems += _unstorable(schema, {*keys, time})
    casts: list[pl.Expr] = []
    for name, spec in keys.items():
        if name in schema and schema[name] != spec.polars:
            casts.append(pl.col(name).cast(spec.polars, strict=False))
            problems += _changed_by_cast(frame.select(name), rows, spec, shop.budget, where)
    if time in schema:
        cast, found = _instants(schema[time], time)
        # An instant's type has it.
        problems += found or _odd_instants(frame, rows, time, schema[time].time_unit)  # type: ignore[attr-defined]
        casts += cast
    if problems:
        raise _mismatch(problems, where)
    numbered = frame.with_columns(casts).with_row_index(ROW).with_columns(pl.col(ROW).cast(pl.Int64))
    columns = {name: dtype for name, dtype in numbered.collect_schema().items() if name != ROW}
    return Spine(numbered, rows, columns, time)


def on_engine(spine: Spine, engine: Engine, shop: Workshop) -> Frame:
    """The rows of a spine on the engine that computes; for Spark they are written to files, in their order."""
    frame: Frame = nw.from_native(spine.frame)
    if engine.name == "polars":
        return frame
    folder = str(shop.spool())
    shop.polars.write_files(frame, folder)
    return engine.files(folder)


def _opened(data: object, where: str, shop: Workshop) -> pl.LazyFrame:
    if isinstance(data, (str, Path)):
        return _from_path(Path(data), where, shop)
    if type(data).__module__.partition(".")[0] == "deltalake":
        # Anything that Delta reads.
        return _computed_once(pl.scan_delta(data), shop.polars, where, shop)  # type: ignore[arg-type]
    if isinstance(data, pl.LazyFrame):
        return _computed_once(data, shop.polars, where, shop)
    if is_spark(data):
        _refuse_unwritable(data, where)
        return _computed_once(data, shop.spark(), where, shop)
    try:
        return to_polars(data, where).lazy()
    except UnsupportedFrame as error:
        raise UnsupportedFrame(where, what=error.what, state=_STATE, next_step=error.next_step) from error


def _refuse_unwritable(data: Any, where: str) -> None:
    """Refuse what Spark would write to files as something else, or so that nothing else can read it."""
    types = {field.name: field.dataType.simpleString() for field in data.schema.fields}
    if odd := [f"{name!r} is {kind}; cast or drop it" for name, kind in types.items() if kind.startswith(_UNWRITABLE)]:
        raise _mismatch(odd, where)


def _computed_once(data: object, engine: Engine, where: str, shop: Workshop) -> pl.LazyFrame:
    """The rows of a plan as files: computed again, they could come in another order, or be others."""
    folder = str(shop.spool())
    try:
        engine.write_files(nw.from_native(data), folder)
    except AlluviaError:
        raise
    except Exception as error:
        raise _unread(error, where) from error
    return shop.polars.files(folder).to_native()  # type: ignore[no-any-return]  # what Narwhals wraps is Polars


def _unread(error: Exception, where: str) -> BatchUnreadable:
    what = unreadable(error, where, private=False).what
    next_step = "compute it by itself to see the whole error, correct it and call again."
    return BatchUnreadable(where, what=what, state=_STATE, next_step=next_step)


def _from_path(path: Path, where: str, shop: Workshop) -> pl.LazyFrame:
    if (path / "_delta_log").is_dir():
        return _computed_once(pl.scan_delta(str(path)), shop.polars, where, shop)
    if path.is_dir() and any(path.glob("*.parquet")):
        return pl.scan_parquet(sorted(path.glob("*.parquet")), glob=False)
    if path.is_file() and path.suffix == ".parquet":
        return pl.scan_parquet(path, glob=False)
    found = "is a file of another kind" if path.is_file() else "holds no Parquet" if path.is_dir() else "is not there"
    raise UnsupportedFrame(
        where,
        what=f"The spine {str(path)!r} {found}.",
        state=_STATE,
        next_step="give a Parquet file, a folder of them, a Delta table, or a frame; text files have no types.",
    )


def _missing(schema: Mapping[str, pl.DataType], wanted: Sequence[str]) -> list[str]:
    return [
        f"{name!r} is missing. {did_you_mean(name, schema)}" for name in dict.fromkeys(wanted) if name not in schema
    ]


def _unstorable(schema: Mapping[str, pl.DataType], checked: set[str]) -> list[str]:
    problems = []
    for name, dtype in schema.items():
        if name in checked:
            continue
        try:
            type_name(dtype)
        except ValueError as error:
            problems.append(f"{name!r}: {error}")
    return problems


def _changed_by_cast(key: pl.LazyFrame, rows: int, spec: ColumnSpec, budget: int, where: str) -> list[str]:
    """What is wrong with giving a key column its group's type: values that would change, or types that do not mix."""
    contract = ContractSpec("A key.", (spec,), ())
    for start in range(0, max(rows, 1), budget):
        try:
            conform(key.slice(start, budget).collect(), contract, where)
        except SchemaMismatch as error:
            return [error.what.splitlines()[-1].removeprefix("- ")]
    return []


def _odd_instants(frame: pl.LazyFrame, rows: int, time: str, unit: str) -> list[str]:
    """Instants that are NULL, or lie where no engine has a calendar."""
    first, last = (bound // _PER_UNIT[unit] for bound in _CALENDAR)
    outside = ~pl.col(time).to_physical().is_between(first, last)
    nulls, beyond = frame.select(pl.col(time).null_count(), outside.sum().alias("beyond")).collect().row(0)
    problems = [f"{time!r} is NULL in {nulls:,} of {rows:,} rows: a decision has an instant"] if nulls else []
    return problems + ([f"{time!r} lies outside the years 1 to 9999 in {beyond:,} rows"] if beyond else [])


def _instants(given: pl.DataType, time: str) -> tuple[list[pl.Expr], list[str]]:
    """How to make instants of a column, and what is wrong with it."""
    if not isinstance(given, pl.Datetime):
        return [], [f"{time!r} is {given}, not an instant; give aware datetimes"]
    if given.time_zone is None:
        hint = f"use pl.col({time!r}).dt.replace_time_zone(<zone of the data>)"
        return [], [f"{time!r} has naive times, which are no instants; {hint}"]
    if given == TIMESTAMP:
        return [], []
    instants = pl.col(time).dt.convert_time_zone("UTC")
    # Rounding a nanosecond up would let a decision see what came after it.
    return [(instants.dt.truncate("1us") if given.time_unit == "ns" else instants).dt.cast_time_unit("us")], []


def _mismatch(problems: Sequence[str], where: str) -> SchemaMismatch:
    shown = "\n".join(f"- {problem}." for problem in (p.rstrip(".") for p in problems[:20]))
    return SchemaMismatch(
        where,
        what=f"The spine does not fit, in {len(problems)} {'way' if len(problems) == 1 else 'ways'}:\n{shown}",
        state=_STATE,
        next_step="correct these columns of the spine and call again.",
    )
