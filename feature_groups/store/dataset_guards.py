"""Leak guards of a training dataset: what its look-ups found, in numbers, and what must not be.

Refused is a split that gives rows of one entity to several parts. Counted are rows without a match, rows of other
groups that serve several parts, instants later than all data, and labels from before their features could be known.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import narwhals as nw

from feature_groups.store.errors import SplitRefused
from feature_groups.store.feature_group import FeatureGroup
from feature_groups.store.look_up import microseconds
from feature_groups.store.lookup_plan import Node
from feature_groups.store.names import PART, ROW
from feature_groups.store.view_data import ViewData, rules_of

if TYPE_CHECKING:
    from feature_groups.store.dataset_parts import Request
    from feature_groups.store.feature_store import FeatureStore

_MOST = 0.5
"""The share of rows without a match from which on that is worth a warning."""
_MICROSECOND = timedelta(microseconds=1)
_LAST = datetime.max.replace(tzinfo=UTC) - _MICROSECOND
_EVERY = ("features", "labels", "training_helpers")


def checked_look_ups(store: FeatureStore, request: Request, data: ViewData, whole: nw.LazyFrame[Any]) -> list[Any]:
    """Count what every look-up found.

    Args:
        store: The lake.
        request: What the dataset is made of.
        data: Its look-ups.
        whole: The joined rows, computed, with their parts where they are split.

    Returns:
        Per look-up: ``group``; ``role``; ``columns``, the outputs; ``without``, rows that found nothing; ``shared``,
        rows of the group that serve several parts; ``newest``, its newest event time (ISO), None for a static group;
        ``later``, rows more than 1 µs after that, which are as if asked too early; ``early``, for a label of a group
        with event time the rows whose label happened before features could be known that they stand beside.

    Raises:
        SplitRefused: Rows of a group with the view's entity as key would reach several parts.
    """
    roles = [role for role in _EVERY for join in request.view.joins([role]) for _ in join.query.nodes()]
    newest = {node.group.id: _newest(store, request, node.group) for node in data.nodes}
    counts: dict[str, nw.Expr] = {}
    for node, role in zip(data.nodes, roles, strict=True):
        counts[f"without_{node.look.name}"] = nw.col(node.look.at).is_null()
        last = newest[node.group.id]
        if last is not None and last <= _LAST:
            # What happened at an instant is known from the next one on.
            counts[f"later_{node.look.name}"] = nw.col(request.spine.time) > last + _MICROSECOND
        if early := _early(node, role, data.nodes, roles, request):
            counts[f"early_{node.look.name}"] = nw.any_horizontal(*early, ignore_nulls=True)
    columns = [told.cast(nw.Int64).sum().alias(name) for name, told in counts.items()]
    told = request.engine.collect(whole.select(*columns)).row(0, named=True)
    found = []
    for node, role in zip(data.nodes, roles, strict=True):
        last = newest[node.group.id]
        found.append(
            {
                "group": node.group.id,
                "role": role,
                "columns": [name for name in node.look.outputs if not name.startswith("__")],
                "without": told[f"without_{node.look.name}"],
                "shared": _shared(request, whole, node),
                "newest": last.isoformat() if last else None,
                "later": told.get(f"later_{node.look.name}", 0),
                "early": told.get(f"early_{node.look.name}", 0),
            }
        )
    return found


def warnings(look_ups: Sequence[Mapping[str, Any]], rows: int) -> list[str]:
    """What of `checked_look_ups` a person should know before training, in words."""
    told = []
    for found in look_ups:
        name = f"{found['group']} ({', '.join(found['columns'][:3]) or 'leads to others'})"
        if found["without"] > _MOST * rows:
            told.append(f"{name} has nothing for {found['without']:,} of {rows:,} rows")
        if found["later"]:
            newest = f"the newest row of {found['group']}, {found['newest']}"
            told.append(f"{found['later']:,} of {rows:,} rows are later than {newest}")
        if found["early"]:
            told.append(f"{name}: {found['early']:,} labels happened before a feature beside them could be known")
    return list(dict.fromkeys(told))


def _newest(store: FeatureStore, request: Request, group: FeatureGroup) -> datetime | None:
    if group.event_time is None:
        return None
    table = store.get_or_create_feature_group(group).table
    return store.reader.newest(table, request.pins[group.id].version, group.event_time)


def _early(node: Node, role: str, nodes: Sequence[Node], roles: Sequence[str], request: Request) -> list[nw.Expr]:
    """Per feature with a declared delay whether a label's event lies before the instant at which it could be known."""
    if role != "labels" or node.group.event_time is None:
        return []
    delays = {other.look.name: microseconds(rules_of(request.view).delay(other.group)) for other in nodes}
    return [
        nw.col(node.look.at) < nw.col(other.look.at) + delays[other.look.name]
        for other, of in zip(nodes, roles, strict=True)
        if of == "features" and other.group.event_time is not None and delays[other.look.name]
    ]


def _shared(request: Request, whole: nw.LazyFrame[Any], node: Node) -> int:
    """Rows of a group that serve several parts; a row is named by its key and event time."""
    split, entity = request.split, request.view.entity
    if split is None:
        return 0
    deciding = split.grouped_by(entity)
    # Equal values of what decides never lie in two parts.
    if set(deciding or [ROW]) <= set(node.look.left):
        return 0
    used = whole.filter(~nw.col(node.look.at).is_null(), ~nw.col(PART).is_null())
    each = used.select(*node.look.left, node.look.at, PART).unique().group_by(*node.look.left, node.look.at)
    several = each.agg(nw.len().alias("__parts")).filter(nw.col("__parts") > 1)
    count = int(request.engine.collect(several.select(nw.len())).item())
    if count and deciding and set(entity) <= set(node.look.left):
        raise SplitRefused(
            repr(split),
            what=f"By {', '.join(deciding)}, {count:,} rows of {node.group.id}, which is looked up by the entity "
            f"{', '.join(entity)}, would reach several parts: one would be tested on whom it was trained on.",
            state="was not applied",
            next_step="split by the entity or by something that holds whole entities, such as a household or a day; "
            "or declare another entity= on the view.",
        )
    return count
