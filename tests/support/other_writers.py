"""Feature groups whose tables another program writes with delta-rs: versions without a JVM."""

from __future__ import annotations

from typing import Any

import pandera.polars as pa
import polars as pl
from deltalake import DeltaTable, write_deltalake

from feature_groups.store import FeatureGroup, FeatureStore


class Contract(pa.DataFrameModel):
    """One row per thing."""

    thing_id: int = pa.Field(description="Number.")
    value: int = pa.Field(description="Anything.")


def things(name: str = "things", **changes: Any) -> FeatureGroup:
    given = {"description": "Things.", "primary_key": ["thing_id"], "static": True, "contract": Contract}
    return FeatureGroup(name=name, version=1, **{**given, **changes})


def write(store: FeatureStore, group: FeatureGroup, *, times: int = 1) -> int:
    """Append a row to the group's table, so many times; returns the newest version."""
    table = store.get_or_create_feature_group(group).table
    for number in range(times):
        write_deltalake(table.path, pl.DataFrame({"thing_id": [number], "value": [number]}).to_arrow(), mode="append")
    return DeltaTable(table.path).version()
