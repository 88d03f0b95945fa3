"""What a view gives for a spine: the joined frame, its columns by role, and its event inputs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import narwhals as nw
import polars as pl

from feature_groups.store.engine import Engine, Frame
from feature_groups.store.errors import InvalidDeclaration
from feature_groups.store.feature_view import FeatureView, History
from feature_groups.store.look_up import LookUp
from feature_groups.store.lookup_plan import Node, Rules, tie_order
from feature_groups.store.names import INGESTED_AT, ROW
from feature_groups.store.point_in_time import Pin, joined, rows_for
from feature_groups.store.spine import Spine
from feature_groups.store.spine_slices import in_slices

if TYPE_CHECKING:
    from feature_groups.store.feature_store import FeatureStore


@dataclass(frozen=True)
class ViewData:
    """The joined data of a view.

    Attributes:
        frame: ``__row``, the spine's columns, the outputs of the roles, and the hidden columns.
        nodes: The look-ups.
        hidden: Columns that only tell what was found, or lead from one group to the next.
    """

    frame: Frame
    nodes: Sequence[Node]
    hidden: Sequence[str]


def rules_of(view: FeatureView) -> Rules:
    """What a view says about time."""
    return Rules(
        strict=view.strict,
        known=view.known == "as_of_event",
        max_age={group.id: age for group, age in view.max_age.items()},
        source_delay={group.id: delay for group, delay in view.source_delay.items()},
    )


def view_data(
    store: FeatureStore,
    view: FeatureView,
    spine: Spine,
    frame: Frame,
    engine: Engine,
    roles: Sequence[str],
    pins: Mapping[str, Pin],
) -> ViewData:
    """Join what a view declares for some roles, and compute its transforms.

    Args:
        store: The lake.
        view: The declaration.
        spine: The conformed spine.
        frame: Its rows on `engine`; may carry further columns.
        engine: Which engine computes.
        roles: Of ``features``, ``labels``, ``training_helpers``, ``inference_helpers``.
        pins: The versions that are read.
    """
    made = joined(store, engine, frame, spine.time, view.joins(roles), rules_of(view), pins, spine.rows)
    result = made.frame
    for transform in view.transforms if "features" in roles else ():
        result = result.with_columns(transform.expression().alias(transform.name))
    extra = [name for name in frame.collect_schema().names() if name not in (ROW, *spine.columns)]
    outputs = [name for role in roles for name in view.names(role) if name not in spine.columns]
    hidden = [node.look.at for node in made.nodes]
    hidden += [name for node in made.nodes for name in node.look.outputs if name.startswith("__")]
    return ViewData(result.select(ROW, *spine.columns, *extra, *outputs, *hidden), made.nodes, hidden)


def history_data(
    store: FeatureStore,
    view: FeatureView,
    history: History,
    spine: Spine,
    frame: Frame,
    engine: Engine,
    pins: Mapping[str, Pin],
) -> Frame:
    """The event inputs of one history: ``__row`` of the spine and the query's columns, a row per event.

    On Polars the spine is gone through in slices that have about as many events as the budget has rows.
    """
    group, rules = history.query.group, rules_of(view)
    right = tuple(right for _, right in history.keys)
    look = LookUp(
        name="history",
        left=tuple(left for left, _ in history.keys),
        right=right,
        event_time=group.event_time,
        outputs={column: column for column in history.query.columns},
        order=tie_order(group, right),
        delay=rules.delay(group),
        strict=True,
        max_age=rules.max_age.get(group.id),
        identity=tuple(group.key) if rules.known else (),
        ingested=INGESTED_AT if rules.known else None,
    )
    rows = rows_for(store, engine, look, group, history.query.where, pins)
    about, budget = spine.rows + pins[group.id].rows, store.shop.budget
    if engine.name != "polars":
        return engine.events_before(frame, rows, look, spine.time, history.last, about)
    held = engine.collect(rows)
    each = -(-held.height // max(1, held.select(look.right).n_unique()))
    size = max(1, budget // max(1, min(each, history.last or each)))

    def before(part: pl.DataFrame, _: int) -> pl.LazyFrame:
        asked, events = (nw.from_native(found.lazy()) for found in (part, held))
        made: pl.LazyFrame = engine.events_before(asked, events, look, spine.time, history.last, about).to_native()
        return made

    if spine.rows > size:
        return in_slices(frame.select(ROW, *look.left, spine.time), spine.rows, size, store.shop.spool(), before)
    return nw.from_native(before(engine.collect(frame), 0))


def root_spine(store: FeatureStore, view: FeatureView, engine: Engine, pins: Mapping[str, Pin]) -> Frame:
    """The rows of the first feature's group as a spine: its keys, and its event times as instants.

    Raises:
        InvalidDeclaration: That group is static, so that nothing says when.
    """
    join = view.joins(["features"])[0]
    group, query = join.query.group, join.query
    if group.event_time is None:
        raise InvalidDeclaration(
            view.where,
            what=f"Its first feature is of {group}, which is static: its rows say whom, but not when.",
            state="was not read",
            next_step="give a spine: a frame with keys and instants.",
        )
    table = store.get_or_create_feature_group(group).table
    frame, _, _ = store.reader.read(table, pins[group.id].version, engine.name, ingested=False)  # type: ignore[arg-type]  # an engine's name
    if query.where is not None:
        frame = frame.filter(query.where.expr())
    keys = [nw.col(right).alias(left) for left, right in join.on]
    return frame.select(*keys, nw.col(group.event_time).alias(view.event_time))
