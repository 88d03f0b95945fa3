"""Show candidates side by side."""

from __future__ import annotations

import polars as pl
from prefect.artifacts import create_table_artifact

from tasks.retries import retried


@retried("compare candidates")
def publish_comparison(table: pl.DataFrame) -> None:
    """One row per candidate, as an artifact."""
    rows = [{name: str(value) for name, value in row.items()} for row in table.rows(named=True)]
    create_table_artifact(key="comparison-films", table=rows, description=f"{len(rows)} candidates")
