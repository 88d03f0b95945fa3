"""A step made again on the versions that an earlier record names, and compared; nothing is written."""

from __future__ import annotations

import html
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import narwhals as nw

from feature_groups.store.batch import checked, conformed
from feature_groups.store.comparison import beside, current
from feature_groups.store.derived import made
from feature_groups.store.engine import Frame
from feature_groups.store.feature_group import FeatureGroup
from feature_groups.store.materialize import in_memory, read_source
from feature_groups.store.plan import plan_upsert
from feature_groups.store.source import file_hash
from feature_groups.store.spool import spools_cleared
from feature_groups.store.step_changes import changes
from feature_groups.store.step_errors import CannotReplay
from feature_groups.store.steps import Steps

if TYPE_CHECKING:
    from feature_groups.store.feature_store import FeatureStore


@dataclass(frozen=True, repr=False)
class Replayed:
    """A step that was made again.

    Attributes:
        step: Its name.
        record: Number of the record whose inputs it was made from, from 1.
        recorded_at: When that was written, as ISO text, UTC.
        inputs: What it was made from: by name the version, or the beginning of the content's hash.
        equal: Whether it is what it was.
        said: The outcome, without a full stop.
        changed: What of code, contract, parameters and lock is other than it was then.
    """

    step: str
    record: int
    recorded_at: str
    inputs: Mapping[str, str]
    equal: bool
    said: str
    changed: tuple[str, ...] = ()

    def __repr__(self) -> str:
        return "\n".join(f"{name:<9} {value}" for name, value in self.facts())

    def _repr_html_(self) -> str:
        rows = "".join(f"<tr><th>{html.escape(n)}</th><td>{html.escape(v)}</td></tr>" for n, v in self.facts())
        return f"<table>{rows}</table>"

    def facts(self) -> list[tuple[str, str]]:
        """What a person reads, as (name, value)."""
        at = self.recorded_at[:16].replace("T", " ")
        told = [
            ("step", f"{self.step}, record {self.record} of {at} UTC"),
            ("read", ", ".join(f"{name} {version}" for name, version in self.inputs.items()) or "nothing"),
            ("outcome", self.said),
        ]
        return [*told, *(("since", line) for line in self.changed)]


def replay_group(
    store: FeatureStore, group: FeatureGroup, data: Path | None = None, number: int | None = None
) -> Replayed:
    """Make a feature group's rows again from the versions of a step record, by the code as it is now, and compare.

    A derived group is compared whole. Rows made from a file are compared with the rows of their keys: other rows of
    the table came from other deliveries.

    Args:
        store: The lake.
        group: A group with a source or parents.
        data: Folder of the raw files; the file must be the one that was read then.
        number: Of the record, from 1; the newest by default.

    Raises:
        CannotReplay: There is no such record, or what it was made from is not there any more.
        NoSuchVersion, TableDamaged: A version that it names was removed by a vacuum.
    """
    chosen, record = recorded(f"feature group step {group.id}", Steps(store).records(group), number)
    inputs = record["inputs"]
    with spools_cleared():
        stored = store.get_or_create_feature_group(group).table
        rows = conformed(in_memory(group, _rows(store, group, inputs, data)), stored.spec, group.where, store.shop)
        foreign = {
            column: _at(store, other, inputs, rows.engine.name).select(nw.col(other.primary_key[0]).alias(column))
            for column, other in group.foreign_key.items()
        }
        batch = checked(rows, stored, foreign)
        output = record["output"]
        _require_table(store, group, output)
        version = store.reader.resolve(stored, output["version"])
        batch = beside(batch, store.writer.states.at(stored, version).rows, store.shop)
        moved = plan_upsert(
            batch.rows.engine,
            batch.rows.frame,
            current(stored, version, batch.rows),
            stored,
            batch_fingerprint=batch.fingerprint,
            count=batch.rows.count,
            overwrite=bool(group.parents),
            spool=store.shop.spool,
        )
    counts = (("more", moved.inserted), ("other", moved.updated), ("fewer", moved.deleted))
    odd = ", ".join(f"{count:,} {kind}" for kind, count in counts if count)
    said = (
        f"differs from version {version}: {odd} rows" if odd else f"equals version {version}: {batch.rows.count:,} rows"
    )
    since = tuple(changes(record, Steps(store).parts(group), inputs))
    return Replayed(group.id, chosen, record["recorded_at"], versions(inputs), not odd, said, since)


def recorded(where: str, records: Sequence[Mapping[str, Any]], number: int | None) -> tuple[int, Mapping[str, Any]]:
    """The number and record asked for, by default the newest.

    Raises:
        CannotReplay: There is none of that number.
    """
    chosen = len(records) if number is None else number
    if not 0 < chosen <= len(records):
        raise cannot(
            where,
            f"It has no record {chosen}; it has 1 to {len(records)}." if records else "It was never done in this lake.",
            "name one of these, or do the step first: alluvia run --select NAME.",
        )
    return chosen, records[chosen - 1]


def versions(inputs: Mapping[str, Any]) -> dict[str, str]:
    """What was read, by name: ``v7``, or the beginning of a content's hash."""
    return {
        name: f"v{found['version']}" if "version" in found else str(found["content"])[:12]
        for name, found in inputs.items()
        if found
    }


def cannot(where: str, what: str, next_step: str) -> CannotReplay:
    """The error of a step that cannot be made again."""
    return CannotReplay(where, what=what, state="was not made again; nothing was written", next_step=next_step)


def _rows(store: FeatureStore, group: FeatureGroup, inputs: Mapping[str, Any], data: Path | None) -> Frame:
    if group.source is not None:
        path, was = group.source.locate(data), inputs[group.source.path]["content"]
        if (now := file_hash(path)) != was:
            raise cannot(
                f"feature group step {group.id}",
                f"{path} is {now[:12]}, not {was[:12]} that it was made from. Raw files have no versions.",
                "give the folder with the file of then: --data FOLDER.",
            )
        raw = read_source(store, group.source, data, None)
        return made(raw.engine, group, [raw.frame])
    tables = [store.get_or_create_feature_group(parent).table for parent in group.parents]
    numbers = [inputs[parent.id]["version"] for parent in group.parents]
    chosen = [store.reader.choose(t, v, None)[0] for t, v in zip(tables, numbers, strict=True)]
    engine = next((one for one in chosen if one.name == "spark"), chosen[0])
    return made(engine, group, [_at(store, parent, inputs, engine.name) for parent in group.parents])


def _at(store: FeatureStore, group: FeatureGroup, inputs: Mapping[str, Any], engine: str) -> Frame:
    """A group's rows at the version that the record names."""
    _require_table(store, group, inputs[group.id])
    table = store.get_or_create_feature_group(group).table
    frame, _, _ = store.reader.read(table, inputs[group.id]["version"], engine, ingested=False)  # type: ignore[arg-type]  # an engine's name
    return frame


def _require_table(store: FeatureStore, group: FeatureGroup, was: Mapping[str, Any]) -> None:
    table = store.get_or_create_feature_group(group).table
    store.reader.resolve(table, None)
    if store.writer.states.at(table).table_id != was["table_id"]:
        raise cannot(
            f"feature group {group.id}",
            f"Its table was made anew; version {was['version']} was of the one before.",
            "restore the folder of that table from a copy.",
        )
