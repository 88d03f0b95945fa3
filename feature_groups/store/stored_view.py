"""A feature view in a lake: the verbs a user calls on it."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Any

import polars as pl

from feature_groups.store.errors import InvalidDeclaration, did_you_mean
from feature_groups.store.feature_view import FeatureView
from feature_groups.store.names import ROW
from feature_groups.store.point_in_time import Pin, chosen_engine, pinned
from feature_groups.store.query import Query
from feature_groups.store.reader import AsOf
from feature_groups.store.settings import EngineChoice
from feature_groups.store.spine import conformed_spine, on_engine
from feature_groups.store.split_rule import Split
from feature_groups.store.spool import spools_cleared
from feature_groups.store.training_dataset import TrainingDataset
from feature_groups.store.training_datasets import TrainingDatasets
from feature_groups.store.view_contract import given
from feature_groups.store.view_data import history_data, root_spine, view_data
from feature_groups.store.view_description import ViewDescription, describe_view

if TYPE_CHECKING:
    from feature_groups.store.feature_store import FeatureStore

log = logging.getLogger(__name__)

_SERVED = ("features", "inference_helpers")
Versions = AsOf | Mapping[str, int]
"""An instant, versions by group id, or None for the newest version of each group."""


class StoredFeatureView:
    """One feature view of one lake. Made by `FeatureStore.get_or_create_feature_view`."""

    def __init__(self, store: FeatureStore, view: FeatureView) -> None:
        self._store, self.declaration = store, view
        self._datasets = TrainingDatasets(store, view)

    @property
    def name(self) -> str:
        """The view's name."""
        return self.declaration.name

    @property
    def version(self) -> int:
        """The view's version."""
        return self.declaration.version

    @property
    def contract(self) -> str:
        """sha256 of what it gives, as in the manifests of its datasets; a model trained on it relies on no more."""
        return given(self.declaration)

    def served_versions(self, as_of: Versions = None) -> dict[str, Pin]:
        """The version of every group that scoring reads: of features, inference helpers and histories; by group id."""
        queries = [history.query for history in self.declaration.histories.values()]
        return self._pins([*self._served_queries, *queries], as_of)

    def create_training_dataset(
        self,
        spine: object,
        *,
        split: Split | None = None,
        seed: int = 0,
        as_of: AsOf = None,
        materialize: bool = True,
        engine: EngineChoice | None = None,
    ) -> TrainingDataset:
        """Join features, labels and helpers to a spine, as they were at its instants; number, pin and store the result.

        The same pins, spine, split and seed give the dataset that is there already.

        Args:
            spine: Key columns and instants (aware), with labels and other columns that the view takes from it: Polars
                (eager or lazy), pandas, Arrow or Spark frame, a list of dicts, or the path of Parquet or of a Delta
                table. Rows, their order and further columns are kept.
            split: `HashSplit`, `TimeSplit`, `EntityTimeSplit` or `KFold`; None for one part.
            seed: Of the split.
            as_of: The groups as they were committed at this aware instant; None for their newest versions.
            materialize: Store the rows; else only the spine and what they are made from.
            engine: ``polars``, ``spark``, or ``auto``: by size; says which.

        Raises:
            SchemaMismatch, UnsupportedFrame, EmptyBatch: The spine cannot be joined; says all that is wrong with it.
            SplitRefused: It cannot be split so.
            NothingWritten, NoSuchVersion: A group has no rows, or had none then.
        """
        made = self._datasets.create(spine, split, seed, as_of, engine, materialize=materialize)
        log.info("%s: %s", made.where, made.manifest["engine"])
        return made

    def get_training_dataset(self, number: int) -> TrainingDataset:
        """A training dataset by its number; raises `UnknownTrainingDataset` where there is none."""
        return self._datasets.get(number)

    def training_datasets(self) -> list[TrainingDataset]:
        """Every training dataset of the view, oldest first."""
        return self._datasets.all()

    def rebuild(self, number: int, *, engine: EngineChoice | None = None) -> TrainingDataset:
        """Make a training dataset again from its pins; equal, row for row, or an error. Restores files that are gone.

        Raises:
            DatasetDamaged: What it was made from is gone; says what.
            DatasetDiffers: It does not hold what it held.
        """
        return self._datasets.rebuild(number, engine)

    def get_batch_data(
        self,
        spine: object = None,
        *,
        start: datetime | None = None,
        end: datetime | None = None,
        as_of: Versions = None,
        engine: EngineChoice | None = None,
    ) -> Any:
        """Features and inference helpers for scoring: the same join, on the newest versions or those of `as_of`.

        Args:
            spine: As in `create_training_dataset`, without labels; or None, for the rows of the first feature's group.
            start: Without a spine: event times from here on (aware, inclusive).
            end: Without a spine: event times before it (aware, exclusive).
            as_of: As in `create_training_dataset`; or a version by group id, newest where it names none.
            engine: As there; ``polars`` gives a Polars LazyFrame, ``spark`` a Spark DataFrame with ``__row``.

        Returns:
            The spine's columns, the features and the helpers; on Polars in the spine's order.
        """
        view, store = self.declaration, self._store
        pins = self._pins(self._served_queries, as_of)
        if spine is None:
            spine = self._rows_between(start, end, pins)
        elif start is not None or end is not None:
            raise _either_or(view)
        brought = view.roles["inference_helpers"][1]
        taken = [o.name for role in _SERVED for o in view.outputs(role)] + [t.name for t in view.transforms]
        keys = {left: view.spine_keys[left] for join in view.joins(_SERVED) for left, _ in join.on}
        with spools_cleared() as spools:
            given = conformed_spine(spine, keys, view.event_time, brought, taken, f"spine of {view.where}", store.shop)
            chosen, why = chosen_engine(store, pins, given.rows, engine)
            log.info("%s: scoring data with %s", view.where, why)
            data = view_data(store, view, given, on_engine(given, chosen, store.shop), chosen, _SERVED, pins)
            hidden = [*data.hidden, *([ROW] if chosen.name == "polars" else [])]
            made = data.frame.drop(*hidden).to_native()
            if chosen.name == "spark" or given.rows > store.shop.budget:
                # What was given out reads them when it is computed.
                spools.clear()
        return made

    def get_batch_history(
        self, name: str, spine: object, *, as_of: Versions = None, engine: EngineChoice | None = None
    ) -> Any:
        """The event inputs of a history for scoring: all events strictly before each row's instant.

        Args:
            name: Of the history.
            spine: As in `get_batch_data`.
            as_of: As there.
            engine: As there.

        Returns:
            ``__row`` (the position in the spine, from 0), ``__event`` (from 0 for the oldest) and the events' columns;
            on Polars in that order.

        Raises:
            InvalidDeclaration: The view has no such history.
        """
        view, store = self.declaration, self._store
        if name not in view.histories:
            raise InvalidDeclaration(
                view.where,
                what=f"It has no history {name!r}. {did_you_mean(str(name), list(view.histories))}",
                state="was not read",
                next_step="name one of its histories.",
            )
        history = view.histories[name]
        pins = self._pins([history.query], as_of)
        keys = {left: view.spine_keys[left] for left, _ in history.keys}
        with spools_cleared() as spools:
            given = conformed_spine(spine, keys, view.event_time, (), (), f"spine of {view.where}", store.shop)
            chosen, why = chosen_engine(store, pins, given.rows, engine)
            log.info("%s: history %s with %s", view.where, name, why)
            asked = on_engine(given, chosen, store.shop)
            made = history_data(store, view, history, given, asked, chosen, pins).to_native()
            if chosen.name == "spark" or given.rows > store.shop.budget:
                spools.clear()
        return made

    def get_feature_vector(self, entry: Mapping[str, Any]) -> dict[str, Any]:
        """The features of one entity, by name; at its instant, or at the store's clock where it gives none."""
        return self.get_feature_vectors([entry]).row(0, named=True)

    def get_feature_vectors(self, entries: Sequence[Mapping[str, Any]]) -> pl.DataFrame:
        """The features of several entities, a row each, in their order."""
        view, now = self.declaration, self._store.clock()
        spine = [{view.event_time: now, **entry} for entry in entries]
        made: pl.LazyFrame = self.get_batch_data(spine, engine="polars")
        return made.select(view.feature_names).collect()

    def describe(self) -> ViewDescription:
        """What it is, its columns, groups and datasets; printable, and as HTML with a picture."""
        return describe_view(self.declaration, self.training_datasets())

    @property
    def _served_queries(self) -> list[Query]:
        return [join.query for join in self.declaration.joins(_SERVED)]

    def _pins(self, queries: Sequence[Query], as_of: Versions) -> dict[str, Pin]:
        groups = {group.id: group for query in queries for group in query.groups}
        return pinned(self._store, list(groups.values()), as_of)

    def _rows_between(self, start: datetime | None, end: datetime | None, pins: Mapping[str, Any]) -> pl.LazyFrame:
        view = self.declaration
        for name, bound in (("start", start), ("end", end)):
            if bound is not None and (not isinstance(bound, datetime) or bound.tzinfo is None):
                raise InvalidDeclaration(
                    view.where,
                    what=f"{name} is {bound!r}, which is no instant.",
                    state="was not read",
                    next_step="give an aware datetime, e.g. datetime(2026, 1, 31, tzinfo=UTC).",
                )
        rows: pl.LazyFrame = root_spine(self._store, view, self._store.shop.polars, pins).to_native()
        time = pl.col(view.event_time)
        if start is not None:
            rows = rows.filter(time >= start)
        return rows.filter(time < end) if end is not None else rows

    def __repr__(self) -> str:
        return str(self.describe())

    def _repr_html_(self) -> str:
        return self.describe()._repr_html_()


def _either_or(view: FeatureView) -> InvalidDeclaration:
    return InvalidDeclaration(
        view.where,
        what="A spine was given, and start or end as well.",
        state="was not read",
        next_step="filter the spine, or leave it out.",
    )
