"""The parts of a training dataset: a spine split, joined, and written part by part, each with a content hash."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import narwhals as nw
import polars as pl

from feature_groups.store.column_types import type_name
from feature_groups.store.contract import ContractSpec
from feature_groups.store.engine import Engine, Frame
from feature_groups.store.feature_view import FeatureView
from feature_groups.store.lookup_plan import Node
from feature_groups.store.names import EVENT, PART, ROW
from feature_groups.store.plan import computed_once
from feature_groups.store.point_in_time import Pin
from feature_groups.store.rules import ColumnSpec
from feature_groups.store.spine import Spine
from feature_groups.store.split_rule import Split
from feature_groups.store.statistics import Statistics
from feature_groups.store.training_dataset import WHOLE
from feature_groups.store.view_data import ViewData, history_data, view_data

if TYPE_CHECKING:
    from feature_groups.store.feature_store import FeatureStore

ROLES = ("features", "labels", "training_helpers")


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
    """

    view: FeatureView
    spine: Spine
    frame: Frame
    engine: Engine
    split: Split | None
    seed: int
    pins: Mapping[str, Pin]


@dataclass(frozen=True)
class Made:
    """What was computed.

    Attributes:
        parts: Per part its rows, entities, content hash and statistics.
        histories: Per history its rows and content hash.
        files: Per ``parts/<name>`` and ``histories/<name>`` the Parquet files with their bytes.
        left_out: Rows in no part.
        shared_rows: Per group whose rows reach several parts, how many do, in words.
    """

    parts: Mapping[str, Any]
    histories: Mapping[str, Any]
    files: Mapping[str, Mapping[str, int]]
    left_out: int
    shared_rows: Sequence[str]


def made_parts(store: FeatureStore, request: Request, folder: Path | None) -> Made:
    """Join, split, and write the parts into a folder; only count and hash them where there is none."""
    view, engine, spool = request.view, request.engine, store.shop.spool
    frame = _split_before(request, spool)
    data = view_data(store, view, request.spine, frame, engine, ROLES, request.pins)
    whole = computed_once(engine, data.frame, spool)
    if request.split is not None and PART not in whole.collect_schema().names():
        whole = computed_once(engine, _split_after(whole, request, spool), spool)
    names = request.split.names if request.split else (WHOLE,)
    columns = [c for c in whole.collect_schema().names() if c not in (*data.hidden, PART)]
    spec = _spec(view, request.spine, columns)
    parts = {}
    for name in names:
        rows = whole.filter(nw.col(PART) == name) if request.split else whole
        parts[name] = _part(engine, rows.select(*columns), spec, view, f"parts/{name}", folder)
    left_out = request.spine.rows - sum(int(part["rows"]) for part in parts.values())
    shared = _shared(request, data, whole) if request.split else []
    histories = {name: _history(store, request, name, f"histories/{name}", folder) for name in view.histories}
    kept = [*(f"parts/{name}" for name in parts), *(f"histories/{name}" for name in histories)]
    files = {} if folder is None else {name: files_of(folder, name) for name in kept}
    return Made(parts, histories, files, left_out, shared)


def _split_before(request: Request, spool: Callable[[], Path]) -> Frame:
    """The spine with its parts, where the columns that decide are the spine's own."""
    split, spine = request.split, request.spine
    if split is None:
        return request.frame
    wanted = split.reads(request.view.entity, spine.time)
    if any(column not in spine.columns for column in wanted):
        return request.frame
    told = spine.frame.select(ROW, *wanted).collect()
    return _with_parts(request.frame, told, request, spool)


def _split_after(whole: Frame, request: Request, spool: Callable[[], Path]) -> Frame:
    """The joined data with its parts, where a joined column decides with."""
    assert request.split is not None
    wanted = request.split.reads(request.view.entity, request.spine.time)
    return _with_parts(whole, request.engine.collect(whole.select(ROW, *wanted)), request, spool)


def _with_parts(frame: Frame, told: pl.DataFrame, request: Request, spool: Callable[[], Path]) -> Frame:
    assert request.split is not None
    entity, time = request.view.entity, request.spine.time
    named = request.split.assign(told, entity=entity, time=time, seed=request.seed)
    parts = told.select(ROW, named.alias(PART))
    if request.engine.name == "polars":
        return frame.join(nw.from_native(parts.lazy()), on=ROW, how="left")
    folder = spool()
    folder.mkdir(parents=True)
    parts.write_parquet(folder / "part-0.parquet")
    return frame.join(request.engine.files(str(folder)), on=ROW, how="left")


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


def _part(
    engine: Engine,
    rows: Frame,
    spec: ContractSpec,
    view: FeatureView,
    name: str,
    folder: Path | None,
) -> dict[str, Any]:
    if folder is not None:
        engine.write_files(rows, str(folder / name))
        rows = engine.files(str(folder / name)) if engine.name == "spark" else rows
    count, statistics = engine.statistics(rows, spec)
    entities = rows.select(*view.entity).unique().select(nw.len())
    return {
        "rows": count,
        "entities": int(engine.collect(entities).item()),
        "content": f"{engine.fingerprint(rows, {ROW: pl.Int64(), **spec.polars_schema}):032x}",
        "statistics": Statistics(f"{view.where}, {name}", count, statistics).to_json(),
    }


def _history(store: FeatureStore, request: Request, name: str, file: str, folder: Path | None) -> dict[str, Any]:
    view, engine = request.view, request.engine
    history = view.histories[name]
    events = history_data(store, view, history, request.spine, request.frame, engine, request.pins)
    events = computed_once(engine, events, store.shop.spool)
    if folder is not None:
        engine.write_files(events, str(folder / file))
    types = {c: history.query.spec.by_name[c].polars for c in history.query.columns}
    schema = {ROW: pl.Int64(), EVENT: pl.Int64(), **types}
    rows = int(engine.collect(events.select(nw.len())).item())
    return {"rows": rows, "content": f"{engine.fingerprint(events, schema):032x}"}


def files_of(folder: Path, name: str) -> dict[str, int]:
    """The Parquet files of a part with their bytes, by path below the dataset's folder."""
    return {str(p.relative_to(folder)): p.stat().st_size for p in sorted((folder / name).glob("*.parquet"))}


def _shared(request: Request, data: ViewData, whole: Frame) -> list[str]:
    """Groups of which one row serves several parts.

    A row is named by its key and event time; look-ups by the very columns that decide the split cannot share one.
    """
    assert request.split is not None
    found = []
    for node in data.nodes:
        if set(request.split.grouped_by(request.view.entity) or [ROW]) <= set(node.look.left):
            continue
        count = _reaching_several(request.engine, whole, node)
        if count:
            found.append(f"{count:,} rows of {node.group.id} serve more than one part")
    return found


def _reaching_several(engine: Engine, whole: Frame, node: Node) -> int:
    used = whole.filter(~nw.col(node.look.at).is_null(), ~nw.col(PART).is_null())
    each = used.select(*node.look.left, node.look.at, PART).unique().group_by(*node.look.left, node.look.at)
    several = each.agg(nw.len().alias("__parts")).filter(nw.col("__parts") > 1)
    return int(engine.collect(several.select(nw.len())).item())
