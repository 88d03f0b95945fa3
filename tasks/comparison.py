"""Show candidates side by side."""

from __future__ import annotations

import polars as pl
from prefect import task
from prefect.artifacts import create_table_artifact
from prefect.cache_policies import NO_CACHE

from tasks.retries import only_transient


@task(
    retries=2,
    retry_delay_seconds=[1, 5],
    retry_condition_fn=only_transient,
    cache_policy=NO_CACHE,
    persist_result=False,
)
def publish_comparison(table: pl.DataFrame) -> None:
    """One row per candidate, as an artifact."""
    rows = [{name: str(value) for name, value in row.items()} for row in table.rows(named=True)]
    create_table_artifact(key="comparison-films", table=rows, description=f"{len(rows)} candidates")
