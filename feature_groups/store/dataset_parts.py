"""The parts of a training dataset: a spine split, joined, and written part by part, each with a content hash.

Spark joins where a group or the spine is large; what comes out of it and fits in memory is Polars' from then on. Where
Polars is asked for more than fits, the wide rows go through files, and are hashed slice by slice: in memory are the
groups, a slice of the spine, and one column at a time for the statistics.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import narwhals as nw
import polars as pl

from feature_groups.store.batch import Workshop
from feature_groups.store.column_types import type_name
from feature_groups.store.contract import ContractSpec
from feature_groups.store.dataset_files import Files, files_of, write_rows
from feature_groups.store.dataset_guards import checked_look_ups
from feature_groups.store.engine import Engine, Frame
from feature_groups.store.feature_view import FeatureView
from feature_groups.store.names import EVENT, PART, ROW
from feature_groups.store.plan import computed_once
from feature_groups.store.point_in_time import Pin
from feature_groups.store.row_hash import MODULUS
from feature_groups.store.rules import ColumnSpec
from feature_groups.store.spine import Spine
from feature_groups.store.spine_slices import in_slices
from feature_groups.store.split_rule import Split
from feature_groups.store.statistics import ColumnStatistics, Statistics
from feature_groups.store.training_dataset import WHOLE
from feature_groups.store.view_data import history_data, view_data

if TYPE_CHECKING:
    from feature_groups.store.feature_store import FeatureStore

ROLES = ("features", "labels", "training_helpers")


_SLICE = 1_000_000
"""Rows that are hashed at once."""


@dataclass(frozen=True)
class Request:
    """What a training dataset is made of.

    Attributes:
        view: The declaration.
        spine: The conformed spine.
        frame: Its rows on the engine.
        engine: Which engine computes.
        split: How it is split; None for one part.
        seed: Of the split.
        pins: The versions that are read.
        shop: The engines.
    """

    view: FeatureView
    spine: Spine
    frame: Frame
    engine: Engine
    split: Split | None
    seed: int
    pins: Mapping[str, Pin]
    shop: Workshop

    @property
    def large(self) -> bool:
        """Whether its rows do not fit in memory at once."""
        return self.spine.rows > self.shop.budget

    def once(self, frame: Frame) -> Frame:
        """An intermediate result, computed."""
        return computed_once(self.engine, frame, self.shop.spool, large=self.large)


@dataclass(frozen=True)
class Made:
    """What was computed.

    Attributes:
        parts: Per part its rows, entities, content hash and statistics.
        histories: Per history its rows and content hash.
        files: Per ``parts/<name>`` and ``histories/<name>`` the Parquet files, see `files_of`.
        left_out: Rows in no part.
        look_ups: Per look-up what it found, see `dataset_guards`.
    """

    parts: Mapping[str, Any]
    histories: Mapping[str, Any]
    files: Mapping[str, Files]
    left_out: int
    look_ups: Sequence[Mapping[str, Any]]


def made_parts(store: FeatureStore, request: Request, folder: Path | None) -> Made:
    """Join, split, and write the parts into a folder; only count and hash them where there is none.

    Raises:
        SplitRefused: It cannot be split so, or rows of a group with the view's entity as key would reach several parts.
    """
    view, split, joining = request.view, request.split, request
    frame = _split_before(request)
    data = view_data(store, view, request.spine, frame, request.engine, ROLES, request.pins)
    request, whole = _computed(request, data.frame)
    if split is not None and PART not in whole.collect_schema().names():
        whole = request.once(_split_after(whole, request))
    found = checked_look_ups(store, request, data, whole)
    columns = [c for c in whole.collect_schema().names() if c not in (*data.hidden, PART)]
    spec = _spec(view, request.spine, columns)
    parts = {}
    for name in split.names if split else (WHOLE,):
        rows = whole.filter(nw.col(PART) == name) if split else whole
        parts[name] = _part(request, rows.select(*columns), spec, f"parts/{name}", folder)
    left_out = request.spine.rows - sum(int(part["rows"]) for part in parts.values())
    histories = {name: _history(store, joining, name, f"histories/{name}", folder) for name in view.histories}
    kept = [*(f"parts/{name}" for name in parts), *(f"histories/{name}" for name in histories)]
    files = {} if folder is None else {name: files_of(folder, name) for name in kept}
    return Made(parts, histories, files, left_out, found)


def _computed(request: Request, frame: Frame) -> tuple[Request, Frame]:
    """The joined rows, where they are gone on with: on Polars in the spine's order, if they fit."""
    if request.engine.name == "polars" or request.large:
        return request, request.once(frame)
    polars, folder = request.shop.polars, str(request.shop.spool())
    request.engine.write_files(frame, folder)
    rows = polars.collect(polars.files(folder).sort(ROW))
    return replace(request, engine=polars), nw.from_native(rows.lazy())


def _split_before(request: Request) -> Frame:
    """The spine with its parts, where the columns that decide are the spine's own."""
    split, spine = request.split, request.spine
    if split is None:
        return request.frame
    wanted = split.reads(request.view.entity, spine.time)
    if any(column not in spine.columns for column in wanted):
        return request.frame
    return _with_parts(request.frame, spine.frame.select(ROW, *wanted).collect(), request)


def _split_after(whole: Frame, request: Request) -> Frame:
    """The joined data with its parts, where a joined column decides with."""
    assert request.split is not None
    wanted = request.split.reads(request.view.entity, request.spine.time)
    return _with_parts(whole, request.engine.collect(whole.select(ROW, *wanted)), request)


def _with_parts(frame: Frame, told: pl.DataFrame, request: Request) -> Frame:
    """The frame with the part of every row; on Polars both have the spine's order."""
    assert request.split is not None
    entity, time = request.view.entity, request.spine.time
    named = request.split.assign(told, entity=entity, time=time, seed=request.seed)
    parts = told.select(ROW, named.alias(PART))
    if request.engine.name == "spark":
        folder = request.shop.spool()
        folder.mkdir(parents=True)
        parts.write_parquet(folder / "part-0.parquet")
        return frame.join(request.engine.files(str(folder)), on=ROW, how="left")

    def beside(part: pl.DataFrame, start: int) -> pl.LazyFrame:
        return part.hstack([parts[PART].slice(start, part.height)]).lazy()

    if request.large:
        return in_slices(frame, request.spine.rows, _SLICE, request.shop.spool(), beside)
    return nw.from_native(beside(request.engine.collect(frame), 0))


def _spec(view: FeatureView, spine: Spine, columns: Sequence[str]) -> ContractSpec:
    """The contract of a part: the view's columns, and those of the spine as they came."""
    known = {**view.spec.by_name, **view.spine_keys}
    specs = []
    for name in columns:
        if name == ROW:
            continue
        given = spine.columns.get(name)
        specs.append(
            known[name] if given is None or name in known else ColumnSpec(name, type_name(given), nullable=True)
        )
    return ContractSpec(view.spec.grain, tuple(specs), ())


def _part(request: Request, rows: Frame, spec: ContractSpec, name: str, folder: Path | None) -> dict[str, Any]:
    view, engine = request.view, request.engine
    if request.large:
        target = str(folder / name if folder is not None else request.shop.spool())
        engine.write_files(rows, target)
        rows = engine.files(target)
    else:
        held = engine.collect(rows)
        if folder is not None:
            write_rows(held, folder / name, [ROW, *view.spine_keys, request.spine.time])
        rows = nw.from_native(held.lazy())
    count, statistics = _statistics(request, rows, spec)
    return {
        "rows": count,
        "entities": _entities(request, rows, statistics),
        "content": content_hash(engine, rows, {ROW: pl.Int64(), **spec.polars_schema}, count),
        "statistics": Statistics(f"{view.where}, {name}", count, statistics).to_json(),
    }


def _statistics(request: Request, rows: Frame, spec: ContractSpec) -> tuple[int, tuple[ColumnStatistics, ...]]:
    if request.engine.name == "spark" or not request.large:
        return request.engine.statistics(rows, spec)
    found = [request.engine.statistics(rows.select(c.name), replace(spec, columns=(c,))) for c in spec.columns]
    return found[0][0], tuple(column for _, columns in found for column in columns)


def _entities(request: Request, rows: Frame, statistics: Sequence[ColumnStatistics]) -> int:
    """How many entities there are, counted once: the statistics may have counted one column's values exactly."""
    entity = request.view.entity
    for column in statistics:
        if [column.name] == list(entity) and column.distinct is not None and "distinct" not in column.approximate:
            return column.distinct + bool(column.nulls)
    return int(request.engine.collect(rows.select(*entity).unique().select(nw.len())).item())


def _history(store: FeatureStore, request: Request, name: str, file: str, folder: Path | None) -> dict[str, Any]:
    view, engine = request.view, request.engine
    history = view.histories[name]
    events = history_data(store, view, history, request.spine, request.frame, engine, request.pins)
    if engine.name == "spark":
        target = str(folder / file if folder is not None else request.shop.spool())
        rows = engine.write_files(events, target)
        engine = request.shop.polars if rows <= request.shop.budget else engine
        events = engine.files(target)
    else:
        rows = int(engine.collect(events.select(nw.len())).item())
        if folder is not None:
            engine.write_files(events, str(folder / file))
    types = {c: history.query.spec.by_name[c].polars for c in history.query.columns}
    return {"rows": rows, "content": content_hash(engine, events, {ROW: pl.Int64(), EVENT: pl.Int64(), **types}, rows)}


def content_hash(engine: Engine, frame: Frame, schema: Mapping[str, pl.DataType], rows: int) -> str:
    """The content fingerprint of a computed frame, 32 hexadecimal digits; on Polars in slices."""
    slices = [frame]
    if engine.name == "polars":
        native = cast("pl.LazyFrame", frame.to_native())
        slices = [nw.from_native(native.slice(start, _SLICE)) for start in range(0, rows, _SLICE)]
    return f"{sum(engine.fingerprint(part, schema) for part in slices) % MODULUS:032x}"
