"""What a feature view's declaration must fulfil; every problem names the field and the fix."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import timedelta
from typing import TYPE_CHECKING, Any, NoReturn, get_args

from feature_groups.store.errors import InvalidDeclaration, did_you_mean
from feature_groups.store.feature_group import FeatureGroup
from feature_groups.store.names import check_name
from feature_groups.store.query import Join, Query
from feature_groups.store.view_transforms import check_transforms

if TYPE_CHECKING:
    from feature_groups.store.feature_view import FeatureView, History


def joins_of(parts: Sequence[Any]) -> tuple[Join, ...]:
    """The queries of a role as joins to the spine: by their whole primary key, under its own names."""
    found = []
    for part in parts:
        if isinstance(part, Query):
            key = part.group.primary_key
            found.append(Join(part, tuple((column, column) for column in key)))
        elif isinstance(part, Join):
            found.append(part)
    return tuple(found)


def check_view(view: FeatureView) -> None:
    """Check everything about a view that can be wrong before any data is seen.

    Raises:
        InvalidDeclaration: The first thing found wrong.
    """
    where = f"feature view {str(view.name)[:80]!r}"
    check_name(view.name, kind="feature view", where=where)
    if not isinstance(view.version, int) or isinstance(view.version, bool) or view.version < 1:
        _refuse(view, f"The version is {view.version!r}.", "use a whole number from 1 up")
    if not isinstance(view.description, str) or not view.description.strip():
        _refuse(view, "It has no description.", "say in a sentence which decision it serves")
    check_name(view.event_time, kind="column", where=where)
    _check_kinds(view)
    if not view.features:
        _refuse(view, "It has no features.", "give features=[<group>.v1.select(...), ...]")
    for role, (joins, _) in view.roles.items():
        for join in joins:
            _check_join(view, role, join)
    for name, history in view.histories.items():
        _check_history(view, name, history)
    _check_keys(view)
    _check_names(view)
    _check_fairness(view)
    _check_times(view)
    check_transforms(view)


def _refuse(view: FeatureView, what: str, next_step: str) -> NoReturn:
    where = f"feature view {str(view.name)[:80]!r} v{str(view.version)[:20]}"
    raise InvalidDeclaration(where, what=what, state="was not declared", next_step=f"{next_step.rstrip('.')}.")


def _check_kinds(view: FeatureView) -> None:
    from feature_groups.store import feature_view as kinds

    for field in ("features", "labels", "training_helpers", "inference_helpers"):
        for part in _listed(view, field):
            if isinstance(part, FeatureGroup):
                _refuse(view, f"{field} names the group {part}, not its columns.", f"select some: {part}.select(...)")
            if not isinstance(part, (Query, Join)) and not (isinstance(part, str) and field != "features"):
                _refuse(view, f"{field} has {part!r:.80}.", "give queries: <group>.v1.select(...)")
    for item in _listed(view, "transforms"):
        if not isinstance(item, kinds.OnDemand):
            _refuse(view, f"transforms has {item!r:.80}.", "give OnDemand(name, type, expression)")
    if not all(isinstance(column, str) for column in _listed(view, "entity")):
        _refuse(view, f"entity is {view.entity!r:.80}.", "name columns of the spine")
    for field, kind in (("histories", kinds.History), ("max_age", timedelta), ("source_delay", timedelta)):
        value: Any = getattr(view, field)
        if not isinstance(value, Mapping) or not all(isinstance(v, kind) for v in value.values()):
            _refuse(view, f"{field} is {value!r:.80}.", f"give a dict to {kind.__name__}")
    if view.known not in get_args(kinds.Known):
        hint = did_you_mean(str(view.known), get_args(kinds.Known))
        _refuse(view, f"known is {view.known!r}. {hint}", "use 'pinned' or 'as_of_event'")
    if not isinstance(view.strict, bool):
        _refuse(view, f"strict is {view.strict!r:.80}.", "use True or False")


def _listed(view: FeatureView, field: str) -> Iterable[Any]:
    value = getattr(view, field)
    if not isinstance(value, tuple):
        _refuse(view, f"{field} is {value!r:.80}.", "give a list")
    return value


def _check_join(view: FeatureView, role: str, join: Join) -> None:
    group = join.query.group
    if not isinstance(join.on, tuple) or not join.on or not all(_is_pair(pair) for pair in join.on):
        what = f"{group} is joined on {join.on!r:.80}."
        _refuse(view, what, 'give pairs, as in Join(query, on=(("film", "film_id"),))')
    for names in zip(*join.on, strict=True):
        if len(set(names)) < len(names):
            _refuse(view, f"{group} is joined on {join.on!r:.120}: a column stands twice.", "give each once")
    if not isinstance(join.prefix, str):
        _refuse(view, f"The prefix of {group} is {join.prefix!r:.80}.", "give text, e.g. prefix='film_'")
    if join.how == "inner":
        what = f"{group} is joined to the spine by an inner join, but a view keeps every row of the spine."
        _refuse(view, what, "join it left, and drop rows without a match from the data yourself")
    if view.known == "as_of_event":
        for other in join.query.groups:
            _check_keeps(view, other)
    if role in ("labels", "training_helpers"):
        return
    for other in join.query.groups:
        if other.restricted:
            what = f"{other} is restricted: it can be a label or a training helper, and is not there when it serves."
            _refuse(view, what, f"move {other} to labels= or training_helpers=")


def _is_pair(pair: object) -> bool:
    return isinstance(pair, tuple) and len(pair) == 2 and all(isinstance(name, str) for name in pair)


def _check_keeps(view: FeatureView, group: FeatureGroup) -> None:
    if group.corrections != "keep":
        what = f"{group} does not keep what was known when: a correction there replaces the old row."
        _refuse(view, what, "use known='pinned', or a version of the group with corrections='keep'")


def _check_history(view: FeatureView, name: str, history: History) -> None:
    check_name(name, kind="history", where=view.where)
    query = history.query
    if not isinstance(query, Query) or query.joins or not query.columns:
        _refuse(view, f"The history {name!r} is no plain query with columns.", "give <group>.v1.select(...)")
    if query.group.event_time is None:
        _refuse(view, f"The history {name!r} is of {query.group}, which is static.", "take a group with an event time")
    if query.group.restricted:
        _refuse(view, f"The history {name!r} is of {query.group}, which is restricted.", "take another group")
    if history.last is not None and (type(history.last) is not int or history.last < 1):
        _refuse(view, f"The history {name!r} has last={history.last!r}.", "give a whole number from 1 up, or None")
    if not isinstance(history.on, (str, Sequence, Mapping)) or not history.keys or not all(map(_is_pair, history.keys)):
        what = f"The history {name!r} has on={history.on!r:.80}."
        _refuse(view, what, f"name columns of the spine that hold columns of {list(query.group.primary_key)}")
    for _, column in history.keys:
        if column not in query.group.primary_key:
            hint = did_you_mean(str(column), query.group.primary_key)
            _refuse(
                view, f"The history {name!r}: {column!r} is not in {query.group}'s primary key. {hint}", "correct on="
            )
    if view.known == "as_of_event":
        _check_keeps(view, query.group)


def _check_names(view: FeatureView) -> None:
    seen: dict[str, str] = {view.event_time: "the spine's instants"}
    for key in view.spine_keys:
        check_name(key, kind="column", where=view.where)
        if key in seen:
            _refuse(view, f"{key!r} names {seen[key]} and a key.", "name the spine's instants otherwise: event_time=")
        seen[key] = "a key of the spine"
    for role in view.roles:
        for output in view.outputs(role):
            mine = f"{output.group}'s {output.column!r}"
            check_name(output.name, kind="column", where=view.where)
            if output.name in seen:
                what = f"{output.name!r} would name both {seen[output.name]} and {mine}."
                fix = f"select one of them only, or give a prefix: Join(query, on=..., prefix='{output.group.name}_')"
                _refuse(view, what, fix)
            seen[output.name] = mine
        for name in view.roles[role][1]:
            check_name(name, kind="column", where=view.where)
            if name in seen and seen[name] != "a key of the spine":
                _refuse(view, f"{name!r} names both {seen[name]} and a column that the spine brings.", "rename one")
            seen.setdefault(name, "a column that the spine brings")
    for transform in view.transforms:
        check_name(transform.name, kind="column", where=view.where)
        if transform.name in seen:
            _refuse(view, f"{transform.name!r} names both {seen[transform.name]} and a transform.", "rename one")
        seen[transform.name] = "a transform"


def _check_keys(view: FeatureView) -> None:
    types: dict[str, tuple[str, FeatureGroup]] = {}
    pairs = [(join.query, join.on) for joins, _ in view.roles.values() for join in joins]
    pairs += [(history.query, history.keys) for history in view.histories.values()]
    for query, on in pairs:
        for left, right in on:
            known = query.spec.by_name.get(right)
            if known is None or right not in query.group.primary_key:
                _refuse(view, f"{right!r} is not in {query.group}'s primary key.", "correct on=")
            first = types.setdefault(left, (known.type, query.group))
            if first[0] != known.type:
                what = f"The spine's {left!r} would be {first[0]} for {first[1]} and {known.type} for {query.group}."
                _refuse(view, what, "give one of them another column of the spine: Join(query, on=...)")
    for column in view.entity:
        if column not in types:
            what = f"entity names {column!r}, which is no key of the spine. {did_you_mean(column, types)}"
            _refuse(view, what, "name key columns of the spine")


def _check_fairness(view: FeatureView) -> None:
    """Refuse a feature that gives its label away: by its values, or by which rows it counts or leads to."""
    labels = {o.column for o in view.outputs("labels")} | set(view.names("labels"))
    seen = [(join.query, join.on) for join in view.joins(["features"])]
    seen += [(history.query, history.keys) for history in view.histories.values()]
    for query, on in seen:
        seen += [(join.query, join.on) for join in query.joins]
        filtered = [] if query.where is None else [c.column.name for c in query.where.comparisons]
        leading = [left for join in query.joins for left, _ in join.on]
        for column in (*query.columns, *filtered, *leading, *(right for _, right in on)):
            proxy_of = query.spec.by_name[column].label_proxy
            if proxy_of and proxy_of in labels:
                what = f"{query.group}'s {column!r} gives the label {proxy_of!r} away."
                fix = f"leave it out, in filters and joins too: {query.group}.select_except({column!r}, ...)"
                _refuse(view, what, fix)
    predicted = {(o.group.id, o.column) for o in view.outputs("labels")}
    for output in view.outputs("features"):
        if (output.group.id, output.column) in predicted:
            _refuse(view, f"{output.group}'s {output.column!r} is a feature and a label.", "leave it out of one")


def _check_times(view: FeatureView) -> None:
    groups = {g.id: g for g in view.groups}
    for field in ("max_age", "source_delay"):
        for group, value in getattr(view, field).items():
            if not isinstance(group, FeatureGroup) or group.id not in groups:
                _refuse(view, f"{field} names {group!s:.80}, which it does not read.", "name one of its groups")
            if group.event_time is None:
                _refuse(view, f"{field} names {group}, which is static.", "leave it out")
            if value < timedelta(0):
                _refuse(view, f"{field} of {group} is {value}.", "use a timedelta of zero or more")
