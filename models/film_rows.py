"""The rows that the example's cascade is asked about: features and history at pinned versions, of whom, and when."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime

import polars as pl

from feature_groups.store import FeatureGroup, FeatureStore
from feature_groups.store.errors import NothingWritten
from feature_groups.store.names import EVENT, ROW
from feature_groups.store.point_in_time import Pin
from feature_groups.views import age_gate
from models.release import GroupUsed
from models.router import router_rows


def asked_about(users: pl.Series, at: datetime) -> pl.DataFrame:
    """The spine: each user at one instant; columns user_id and asked_at."""
    spine = pl.DataFrame({"user_id": users}, schema={"user_id": pl.Int64})
    return spine.with_columns(pl.lit(at, dtype=pl.Datetime("us", "UTC")).alias("asked_at"))


def film_rows(store: FeatureStore, spine: pl.DataFrame, versions: Mapping[str, int]) -> pl.DataFrame:
    """What router and rankers take, of the feature groups as they were at these versions.

    Args:
        store: The lake.
        spine: ``user_id`` (Int64) and ``asked_at`` (Datetime, µs, UTC); what is at or after it stays unseen.
        versions: Delta version by group id; of a group that it does not name, the newest.

    Returns:
        A row per row of the spine, in its order; of a user without ratings all features are NULL and lists empty.

    Raises:
        NothingWritten, NoSuchVersion, TableDamaged: A version cannot be read.
    """
    view = store.get_or_create_feature_view(age_gate.v1)
    features: pl.LazyFrame = view.get_batch_data(spine, as_of=versions, engine="polars")
    numbered = features.collect().with_row_index(ROW).with_columns(pl.col(ROW).cast(pl.Int64))
    rated: pl.LazyFrame = view.get_batch_history("rated", spine, as_of=versions, engine="polars")
    return router_rows(numbered, rated.drop(EVENT).collect())


def groups_read(store: FeatureStore) -> tuple[GroupUsed, ...]:
    """The newest version of every group that `film_rows` reads, sorted; raises `NothingWritten` where one has none."""
    pins = store.get_or_create_feature_view(age_gate.v1).served_versions()
    return tuple(_used(pin) for _, pin in sorted(pins.items()))


def newest_version(store: FeatureStore, group: FeatureGroup) -> int | None:
    """The newest Delta version of a group, which a batch is written onto; None before the first."""
    try:
        return store.reader.resolve(store.get_or_create_feature_group(group).table, None)
    except NothingWritten:
        return None


def _used(pin: Pin) -> GroupUsed:
    return GroupUsed(pin.group, pin.table_id, pin.version, pin.fingerprint)
