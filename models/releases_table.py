"""Every release of a lake as one table: when, by whom, from what, how good, and whether it serves."""

from __future__ import annotations

import polars as pl

from models.lake_map import LakeMap


def releases_table(lake: LakeMap) -> pl.DataFrame:
    """One row per release, oldest first within its registry.

    Returns:
        ``registry``, ``release`` (the id), ``role`` (``champion``, ``challenger`` or empty), ``blessed`` (Boolean),
        ``reasons`` (text: why it was refused), ``released_at`` (Datetime, UTC), ``who``, ``parent`` (id or NULL),
        ``datasets`` (text: ``<view>/<number>, ...``), and every figure that any of them has (Float64, NULL where it was
        not measured). No rows and no columns where nothing was released.
    """
    rows = [
        {
            "registry": it.registry,
            "release": name,
            "role": it.role,
            "blessed": it.release.blessed,
            "reasons": "; ".join(it.release.verdict.get("reasons", ())),
            "released_at": it.recorded.at,
            "who": it.recorded.who,
            "parent": it.release.parent,
            "datasets": ", ".join(f"{d.view}/{d.number}" for d in it.release.datasets),
        }
        for name, it in lake.releases.items()
    ]
    if not rows:
        return pl.DataFrame()
    figures = sorted({figure for it in lake.releases.values() for figure in it.release.metrics})
    measured = {
        figure: pl.Series([it.release.metrics.get(figure) for it in lake.releases.values()], dtype=pl.Float64)
        for figure in figures
    }
    made = pl.DataFrame(rows, schema_overrides={"parent": pl.String}, infer_schema_length=None).with_columns(**measured)
    return made.with_columns(pl.col("released_at").str.to_datetime(time_unit="us", time_zone="UTC"))
