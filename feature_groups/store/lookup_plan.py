"""From queries to look-ups: the tree of joins as a list in which everything comes after what it is reached through."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta

import narwhals as nw

from feature_groups.store.conditions import Condition
from feature_groups.store.contract import ContractSpec
from feature_groups.store.engine import Frame
from feature_groups.store.feature_group import FeatureGroup
from feature_groups.store.look_up import LookUp
from feature_groups.store.names import INGESTED_AT
from feature_groups.store.query import Join


@dataclass(frozen=True)
class Rules:
    """What a view says about time.

    Attributes:
        strict: Whether event times must lie before the instant.
        known: Whether only what was known at the instant counts.
        max_age: Per group id the oldest event time that counts, as a distance from the instant.
        source_delay: Per group id how long after its event time a row is visible, where not as the group declares.
    """

    strict: bool = False
    known: bool = False
    max_age: Mapping[str, timedelta] = field(default_factory=dict)
    source_delay: Mapping[str, timedelta] = field(default_factory=dict)

    def delay(self, group: FeatureGroup) -> timedelta:
        """How long after its event time a row of a group is visible."""
        return self.source_delay.get(group.id, group.source_delay)


@dataclass(frozen=True)
class Node:
    """One group in a join.

    Attributes:
        look: How it is looked up, from the spine or from what was looked up before.
        group: The group.
        spec: Its contract.
        where: Which of its rows count.
        parent: Name of the look-up whose columns it is reached by; None for the spine.
        inner: Whether a row of the parent counts only with a match here.
    """

    look: LookUp
    group: FeatureGroup
    spec: ContractSpec
    where: Condition | None
    parent: str | None
    inner: bool


def nodes_of(joins: Sequence[Join], rules: Rules) -> list[Node]:
    """The look-ups of joins to a spine, each after the one it is reached through.

    Output columns have the names that the queries give them; columns that only lead to others start with ``__``.
    """
    found: list[Node] = []
    for join in joins:
        _flatten(join, "", None, {left: left for left, _ in join.on}, rules, found)
    return found


def _flatten(
    join: Join, prefix: str, parent: str | None, left: Mapping[str, str], rules: Rules, found: list[Node]
) -> None:
    query, prefix = join.query, prefix + join.prefix
    name = f"n{len(found)}"
    outputs = {prefix + column: column for column in query.columns}
    right = [column for _, column in join.on]
    # A key column of the row that was found is the one it was found by.
    reached = {column: left[by] for by, column in join.on}
    shown = {column: output for output, column in outputs.items()}
    for child in query.joins:
        for column, _ in child.on:
            if column not in reached:
                reached[column] = shown.get(column, f"__{name}_{column}")
                outputs.setdefault(reached[column], column)
    group = query.group
    knowing = rules.known
    look = LookUp(
        name=name,
        left=tuple(left[by] for by, _ in join.on),
        right=tuple(right),
        event_time=group.event_time,
        outputs=outputs,
        order=tie_order(group, right),
        delay=rules.delay(group),
        strict=rules.strict,
        max_age=rules.max_age.get(group.id),
        identity=tuple(group.key) if knowing else (),
        ingested=INGESTED_AT if knowing else None,
    )
    found.append(Node(look, group, query.spec, query.where, parent, join.how == "inner"))
    for child in query.joins:
        _flatten(child, prefix, name, reached, rules, found)


def tie_order(group: FeatureGroup, by: Sequence[str]) -> tuple[str, ...]:
    """Columns that order a group's rows of equal event time when they are looked up by a part of its primary key."""
    rest = [c for c in group.primary_key if c not in by]
    return (*filter(None, [group.sequence]), INGESTED_AT, *rest) if rest else ()


def with_joins(frame: Frame, nodes: Sequence[Node]) -> tuple[Frame, Mapping[str, nw.Expr]]:
    """The frame as joins mean it, and per node whether it counts in a row.

    A look-up that goes by a key of its parent finds its row also where the parent has none; like one whose parent
    lacks a match of an inner join it does not count there, and its values are NULL.
    """
    whole: dict[str, nw.Expr] = {}
    for node in reversed(nodes):
        needed = [whole[child.look.name] for child in nodes if child.parent == node.look.name and child.inner]
        whole[node.look.name] = nw.all_horizontal(~nw.col(node.look.at).is_null(), *needed, ignore_nulls=False)
    counts: dict[str, nw.Expr] = {}
    for node in nodes:
        above = [counts[node.parent]] if node.parent is not None else []
        counts[node.look.name] = nw.all_horizontal(whole[node.look.name], *above, ignore_nulls=False)
    if any(node.parent is not None for node in nodes):
        frame = frame.with_columns(
            nw.when(counts[node.look.name]).then(nw.col(column)).alias(column)
            for node in nodes
            for column in (*node.look.outputs, node.look.at)
        )
    return frame, counts
