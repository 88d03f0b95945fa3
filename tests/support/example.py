"""Raw rows of the worked example, and what becomes of them without a lake."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import narwhals as nw
import polars as pl

from feature_groups.store import FeatureGroup, FeatureStore
from feature_groups.store.batch import Batch, checked, conformed
from feature_groups.store.table import Table
from feature_groups.store.transforms import transformed


def made(group: FeatureGroup, raw: pl.DataFrame, store: FeatureStore, engine: str = "polars") -> pl.DataFrame:
    """What the group's transform makes of raw rows on an engine, in the order of its first column."""
    rows: Any = nw.from_native(raw.lazy())
    if engine == "spark":
        folder = str(store.shop.spool())
        store.shop.polars.write_files(rows, folder)
        rows = store.shop.spark().files(folder)
    frame = transformed(group, rows)
    chosen = store.shop.spark() if engine == "spark" else store.shop.polars
    return chosen.collect(frame)


def batch(group: FeatureGroup, rows: pl.DataFrame, store: FeatureStore, **known: Sequence[int]) -> Batch:
    """Rows checked as an insert checks them, against these keys of the groups they refer to."""
    assert group.spec is not None
    keys: Mapping[str, Any] = {
        column: nw.from_native(pl.LazyFrame({column: known[column]}, schema={column: pl.Int64()}))
        for column in group.foreign_key
    }
    conforming = conformed(rows, group.spec, group.where, store.shop)
    return checked(conforming, Table(group, group.spec, Path()), keys)
