"""The spine: who and when. A frame of any kind, conformed to what a view needs of it, in its own order."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import narwhals as nw
import polars as pl

from feature_groups.store.batch import Workshop
from feature_groups.store.border import to_polars
from feature_groups.store.column_types import type_name
from feature_groups.store.conforming import conform
from feature_groups.store.contract import ContractSpec
from feature_groups.store.engine import Engine, Frame
from feature_groups.store.errors import SchemaMismatch, UnsupportedFrame, did_you_mean
from feature_groups.store.inference import is_spark
from feature_groups.store.names import ROW
from feature_groups.store.rules import ColumnSpec

TIMESTAMP = pl.Datetime("us", "UTC")
_STATE = "was not joined"


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
        data: Polars (eager or lazy), pandas, Arrow or Spark frame, a list of dicts, or the path of a Parquet file or
            folder or of a Delta table.
        keys: The key columns, with the types of the groups they name.
        time: The column of instants: aware.
        others: Further columns it must bring.
        taken: Names it may not bring, since the groups bring them.
        where: What messages name.
        shop: The engines.

    Raises:
        SchemaMismatch: Columns are missing or clash, a key has another type, instants are naive or NULL; all problems
            at once.
        UnsupportedFrame: It is no frame.
    """
    frame = _opened(data, where, shop)
    schema = dict(frame.collect_schema())
    problems = _missing(schema, [*keys, time, *others])
    problems += [
        f"{name!r} comes from a feature group too; rename or drop it"
        for name in schema
        if name in taken and name in schema
    ]
    problems += [f"{name!r} starts with __, as only the store's own columns do" for name in schema if name[:2] == "__"]
    problems += _unstorable(schema, {*keys, time})
    casts: list[pl.Expr] = []
    for name, spec in keys.items():
        if name in schema and schema[name] != spec.polars:
            frame, problem = _cast_key(frame, schema[name], spec, where)
            problems += [problem] if problem else []
    if time in schema:
        cast, problem = _instants(schema[time], time)
        problems += [problem] if problem else []
        casts += [cast] if cast is not None else []
    if problems:
        raise _mismatch(problems, where)
    frame = frame.with_columns(casts)
    rows, nulls = frame.select(pl.len(), pl.col(time).null_count()).collect().row(0)
    if nulls:
        raise _mismatch([f"{time!r} is NULL in {nulls:,} of {rows:,} rows: a decision has an instant"], where)
    numbered = frame.with_row_index(ROW).with_columns(pl.col(ROW).cast(pl.Int64))
    columns = {name: dtype for name, dtype in numbered.collect_schema().items() if name != ROW}
    return Spine(numbered, int(rows), columns, time)


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
        return _from_path(Path(data), where)
    if isinstance(data, pl.LazyFrame):
        return data
    if is_spark(data):
        folder = str(shop.spool())
        shop.spark().write_files(nw.from_native(data), folder)
        return shop.polars.files(folder).to_native()  # type: ignore[no-any-return]
    return to_polars(data, where).lazy()


def _from_path(path: Path, where: str) -> pl.LazyFrame:
    if (path / "_delta_log").is_dir():
        return pl.scan_delta(str(path))
    if path.is_dir() and any(path.glob("*.parquet")):
        return pl.scan_parquet(f"{path}/*.parquet")
    if path.is_file() and path.suffix == ".parquet":
        return pl.scan_parquet(path)
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


def _cast_key(frame: pl.LazyFrame, given: pl.DataType, spec: ColumnSpec, where: str) -> tuple[pl.LazyFrame, str | None]:
    """The frame with the key in its group's type, where no value changes by that."""
    if given == pl.Null:
        return frame.with_columns(pl.col(spec.name).cast(spec.polars)), None
    contract = ContractSpec("A key.", (spec,), ())
    try:
        made = conform(frame.select(spec.name).collect(), contract, where).frame
    except SchemaMismatch as error:
        return frame, error.what.splitlines()[-1].removeprefix("- ")
    return frame.with_columns(made.to_series()), None


def _instants(given: pl.DataType, time: str) -> tuple[pl.Expr | None, str | None]:
    if not isinstance(given, pl.Datetime):
        return None, f"{time!r} is {given}, not an instant; give aware datetimes"
    if given.time_zone is None:
        hint = f"use pl.col({time!r}).dt.replace_time_zone(<zone of the data>)"
        return None, f"{time!r} has naive times, which are no instants; {hint}"
    if given == TIMESTAMP:
        return None, None
    instants = pl.col(time).dt.convert_time_zone("UTC")
    # Rounding a nanosecond up would let a decision see what came after it.
    return (instants.dt.truncate("1us") if given.time_unit == "ns" else instants).dt.cast_time_unit("us"), None


def _mismatch(problems: Sequence[str], where: str) -> SchemaMismatch:
    shown = "\n".join(f"- {problem}." for problem in (p.rstrip(".") for p in problems[:20]))
    return SchemaMismatch(
        where,
        what=f"The spine does not fit, in {len(problems)} {'way' if len(problems) == 1 else 'ways'}:\n{shown}",
        state=_STATE,
        next_step="correct these columns of the spine and call again.",
    )
