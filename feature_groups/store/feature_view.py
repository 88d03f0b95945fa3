"""The declaration of a feature view: what one decision needs, as a frozen value that is validated when it is made."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from functools import cached_property
from typing import Any, Literal

import narwhals as nw

from feature_groups.store.column_types import is_float
from feature_groups.store.contract import ContractSpec
from feature_groups.store.feature_group import FeatureGroup
from feature_groups.store.query import Join, Output, Query
from feature_groups.store.rules import ColumnSpec, built_in_rules
from feature_groups.store.view_rules import check_view, joins_of

Known = Literal["pinned", "as_of_event"]
Part = Query | Join | str
"""A query, a query with the spine's columns that hold its key, or the name of a column that the spine brings."""


@dataclass(frozen=True)
class History:
    """Event inputs: all events of a group strictly before each instant, for models that read whole histories.

    Attributes:
        query: Columns of a group with event time; no joins.
        on: Columns of the spine that hold the key, as in `Query.join`; a part of the primary key, given by name.
        last: Only so many of the newest events; None for all.
    """

    query: Query
    on: str | Sequence[str] | Mapping[str, str]
    last: int | None = None

    @property
    def keys(self) -> tuple[tuple[str, str], ...]:
        """Pairs of a spine column and a column of the group."""
        if isinstance(self.on, Mapping):
            return tuple(self.on.items())
        return tuple((c, c) for c in ([self.on] if isinstance(self.on, str) else self.on))


@dataclass(frozen=True)
class OnDemand:
    """A feature computed from a row of the joined data and the request: the last step of a view.

    Attributes:
        name: The feature.
        type: Its stored type, for example ``float64``.
        expression: Makes the narwhals expression over the view's columns, the spine's included.
        description: What the name cannot say.
    """

    name: str
    type: str
    expression: Callable[[], nw.Expr] = field(repr=False)
    description: str = ""


@dataclass(frozen=True, eq=False, kw_only=True)
class FeatureView:
    """What a decision needs: features, labels and helpers, each as it was at the instant of the decision.

    The instants and the entities come with a *spine*: a frame with the key columns and a column of instants. A feature
    is joined to it by its group's primary key.

    Attributes:
        name: Lower-case identifier.
        version: 1, 2, ...; what it gives never changes within a version.
        description: Which decision it serves, in a sentence.
        features: Queries whose columns the model sees. A `Join` says which of the spine's columns hold the key.
        labels: What is to be predicted: queries, or names of columns that the spine brings.
        training_helpers: Columns for training only, such as weights and segments, likewise.
        inference_helpers: Columns for whoever uses the prediction, likewise; never features.
        histories: Event inputs by name.
        transforms: Features computed row by row from the others and the spine, in this order.
        event_time: The spine's column of instants (µs, UTC).
        entity: The spine's columns that say whom a row is about, by which data is split; by default the key of the
            first feature.
        strict: Whether event times must lie before the instant; by default they may be the instant.
        known: ``as_of_event``: only what the store knew at the instant counts. Exact, and therefore possible only, on
            groups that keep corrections. ``pinned``: the rows of the pinned version.
        max_age: Per group, the oldest row that counts, as a distance from the instant, inclusive.
        source_delay: Per group, how long after its event time a row is visible; by default as the group declares.
        owner: Whom to ask.
        tags: Free key-value pairs for search.

    Raises:
        InvalidDeclaration: Anything that cannot mean what it says; names the field and the fix.
    """

    name: str
    version: int
    description: str
    features: Sequence[Query | Join]
    labels: Sequence[Part] = ()
    training_helpers: Sequence[Part] = ()
    inference_helpers: Sequence[Part] = ()
    histories: Mapping[str, History] = field(default_factory=dict)
    transforms: Sequence[OnDemand] = ()
    event_time: str = "event_time"
    entity: Sequence[str] = ()
    strict: bool = False
    known: Known = "pinned"
    max_age: Mapping[FeatureGroup, timedelta] = field(default_factory=dict)
    source_delay: Mapping[FeatureGroup, timedelta] = field(default_factory=dict)
    owner: str = ""
    tags: Mapping[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        for name in ("features", "labels", "training_helpers", "inference_helpers", "entity"):
            value: Any = getattr(self, name)
            single = isinstance(value, (Query, Join, str))
            object.__setattr__(
                self, name, (value,) if single else tuple(value) if isinstance(value, Iterable) else value
            )
        if isinstance(self.transforms, Iterable):
            object.__setattr__(self, "transforms", tuple(self.transforms))
        check_view(self)
        if not self.entity:
            object.__setattr__(self, "entity", tuple(left for left, _ in joins_of(self.features)[0].on))

    @property
    def id(self) -> str:
        """``<name>_v<version>``, unique in a lake."""
        return f"{self.name}_v{self.version}"

    @property
    def where(self) -> str:
        """How messages name it."""
        return f"feature view {self.name!r} v{self.version}"

    @cached_property
    def roles(self) -> Mapping[str, tuple[tuple[Join, ...], tuple[str, ...]]]:
        """Per role its joins to the spine and the columns that the spine brings."""
        names = ("features", "labels", "training_helpers", "inference_helpers")
        parts: dict[str, Sequence[Part]] = {name: getattr(self, name) for name in names}
        return {
            name: (joins_of(found), tuple(part for part in found if isinstance(part, str)))
            for name, found in parts.items()
        }

    @cached_property
    def spine_keys(self) -> Mapping[str, ColumnSpec]:
        """The spine's key columns with their types; they may be NULL, and then nothing is found."""
        found: dict[str, ColumnSpec] = {}
        for joins, _ in self.roles.values():
            for join in joins:
                for left, right in join.on:
                    found[left] = join.query.spec.by_name[right]
        for history in self.histories.values():
            for left, right in history.keys:
                found[left] = history.query.spec.by_name[right]
        return {
            name: ColumnSpec(name, spec.type, nullable=True, description=spec.description, pii=spec.pii)
            for name, spec in found.items()
        }

    def outputs(self, role: str) -> tuple[Output, ...]:
        """The columns that the groups bring for a role, under their names in the result."""
        joins, _ = self.roles[role]
        return tuple(
            Output(
                join.prefix + o.name,
                o.group,
                o.column,
                ColumnSpec(**{**vars(o.spec), "name": join.prefix + o.name, "nullable": True}),
            )
            for join in joins
            for o in join.query.outputs
        )

    @cached_property
    def feature_names(self) -> tuple[str, ...]:
        """The features, in order: those of the groups, then the computed ones."""
        return tuple(o.name for o in self.outputs("features")) + tuple(t.name for t in self.transforms)

    def names(self, role: str) -> tuple[str, ...]:
        """The columns of a role in the result."""
        if role == "features":
            return self.feature_names
        return tuple(o.name for o in self.outputs(role)) + self.roles[role][1]

    def joins(self, roles: Sequence[str]) -> list[Join]:
        """The joins that bring the columns of some roles."""
        return [join for role in roles for join in self.roles[role][0]]

    @property
    def groups(self) -> tuple[FeatureGroup, ...]:
        """Every feature group it reads, each once."""
        queries = [join.query for joins, _ in self.roles.values() for join in joins]
        queries += [history.query for history in self.histories.values()]
        return tuple({g.id: g for query in queries for g in query.groups}.values())

    @cached_property
    def spec(self) -> ContractSpec:
        """The contract of what it gives, derived from its groups': columns, units and tags, floats finite."""
        columns = [o.spec for role in self.roles for o in self.outputs(role)]
        columns += [ColumnSpec(t.name, t.type, nullable=True, description=t.description) for t in self.transforms]
        rules = tuple(rule for c in columns if is_float(c.type) for rule in built_in_rules(c))
        grain = f"One row per row of the spine: {', '.join(self.spine_keys)} at {self.event_time}."
        return ContractSpec(grain, tuple(columns), rules)

    def to_json(self) -> dict[str, Any]:
        """The declaration as plain JSON: what is stored, and compared with the next one."""
        second = timedelta(seconds=1)
        return {
            "name": self.name,
            "version": self.version,
            "description": self.description,
            **{
                role: [_join_json(join) for join in joins] + list(brought)
                for role, (joins, brought) in self.roles.items()
            },
            "histories": {
                name: {"query": h.query.to_json(), "on": [list(pair) for pair in h.keys], "last": h.last}
                for name, h in self.histories.items()
            },
            "transforms": [[t.name, t.type, repr(t.expression())] for t in self.transforms],
            "event_time": self.event_time,
            "entity": list(self.entity),
            "strict": self.strict,
            "known": self.known,
            "max_age": {g.id: age / second for g, age in self.max_age.items()},
            "source_delay": {g.id: delay / second for g, delay in self.source_delay.items()},
            "columns": [[c.name, c.type] for c in self.spec.columns],
            "owner": self.owner,
            "tags": dict(self.tags),
        }

    def __str__(self) -> str:
        return f"{self.name}.v{self.version}"

    def _repr_html_(self) -> str:
        from feature_groups.store.view_description import describe_view  # it looks at views itself

        return describe_view(self)._repr_html_()


def _join_json(join: Join) -> dict[str, Any]:
    return {"query": join.query.to_json(), "on": [list(pair) for pair in join.on], "prefix": join.prefix}
