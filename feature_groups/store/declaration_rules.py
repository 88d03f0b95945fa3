"""What a feature group's declaration must fulfil; every problem names the field, the fix and the file."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import timedelta
from types import NoneType
from typing import TYPE_CHECKING, NoReturn, get_args

from feature_groups.store.aggregations import Aggregation
from feature_groups.store.column_types import is_float
from feature_groups.store.errors import InvalidDeclaration, did_you_mean
from feature_groups.store.names import check_name, check_names
from feature_groups.store.source import Source

if TYPE_CHECKING:
    from feature_groups.store.contract import ContractSpec
    from feature_groups.store.feature_group import FeatureGroup

MAX_CLUSTER_COLUMNS = 4
_PLAIN: dict[str, tuple[type, ...]] = {
    **dict.fromkeys(("static", "online", "restricted"), (bool,)),
    **dict.fromkeys(("owner", "deprecated"), (str,)),
    **dict.fromkeys(("event_time", "sequence", "ingested_from"), (str, NoneType)),
    "source": (Source, NoneType),
    "max_rejected": (float, int),
}
_OUTPUT_TYPES = {"count": ("int64",), "n_unique": ("int64",), "mean": ("float64",), "std": ("float64",)}


def check_kinds(group: FeatureGroup) -> None:
    """Check that every field holds the kind of value it is declared with.

    Raises:
        InvalidDeclaration: A field that does not; names it and what it takes.
    """
    from feature_groups.store import feature_group as kinds

    listed = {"primary_key": str, "partition_by": str, "cluster_by": str}
    objects: dict[str, type] = {"parents": kinds.FeatureGroup, "aggregations": Aggregation}
    mapped = {"tags": object, "decimals": object, "foreign_key": kinds.FeatureGroup}
    for field, kind in {**listed, **objects}.items():
        value = getattr(group, field)
        if isinstance(value, str) and field in listed:
            continue
        if not isinstance(value, (list, tuple)) or (field in objects and not all(isinstance(v, kind) for v in value)):
            what = "column names" if field in listed else f"{kind.__name__}s"
            _refuse(group, f"{field} is {value!r:.80}.", f"give a list of {what}")
    for field, kind in mapped.items():
        value = getattr(group, field)
        if not isinstance(value, Mapping) or not all(isinstance(v, kind) for v in value.values()):
            _refuse(group, f"{field} is {value!r:.80}.", f"give a dict; the annotation of {field} says of what")
    for field, wanted in _PLAIN.items():
        value = getattr(group, field)
        if not isinstance(value, wanted) or (isinstance(value, bool) and bool not in wanted):
            names = " or ".join("None" if k is NoneType else k.__name__ for k in wanted)
            _refuse(group, f"{field} is {value!r:.80}.", f"give {names}")
    if group.contract is not None and not hasattr(group.contract, "to_schema"):
        _refuse(group, f"contract is {group.contract!r:.80}.", "give a class derived from pa.DataFrameModel")


def check_declaration(group: FeatureGroup) -> None:
    """Check everything about a declaration that can be wrong before any data is seen.

    Raises:
        InvalidDeclaration: The first thing found wrong.
    """
    where = f"feature group {str(group.name)[:80]!r} v{str(group.version)[:20]}"
    check_name(group.name, kind="feature group", where=where)
    _check_identity(group)
    _check_choices(group)
    _check_origin(group)
    check_names(group.primary_key, kind="primary key column", where=where)
    if group.spec is not None:
        check_against_contract(group, group.spec)


def check_against_contract(group: FeatureGroup, spec: ContractSpec) -> None:
    """Check every column that the declaration names against the contract.

    Raises:
        InvalidDeclaration: A column that is not there, or has a type that cannot serve.
    """
    _known_columns(group, spec)
    _check_key_types(group, spec)
    _check_computed_once(group)
    for aggregation in group.aggregations:
        # With derive, an aggregate may be an intermediate that the contract does not show.
        outputs = [o for o in aggregation.outputs if group.derive is None or o in spec.by_name]
        _outputs(group, spec, outputs, _OUTPUT_TYPES.get(aggregation.function))
        if aggregation.function == "last_n":
            for output in outputs:
                if not spec.by_name[output].type.startswith("list<"):
                    _refuse(group, f"{output!r} holds the last values, but is no list.", "declare it as list[...].")
        _check_decimals(group, aggregation.column, aggregation.needs_decimals)


def _refuse(group: FeatureGroup, what: str, next_step: str) -> NoReturn:
    file = f" (in {group.file})" if group.file else ""
    where = f"feature group {str(group.name)[:80]!r} v{str(group.version)[:20]}"
    raise InvalidDeclaration(where, what=what, state="was not declared", next_step=next_step.rstrip(".") + file + ".")


def _check_identity(group: FeatureGroup) -> None:
    if not isinstance(group.version, int) or isinstance(group.version, bool) or group.version < 1:
        _refuse(group, f"The version is {group.version!r}.", "use a whole number from 1 up")
    if not isinstance(group.description, str) or not group.description.strip():
        _refuse(group, "It has no description.", "say in a sentence what a row tells")
    if not group.primary_key:
        _refuse(group, "It has no primary key.", "name the columns that say whom a row is about")
    if group.static == (group.event_time is not None):
        what = "It is static and has an event time." if group.static else "It has no event time and is not static."
        _refuse(group, what, "give event_time=<column>, or static=True for one row per primary key")
    if group.event_time in group.primary_key:
        _refuse(
            group,
            f"The event time {group.event_time!r} is also in the primary key.",
            "leave it out of primary_key: rows are unique by primary key and event time",
        )
    for key, value in group.tags.items():
        if not isinstance(key, str) or not isinstance(value, str):
            _refuse(group, f"The tag {key!r}: {value!r} is not text.", "use text for tags and their values")


def _check_choices(group: FeatureGroup) -> None:
    from feature_groups.store import feature_group as kinds

    for field, allowed in (("policy", kinds.Policy), ("corrections", kinds.Corrections), ("keep", kinds.Duplicates)):
        value = getattr(group, field)
        if not isinstance(value, str) or value not in get_args(allowed):
            hint = did_you_mean(str(value), get_args(allowed))
            _refuse(group, f"{field} is {value!r}. {hint}", f"use one of {', '.join(get_args(allowed))}")
    if not 0 <= group.max_rejected <= 1:
        _refuse(group, f"max_rejected is {group.max_rejected!r}.", "use a share between 0 and 1")
    for field, value in (("resolution", group.resolution), ("ttl", group.ttl), ("freshness", group.freshness)):
        if value is not None and (not isinstance(value, timedelta) or value <= timedelta(0)):
            _refuse(group, f"{field} is {value!r}.", "use a positive timedelta")
    if not isinstance(group.source_delay, timedelta) or group.source_delay < timedelta(0):
        _refuse(group, f"source_delay is {group.source_delay!r}.", "use a timedelta of zero or more")
    if group.event_time is None and (group.ttl or group.resolution or group.source_delay):
        _refuse(group, "ttl, resolution and source_delay count from an event time.", "declare event_time")
    if group.ingested_from and group.corrections == "keep":
        _refuse(
            group,
            "Kept corrections are told apart by the store's own strictly increasing instants.",
            "drop ingested_from, or corrections='keep'",
        )
    if len(group.cluster_by) > MAX_CLUSTER_COLUMNS:
        _refuse(group, f"cluster_by names {len(group.cluster_by)} columns.", f"name up to {MAX_CLUSTER_COLUMNS}")
    for field in ("partition_by", "cluster_by"):
        if len(set(getattr(group, field))) < len(getattr(group, field)):
            _refuse(group, f"{field} names a column more than once.", "name each column once")
    for name, digits in group.decimals.items():
        if not isinstance(digits, int) or isinstance(digits, bool) or not 0 <= digits <= 12:
            _refuse(group, f"decimals[{name!r}] is {digits!r}.", "use 0 to 12 digits after the point")
    if group.cluster_by and group.partition_by:
        _refuse(group, "Files are either partitioned or clustered.", "drop partition_by or cluster_by")


def _check_origin(group: FeatureGroup) -> None:
    if group.source is not None and group.parents:
        _refuse(group, "Rows come from a source or from parents, not both.", "drop source= or parents=")
    made = group.source is not None or bool(group.parents)
    if group.parents and group.transform is None and not group.aggregations:
        _refuse(group, "It has parents but nothing makes rows from them.", "give transform= or aggregations=")
    for field, value in (
        ("transform", group.transform),
        ("spark_transform", group.spark_transform),
        ("derive", group.derive),
    ):
        if value is not None and not made:
            _refuse(group, f"{field} has nothing to work on.", "give source= or parents=")
        if value is not None and not callable(value):
            _refuse(group, f"{field} is a {type(value).__name__}, not a function.", "give a function")
    if group.spark_transform is not None and group.transform is None:
        _refuse(group, "spark_transform says on Spark what transform says, but there is none.", "give transform=, too")
    if group.aggregations and not made:
        _refuse(group, "aggregations have no events to run on.", "give source= or parents=")
    if group.aggregations and group.event_time is None:
        _refuse(group, "aggregations need an event time.", "declare event_time")
    if made and group.contract is None:
        _refuse(group, "It is computed, but has no contract.", "declare contract=, a Pandera class")
    for column, other in group.foreign_key.items():
        if len(other.primary_key) != 1:
            _refuse(
                group,
                f"{column!r} refers to {other}, whose primary key has {len(other.primary_key)} columns.",
                "refer to a group with a primary key of one column",
            )


def _known_columns(group: FeatureGroup, spec: ContractSpec) -> None:
    named: Mapping[str, Iterable[str]] = {
        "primary_key": group.primary_key,
        "event_time": filter(None, [group.event_time]),
        "sequence": filter(None, [group.sequence]),
        "ingested_from": filter(None, [group.ingested_from]),
        "partition_by": group.partition_by,
        "cluster_by": group.cluster_by,
        "foreign_key": group.foreign_key,
        "decimals": () if group.parents else group.decimals,
    }
    for field, columns in named.items():
        for column in columns:
            if column not in spec.by_name:
                _refuse(
                    group,
                    f"{field}: {column!r} is not a column of its contract, which declares {spec.names[:20]}. "
                    + did_you_mean(str(column), spec.names),
                    "add the column to the contract, or name another",
                )


def _check_key_types(group: FeatureGroup, spec: ContractSpec) -> None:
    for column in group.key:
        found = spec.by_name[column]
        if found.nullable:
            _refuse(group, f"The key column {column!r} may be NULL.", "drop nullable=True from it")
        if is_float(found.type) or found.type.startswith(("list<", "binary")):
            _refuse(group, f"The key column {column!r} is {found.type}, which has no exact equality.", "use int or str")
    for field, named in (("event_time", group.event_time), ("ingested_from", group.ingested_from)):
        if named is not None and spec.by_name[named].type != "timestamp":
            _refuse(group, f"{field} {named!r} is {spec.by_name[named].type}.", "annotate it with UtcDatetime")
    if group.ingested_from and spec.by_name[group.ingested_from].nullable:
        _refuse(group, f"ingested_from {group.ingested_from!r} may be NULL.", "drop nullable=True from it")
    if group.sequence and spec.by_name[group.sequence].type.startswith(("list<", "binary")):
        _refuse(group, f"sequence {group.sequence!r} is {spec.by_name[group.sequence].type}.", "use a number or a time")
    for column in (*group.partition_by, *group.cluster_by):
        if is_float(spec.by_name[column].type) or spec.by_name[column].type.startswith(("list<", "binary")):
            _refuse(group, f"Files cannot be laid out by {column!r} ({spec.by_name[column].type}).", "use another")
    if set(group.partition_by) == set(spec.names):
        _refuse(group, "Every column is a partition column.", "leave one out of partition_by")
    for column, other in group.foreign_key.items():
        target = other.spec.by_name[other.primary_key[0]].type if other.spec else None
        if target is not None and target != spec.by_name[column].type:
            _refuse(group, f"{column!r} is {spec.by_name[column].type}, {other}'s key is {target}.", "use one type")


def _check_computed_once(group: FeatureGroup) -> None:
    made = [output for a in group.aggregations for output in a.outputs]
    for column in made:
        if made.count(column) > 1:
            _refuse(group, f"{column!r} is computed twice.", "give one of the aggregations a name= of its own")
        if column in group.key:
            _refuse(group, f"{column!r} is computed, but is a key column.", "rename the output or the key")


def _check_decimals(group: FeatureGroup, column: str | None, needed: bool) -> None:  # noqa: FBT001  # not a flag
    if not needed or column is None or group.transform is not None or len(group.parents) != 1:
        return
    parent = group.parents[0]
    found = parent.spec.by_name.get(column) if parent.spec else None
    if parent.spec and found is None:
        _refuse(
            group, f"{column!r} is not a column of {parent}. {did_you_mean(column, parent.spec.names)}", "correct it"
        )
    if found is not None and is_float(found.type) and column not in group.decimals:
        _refuse(
            group,
            f"{column!r} is a float: its sums would differ between engines and orders.",
            f"declare decimals={{{column!r}: <digits after the point>}}",
        )


def _outputs(group: FeatureGroup, spec: ContractSpec, columns: Iterable[str], types: tuple[str, ...] | None) -> None:
    for column in columns:
        found = spec.by_name.get(column)
        if found is None:
            _refuse(
                group,
                f"It computes {column!r}, which its contract does not declare. {did_you_mean(column, spec.names)}",
                "add the column to the contract",
            )
        if types is not None and found.type not in types:
            _refuse(group, f"It computes {column!r} as {types[0]}, not {found.type}.", f"declare it as {types[0]}")
