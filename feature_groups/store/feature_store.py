"""The feature store: a list of verbs, each of which delegates."""

from __future__ import annotations

import html
from collections.abc import Collection, Mapping
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any, overload

from feature_groups.store.batch import Workshop
from feature_groups.store.catalogue import Catalogue, catalogue
from feature_groups.store.clock import Clock
from feature_groups.store.contract import ContractSpec
from feature_groups.store.declarations import Declarations
from feature_groups.store.feature_group import FeatureGroup
from feature_groups.store.feature_view import FeatureView
from feature_groups.store.freshness import Freshness, freshness
from feature_groups.store.metadata import Metadata
from feature_groups.store.query import Query
from feature_groups.store.reader import AsOf, Reader
from feature_groups.store.settings import EngineChoice
from feature_groups.store.stored_group import StoredFeatureGroup
from feature_groups.store.stored_view import StoredFeatureView
from feature_groups.store.vacuum import RETAIN, vacuum
from feature_groups.store.vacuum_report import VacuumReport
from feature_groups.store.verify import Verified, verified
from feature_groups.store.views import get_or_create_view, read_query
from feature_groups.store.writer import Writer


class FeatureStore:
    """The feature groups of one lake. Made by `connect`."""

    def __init__(
        self, lake: Path, metadata: Metadata, reader: Reader, writer: Writer, shop: Workshop, clock: Clock
    ) -> None:
        self.lake, self.metadata, self.reader, self.writer = lake, metadata, reader, writer
        self.shop, self.clock = shop, clock
        self._declarations = Declarations(metadata)

    @overload
    def get_or_create_feature_group(self, group: FeatureGroup) -> StoredFeatureGroup: ...
    @overload
    def get_or_create_feature_group(self, **keywords: Any) -> StoredFeatureGroup: ...
    def get_or_create_feature_group(self, group: FeatureGroup | None = None, **keywords: Any) -> StoredFeatureGroup:
        """The feature group in this lake, declared there if it is new.

        Args:
            group: A declaration.
            **keywords: In its place, Hopsworks' keywords: name, version, description, primary_key, event_time, ...
                Without contract= one is inferred from the first frame.

        Raises:
            InvalidDeclaration: The keywords make no valid declaration.
            DeclarationChanged: It differs from the stored one in keys, types, aggregations or partitioning.
        """
        declared = group if group is not None else self._declarations.from_keywords(keywords)
        spec = self._declarations.reconcile(declared)
        return StoredFeatureGroup(self, declared, spec)

    def get_feature_group(self, name: str, version: int | str) -> StoredFeatureGroup:
        """A feature group by name and version; ``version="latest"`` asks for the newest.

        Raises:
            UnknownFeatureGroup: There is none; says which there are.
        """
        declared, spec = self._declarations.load(name, version)
        return StoredFeatureGroup(self, declared, spec)

    def get_or_create_feature_view(self, view: FeatureView) -> StoredFeatureView:
        """The feature view in this lake, declared there if it is new.

        Raises:
            DeclarationChanged: It differs from the stored one in what it gives.
        """
        return get_or_create_view(self, view)

    def read(self, query: Query, as_of: AsOf = None, *, engine: EngineChoice | None = None) -> Any:
        """The rows of a query: those of its first group, with what the joined groups said at their event times.

        Args:
            query: Columns, joins and filters.
            as_of: The groups as they were committed at an aware instant; None for their newest versions.
            engine: ``polars`` gives a Polars LazyFrame, ``spark`` a Spark DataFrame, ``auto`` chooses by size.
        """
        return read_query(self, query, as_of, engine)

    def append_features(self, group: FeatureGroup, *, reason: str = "") -> StoredFeatureGroup:
        """Add the nullable columns that the declaration has and the stored one has not; old rows read NULL.

        Raises:
            DeclarationChanged: The declaration differs in more than that.
        """
        stored, added = self._declarations.additions(group)
        table = replace(stored, lake=self.lake)
        self.writer.migrate(table, [(c.name, c.spark, c.description) for c in added], reason or "append features")
        assert group.spec is not None
        self._declarations.append(group, group.spec)
        return StoredFeatureGroup(self, group, group.spec)

    def catalogue(self, search: str = "") -> Catalogue:
        """Every feature group and version of the lake, or those in which every word of `search` occurs."""
        return catalogue(self, self._declarations, search)

    def vacuum(
        self, *, retain: timedelta = RETAIN, group: FeatureGroup | None = None, dry_run: bool = False
    ) -> VacuumReport:
        """Remove the files that only versions need which nobody pins and which are older than the history to keep.

        Removed files do not come back; a reader that still holds a lazy frame of such a version fails. See first with
        ``dry_run=True``.

        Args:
            retain: Every version that was the newest one at some time in this last span stays readable, its changes
                too; 0 keeps the newest and the pinned versions only.
            group: Only this one, instead of every group of the lake.
            dry_run: Remove nothing, only report what would go.

        Raises:
            InvalidSettings: `retain` is negative or no timedelta.
            UnknownFeatureGroup: The lake has no such group.
            TableBusy, TableDamaged, WriteFailed: A group could not be vacuumed; raised after the others were.
        """
        return vacuum(self, self._declarations, retain, group, dry_run=dry_run)

    def verify(self, names: Collection[str] | None = None) -> list[Verified]:
        """Compare what is stored with what was said when it was written: bit rot, missing files, other content.

        Reads every file; writes nothing.

        Args:
            names: Ids of feature groups (``<name>_v<version>``) and training datasets (``<view>/<number>``); all by
                default.
        """
        return verified(self, self._declarations, names)

    def freshness(self) -> dict[str, Freshness]:
        """Per feature group its newest event, and what it is made from that has moved since."""
        return freshness(self, self._declarations)

    def declarations(self) -> dict[str, Mapping[str, Any]]:
        """The newest stored declaration of every feature group, as JSON, by id."""
        return {name: found for name in self._declarations.ids() if (found := self._declarations.newest(name))}

    def declare(self, group: FeatureGroup, spec: ContractSpec) -> ContractSpec:
        """Store the declaration of a group whose contract was inferred; the stored contract if there is one."""
        stored = self._declarations.stored_spec(group)
        if stored is not None:
            return stored
        self._declarations.append(group, spec)
        return spec

    def group_ids(self) -> list[str]:
        """``<name>_v<version>`` of every feature group of the lake."""
        return self._declarations.ids()

    def __repr__(self) -> str:
        return f"feature store of {self.lake}\n{self.catalogue()}"

    def _repr_html_(self) -> str:
        return f"<p>feature store of {html.escape(str(self.lake))}</p>{self.catalogue()._repr_html_()}"

    def declaration_log(self, group: FeatureGroup) -> list[Mapping[str, Any]]:
        """Every declaration of a group that was ever stored, oldest first."""
        return self._declarations.log(group)
