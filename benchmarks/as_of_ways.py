"""The point-in-time join as a user would write it: on the files of our tables, in the spine's order, newest row wins.

Every way takes the tables' folders by group name and a spine (entity_id, event_time), and gives the spine with the
features named ``<group>_f0`` and so on.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

import polars as pl

from benchmarks.feature_lake import FEATURES

if TYPE_CHECKING:
    import pandas as pd

NAMES = [f"f{n}" for n in range(FEATURES)]


def polars_join_asof(tables: Mapping[str, Path], spine: pl.DataFrame, *, sort: bool = True) -> pl.DataFrame:
    """Polars: `scan_delta`, `sort`, `join_asof`, group by group.

    Args:
        tables: Folders.
        spine: Entities and instants.
        sort: As the documentation of `join_asof` asks for; it can be left out, on one's own responsibility, where the
            rows of every entity come by instant.
    """
    joined = spine.lazy().with_row_index("n").sort("event_time")
    for group, folder in tables.items():
        named = [pl.col(name).alias(f"{group}_{name}") for name in NAMES]
        rows = pl.scan_delta(str(folder)).select("entity_id", "event_time", *named)
        joined = joined.join_asof(
            rows.sort("event_time") if sort else rows, on="event_time", by="entity_id", check_sortedness=False
        )
    return joined.sort("n").drop("n").collect()


def duckdb_asof(tables: Mapping[str, Path], spine: pl.DataFrame) -> pl.DataFrame:
    """DuckDB: `ASOF LEFT JOIN` on the live Parquet files; its Delta extension is not on PyPI."""
    import duckdb

    connection = duckdb.connect(config={"threads": 2})
    connection.register("spine", spine.with_row_index("n").to_arrow())
    columns = ["s.entity_id", "s.event_time"]
    joins = []
    for group, folder in tables.items():
        columns += [f"{group}.{name} as {group}_{name}" for name in NAMES]
        joins.append(
            f"asof left join read_parquet({files_of(folder)}) {group}"
            f" on s.entity_id = {group}.entity_id and s.event_time >= {group}.event_time"
        )
    query = f"select {', '.join(columns)} from spine s {' '.join(joins)} order by s.n"
    return connection.sql(query).pl().with_columns(pl.col("event_time").dt.convert_time_zone("UTC"))


def pandas_merge_asof(tables: Mapping[str, Path], spine: pl.DataFrame) -> pl.DataFrame:
    """pandas: `merge_asof` on the live Parquet files, group by group."""
    import pandas as pd

    joined = spine.to_pandas().reset_index(names="n").sort_values("event_time")
    for group, folder in tables.items():
        read = [pd.read_parquet(file, columns=["entity_id", "event_time", *NAMES]) for file in files_of(folder)]
        rows = pd.concat(read).rename(columns={name: f"{group}_{name}" for name in NAMES})
        joined = pd.merge_asof(joined, rows.sort_values("event_time"), on="event_time", by="entity_id")
    return from_pandas(joined.sort_values("n").drop(columns="n"))


def from_pandas(frame: pd.DataFrame) -> pl.DataFrame:
    """A pandas frame in Polars; its NaN is NULL."""
    return pl.from_pandas(frame, nan_to_null=True).with_columns(pl.col("event_time").dt.cast_time_unit("us"))


def files_of(folder: Path) -> list[str]:
    """The live files of a Delta table without deletion vectors."""
    from deltalake import DeltaTable

    return [str(file) for file in DeltaTable(folder).file_uris()]
