"""The declaration of a feature group: a frozen value, validated when it is made."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from functools import cached_property
from typing import TYPE_CHECKING, Any, Literal

from feature_groups.store.aggregations import Aggregation
from feature_groups.store.contract import ContractSpec, contract_spec, source_file
from feature_groups.store.declaration_rules import check_declaration, check_kinds
from feature_groups.store.description import describe_declared
from feature_groups.store.errors import InvalidDeclaration
from feature_groups.store.selectable import Selectable
from feature_groups.store.source import Source

if TYPE_CHECKING:
    import pandera.polars as pa

Policy = Literal["strict", "quarantine", "warn"]
Corrections = Literal["replace", "keep"]
Duplicates = Literal["error", "latest"]
Transform = Callable[..., Any]


@dataclass(frozen=True, eq=False, kw_only=True)
class FeatureGroup(Selectable):
    """A versioned table of features, who its rows are about, and where they come from.

    Rows come from a `source` (raw files), from `parents` through `transform` (then `aggregations`, then
    `derive`), or, with neither, from calls of ``insert``.

    Attributes:
        name: Lower-case identifier; repeats the declaring module's name.
        version: 1, 2, ...: a change of keys, types or meaning is a new version beside the old one.
        description: What a row tells, in a sentence.
        primary_key: Columns that say whom or what a row is about; never NULL.
        event_time: Timestamp column (µs, UTC) from which the row's values hold. Rows are unique by primary
            key and event time.
        static: True for groups without event time: one row per primary key, joined at its pinned value.
        sequence: Column that orders rows of equal event time, for example the position in the source.
        source: Raw files the rows are made from.
        parents: Feature groups the rows are made from, in the order of `transform`'s arguments.
        transform: Function of lazy narwhals frames (one per parent, or the raw rows) to a lazy frame.
        spark_transform: The same function for Spark frames, where narwhals cannot say it for both engines: takes and
            returns lazy narwhals frames whose ``to_native()`` is a Spark frame. A property test compares the two.
        aggregations: Window aggregations over the transformed events.
        derive: Function of the aggregated lazy frame to one with further columns: shares, ratios, differences. Its
            rows must not depend on each other, unless `local` is False: an increment has few of them.
        local: Whether rows of a primary key depend on the first parent's rows of that key only, so that a change
            there recomputes that key alone; False recomputes everything.
        contract: Pandera class; inferred from the first inserted frame when none is given.
        policy: What happens to bad rows: ``strict`` writes nothing, ``quarantine`` sets them aside and writes
            the others, ``warn`` writes all and reports.
        max_rejected: Largest share of bad rows that quarantine accepts.
        keep: Rows of one batch with equal keys: ``error``, or ``latest`` by `sequence`, else by position.
        corrections: A changed row replaces the old one in place (``replace``), or both are kept with the
            instants at which they became known (``keep``).
        ingested_from: Timestamp column that says when a row became known; the store's clock when not given.
        resolution: Rounds the instants of window aggregations up, and so declares their staleness.
        decimals: Digits after the point per aggregated float column; sums are made in integers of that scale.
        partition_by: Columns the files are partitioned by.
        cluster_by: Up to four columns the files are clustered by.
        foreign_key: Column to the group in whose single-column primary key its values must occur.
        online: Serve the newest rows online as well (declared now, built later).
        ttl: How long after its event time a row may be served.
        source_delay: How long after its event time a row is known to arrive.
        freshness: How long after its newest change `alluvia reconcile` says that new rows are overdue; None: never.
        restricted: Can be a label or a training helper, never a feature.
        owner: Whom to ask.
        tags: Free key-value pairs for search.
        deprecated: Why not to use it any more, and what instead; empty while it is current.

    Raises:
        InvalidDeclaration: Anything that cannot mean what it says; names the field, the fix and the file.
    """

    name: str
    version: int
    description: str
    primary_key: Sequence[str]
    event_time: str | None = None
    static: bool = False
    sequence: str | None = None
    source: Source | None = None
    parents: Sequence[FeatureGroup] = ()
    transform: Transform | None = field(default=None, repr=False)
    spark_transform: Transform | None = field(default=None, repr=False)
    aggregations: Sequence[Aggregation] = ()
    derive: Transform | None = field(default=None, repr=False)
    local: bool = True
    contract: type[pa.DataFrameModel] | None = field(default=None, repr=False)
    policy: Policy = "strict"
    max_rejected: float = 0.1
    keep: Duplicates = "error"
    corrections: Corrections = "replace"
    ingested_from: str | None = None
    resolution: timedelta | None = None
    decimals: Mapping[str, int] = field(default_factory=dict)
    partition_by: Sequence[str] = ()
    cluster_by: Sequence[str] = ()
    foreign_key: Mapping[str, FeatureGroup] = field(default_factory=dict)
    online: bool = False
    ttl: timedelta | None = None
    source_delay: timedelta = timedelta(0)
    freshness: timedelta | None = None
    restricted: bool = False
    owner: str = ""
    tags: Mapping[str, str] = field(default_factory=dict)
    deprecated: str = ""

    def __post_init__(self) -> None:
        check_kinds(self)
        for name in ("primary_key", "parents", "aggregations", "partition_by", "cluster_by"):
            value = getattr(self, name)
            object.__setattr__(self, name, (value,) if isinstance(value, str) else tuple(value))
        check_declaration(self)

    @property
    def id(self) -> str:
        """``<name>_v<version>``, unique in a lake."""
        return f"{self.name}_v{self.version}"

    @property
    def where(self) -> str:
        """How messages name it."""
        return f"feature group {self.name!r} v{self.version}"

    @property
    def key(self) -> tuple[str, ...]:
        """The columns rows are unique by: primary key, then event time."""
        return (*self.primary_key, *((self.event_time,) if self.event_time else ()))

    @cached_property
    def spec(self) -> ContractSpec | None:
        """The contract as data, or None while it waits for a first frame."""
        return None if self.contract is None else contract_spec(self.contract, self.where)

    @property
    def file(self) -> str:
        """The file to edit, as far as it is known."""
        return source_file(self.contract) if self.contract is not None else ""

    @property
    def upstream(self) -> tuple[FeatureGroup, ...]:
        """The groups that must be up to date before this one: parents and referenced groups."""
        return (*self.parents, *self.foreign_key.values())

    def _queried(self) -> tuple[FeatureGroup, ContractSpec]:
        if self.spec is None:
            raise InvalidDeclaration(
                self.where,
                what="It was declared without a contract, so that its columns are known in a lake only.",
                state="was not queried",
                next_step="open it with fs.get_or_create_feature_group(...) and select from that.",
            )
        return self, self.spec

    def __str__(self) -> str:
        return f"{self.name}.v{self.version}"

    def _repr_html_(self) -> str:
        return describe_declared(self, self.spec)._repr_html_()


BREAKING = (
    "primary_key",
    "event_time",
    "static",
    "sequence",
    "columns",
    "aggregations",
    "resolution",
    "decimals",
    "partition_by",
    "corrections",
    "ingested_from",
)
"""Fields of a stored declaration that only a new version may change."""


def declaration_json(group: FeatureGroup, spec: ContractSpec) -> dict[str, Any]:
    """The declaration as plain JSON: what is stored, shown, and compared with the next one."""
    second = timedelta(seconds=1)
    return {
        "name": group.name,
        "version": group.version,
        "description": group.description,
        "primary_key": list(group.primary_key),
        "event_time": group.event_time,
        "static": group.static,
        "sequence": group.sequence,
        "columns": [[c.name, c.type, c.nullable] for c in spec.columns],
        "contract": spec.to_json(),
        "source": group.source.name if group.source else None,
        "parents": [p.id for p in group.parents],
        "foreign_key": {c: g.id for c, g in group.foreign_key.items()},
        "aggregations": [a.to_json() for a in group.aggregations],
        "derive": group.derive is not None,
        "local": group.local,
        "policy": group.policy,
        "max_rejected": group.max_rejected,
        "keep": group.keep,
        "corrections": group.corrections,
        "ingested_from": group.ingested_from,
        "resolution": None if group.resolution is None else group.resolution / second,
        "decimals": dict(group.decimals),
        "partition_by": list(group.partition_by),
        "cluster_by": list(group.cluster_by),
        "online": group.online,
        "ttl": None if group.ttl is None else group.ttl / second,
        "source_delay": group.source_delay / second,
        "freshness": None if group.freshness is None else group.freshness / second,
        "restricted": group.restricted,
        "owner": group.owner,
        "tags": dict(group.tags),
        "deprecated": group.deprecated,
    }


def differences(stored: Mapping[str, Any], declared: Mapping[str, Any]) -> dict[str, tuple[Any, Any]]:
    """The fields in which two declarations differ, as (stored, declared)."""
    normal = json.loads(json.dumps(declared))
    return {k: (stored.get(k), normal[k]) for k in normal if stored.get(k) != normal[k]}
