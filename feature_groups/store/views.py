"""Feature views seen by a lake, and queries read from it."""

from __future__ import annotations

import logging
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import narwhals as nw
import polars as pl

from feature_groups.store.commit_note import author
from feature_groups.store.errors import DeclarationChanged
from feature_groups.store.feature_view import FeatureView
from feature_groups.store.lookup_plan import Rules
from feature_groups.store.names import ROW
from feature_groups.store.point_in_time import chosen_engine, joined, pinned
from feature_groups.store.query import Query
from feature_groups.store.reader import AsOf
from feature_groups.store.spine import TIMESTAMP, Spine, on_engine
from feature_groups.store.stored_view import StoredFeatureView

if TYPE_CHECKING:
    from feature_groups.store.feature_store import FeatureStore

log = logging.getLogger(__name__)

_MAY_CHANGE = ("description", "owner", "tags", "declared_by")
_NOW = "__now"


def get_or_create_view(store: FeatureStore, view: FeatureView) -> StoredFeatureView:
    """The view in a lake, declared there if it is new; what it gives never changes within a version.

    Raises:
        DeclarationChanged: It differs from the stored one in more than its description, owner and tags.
    """
    stored_log = f"views/{view.id}/declarations"
    stored, declared = store.metadata.last(stored_log), view.to_json()
    for group in view.groups:
        store.get_or_create_feature_group(group)
    changed = [] if stored is None else [k for k in declared if k not in _MAY_CHANGE and stored.get(k) != declared[k]]
    if changed:
        assert stored is not None
        lines = [f"~ {k} was {str(stored.get(k))[:300]}\n  now {str(declared[k])[:300]}" for k in changed[:5]]
        raise DeclarationChanged(
            view.where,
            what="The declaration differs from the one stored in this lake:\n" + "\n".join(lines),
            state="is unchanged, and so are its training datasets",
            next_step=f"declare it as version {view.version + 1}, beside the old one.",
        )
    if stored is None or any(stored.get(k) != declared[k] for k in declared):
        store.metadata.append(stored_log, declared | {"declared_by": author()})
    return StoredFeatureView(store, view)


def read_query(store: FeatureStore, query: Query, as_of: AsOf, engine: str | None) -> Any:
    """The rows of a query's first group, with what the joined groups said at each row's event time.

    Of a static group the joined ones are read at the store's clock. Rows come in no order.
    """
    pins = pinned(store, query.groups, as_of)
    group, pin = query.group, pins[query.group.id]
    chosen, why = chosen_engine(store, {} if not query.joins else pins, pin.rows, engine)
    log.info("reading %s with %s", query.title, why)
    table = store.get_or_create_feature_group(group).table
    if not query.joins:
        frame, _, _ = store.reader.read(table, pin.version, chosen.name, ingested=False)  # type: ignore[arg-type]  # an engine's name
        frame = frame if query.where is None else frame.filter(query.where.expr())
        return frame.select(*query.columns).to_native()
    root, _, _ = store.reader.read(table, pin.version, "polars", ingested=False)
    root = root.filter(query.where.expr()) if query.where is not None else root
    rows: pl.LazyFrame = root.to_native()
    time = group.event_time or _NOW
    if group.event_time is None:
        rows = rows.with_columns(pl.lit(store.clock()).cast(TIMESTAMP).alias(_NOW))
    numbered = rows.with_row_index(ROW).with_columns(pl.col(ROW).cast(pl.Int64))
    spine = Spine(numbered, pin.rows, dict(rows.collect_schema()), time)
    # The root's columns keep their own names, so a joined output that has one of them waits under another.
    outputs = [o.name for o in query.outputs]
    hidden = {name: f"__root_{name}" for name in spine.columns}
    made = joined(
        store,
        chosen,
        on_engine(replace(spine, frame=numbered.rename(hidden), time=hidden[time]), chosen, store.shop),
        hidden[time],
        [replace(j, on=tuple((hidden[left], right) for left, right in j.on)) for j in query.joins],
        Rules(),
        pins,
        pin.rows,
    )
    frame = made.frame
    for node in made.nodes:
        if node.parent is None and node.inner:
            frame = frame.filter(made.counts[node.look.name])
    own = [nw.col(hidden[name]).alias(name) for name in query.columns]
    return frame.select(*own, *outputs[len(own) :]).to_native()
