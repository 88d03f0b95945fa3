"""Declarations seen by a lake: a numbered log per group and version, compared with what code declares."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields
from datetime import timedelta
from pathlib import Path
from typing import Any

from feature_groups.store.commit_note import author
from feature_groups.store.contract import ContractSpec
from feature_groups.store.errors import DeclarationChanged, InvalidDeclaration, UnknownFeatureGroup, did_you_mean
from feature_groups.store.feature_group import BREAKING, FeatureGroup, declaration_json, differences
from feature_groups.store.metadata import Metadata
from feature_groups.store.rules import ColumnSpec
from feature_groups.store.table import Table


class Declarations:
    """Stores, finds and compares declarations."""

    def __init__(self, metadata: Metadata) -> None:
        self._metadata = metadata

    def reconcile(self, group: FeatureGroup) -> ContractSpec | None:
        """Store a new declaration, or record what may change in a known one; its contract, None while it waits.

        Raises:
            DeclarationChanged: What only a new version may change has changed; shows both.
        """
        stored = self._metadata.last(_log(group.id))
        if stored is None:
            if group.spec is not None:
                self.append(group, group.spec)
            return group.spec
        spec = group.spec or ContractSpec.from_json(stored["contract"])
        declared = declaration_json(group, spec)
        changed = differences({k: v for k, v in stored.items() if k in declared}, declared)
        breaking = {k: v for k, v in changed.items() if k in BREAKING}
        if breaking:
            raise _changed(group, breaking, additive=_is_additive(breaking))
        if changed:
            self.append(group, spec)
        return spec

    def append(self, group: FeatureGroup, spec: ContractSpec) -> None:
        """Store a declaration as the newest of its group."""
        self._metadata.append(_log(group.id), declaration_json(group, spec) | {"declared_by": author()})

    def log(self, group: FeatureGroup) -> list[Mapping[str, Any]]:
        """Every stored declaration of a group, oldest first."""
        return list(self._metadata.entries(_log(group.id)))

    def stored_spec(self, group: FeatureGroup) -> ContractSpec | None:
        """The stored contract of a group, or None."""
        stored = self._metadata.last(_log(group.id))
        return ContractSpec.from_json(stored["contract"]) if stored else None

    def ids(self) -> list[str]:
        """Every ``<name>_v<version>`` in the lake."""
        return sorted({path.split("/")[1] for path in self._metadata.names("groups") if "/declarations/" in path})

    def newest(self, group_id: str) -> Mapping[str, Any] | None:
        """The newest stored declaration of a group."""
        return self._metadata.last(_log(group_id))

    def load(self, name: str, version: int | str) -> tuple[FeatureGroup, ContractSpec]:
        """A group by name and version (or ``latest``), from what the lake has stored.

        Raises:
            UnknownFeatureGroup: There is none; says which there are.
        """
        known: dict[str, list[int]] = {}
        for found in self.ids():
            base, _, number = found.rpartition("_v")
            known.setdefault(base, []).append(int(number))
        where = f"feature group {str(name)[:80]!r} v{version}"
        if name not in known:
            raise UnknownFeatureGroup(
                where,
                what=f"The lake has no group of that name. {did_you_mean(str(name), known)}",
                state="was not opened",
                next_step="see fs.catalogue(), or declare it with get_or_create_feature_group.",
            )
        wanted = max(known[name]) if version == "latest" else version
        if wanted not in known[name]:
            raise UnknownFeatureGroup(
                where,
                what=f"The lake has versions {sorted(known[name])} of it.",
                state="was not opened",
                next_step="name one of them, or version='latest'.",
            )
        stored = self._metadata.last(_log(f"{name}_v{wanted}"))
        assert stored is not None
        return _from_json(stored), ContractSpec.from_json(stored["contract"])

    def from_keywords(self, keywords: Mapping[str, Any]) -> FeatureGroup:
        """A declaration from Hopsworks' keywords.

        Raises:
            InvalidDeclaration: A keyword is unknown or missing.
        """
        known = {f.name for f in fields(FeatureGroup)}
        where = f"feature group {str(keywords.get('name', ''))[:80]!r}"
        for name in keywords:
            if name not in known:
                raise InvalidDeclaration(
                    where,
                    what=f"There is no keyword {name!r}. {did_you_mean(name, known)}",
                    state="was not declared",
                    next_step="correct or drop it.",
                )
        for name in ("name", "version", "primary_key"):
            if name not in keywords:
                raise InvalidDeclaration(
                    where,
                    what=f"The keyword {name!r} is missing.",
                    state="was not declared",
                    next_step=f"add {name}=...",
                )
        given = {"description": f"Rows of {keywords['name']}.", **keywords}
        if "event_time" not in keywords and "static" not in keywords:
            given["static"] = True
        return FeatureGroup(**given)

    def additions(self, group: FeatureGroup) -> tuple[Table, list[ColumnSpec]]:
        """The stored table and the nullable columns that the declaration appends to it.

        Raises:
            DeclarationChanged: The declaration differs in more, or in less, than appended nullable columns.
        """
        stored = self._metadata.last(_log(group.id))
        if stored is None or group.spec is None:
            raise DeclarationChanged(
                group.where,
                what="There is no stored declaration to add columns to, or no contract that has them.",
                state="is unchanged",
                next_step="declare it with get_or_create_feature_group first.",
            )
        declared = declaration_json(group, group.spec)
        breaking = {k: v for k, v in differences(stored, declared).items() if k in BREAKING}
        if not breaking:
            raise DeclarationChanged(
                group.where,
                what="The declaration has no column that the stored one has not.",
                state="is unchanged",
                next_step="append columns to the end of the contract, with nullable=True.",
            )
        if not _is_additive(breaking):
            raise _changed(group, breaking, additive=False)
        before = {c[0] for c in stored["columns"]}
        added = [c for c in group.spec.columns if c.name not in before]
        return Table(group, ContractSpec.from_json(stored["contract"]), Path()), added


def _log(group_id: str) -> str:
    return f"groups/{group_id}/declarations"


def _is_additive(breaking: Mapping[str, tuple[Any, Any]]) -> bool:
    if set(breaking) != {"columns"}:
        return False
    before, after = breaking["columns"]
    return bool(after[: len(before)] == before and all(nullable for _, _, nullable in after[len(before) :]))


def _changed(group: FeatureGroup, breaking: Mapping[str, tuple[Any, Any]], *, additive: bool) -> DeclarationChanged:
    lines = []
    for name, (before, after) in breaking.items():
        if name == "columns":
            old, new = {c[0]: c[1:] for c in before}, {c[0]: c[1:] for c in after}
            lines += [f"- column {c!r} ({_type(old[c])}) is gone" for c in old if c not in new]
            lines += [f"+ column {c!r} ({_type(new[c])}) is new" for c in new if c not in old]
            both = [c for c in old if c in new and old[c] != new[c]]
            lines += [f"~ column {c!r} was {_type(old[c])}, is {_type(new[c])}" for c in both]
            if not lines:
                lines.append("~ the order of the columns changed")
        else:
            lines.append(f"~ {name} was {before!r}, is {after!r}")
    hint = f"call fs.append_features({group}) to add the columns; old rows read NULL."
    return DeclarationChanged(
        group.where,
        what="The declaration differs from the one stored in this lake:\n" + "\n".join(lines),
        state="is unchanged, data and declaration",
        next_step=hint if additive else f"declare it as version {group.version + 1}, beside the old one.",
    )


def _type(column: list[Any]) -> str:
    return f"{column[0]}{', may be NULL' if column[1] else ''}"


def _from_json(stored: Mapping[str, Any]) -> FeatureGroup:
    """A declaration without its code: enough to read, describe and, where no check is lost, to insert."""
    plain = ("name", "version", "description", "primary_key", "event_time", "static", "sequence", "policy")
    more = ("max_rejected", "keep", "corrections", "ingested_from", "partition_by", "cluster_by", "online")
    rest = ("restricted", "owner", "tags", "deprecated", "decimals")
    return FeatureGroup(
        **{name: stored[name] for name in (*plain, *more, *rest)},
        ttl=None if stored["ttl"] is None else timedelta(seconds=stored["ttl"]),
        source_delay=timedelta(seconds=stored["source_delay"]),
        freshness=timedelta(seconds=stored["freshness"]) if stored.get("freshness") else None,
    )
