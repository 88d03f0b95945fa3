"""What happened to something of a lake, newest first: commits, datasets made, switches of a release."""

from __future__ import annotations

from typing import Any

import polars as pl

from feature_groups.store.errors import NothingWritten
from models.lake_map import LakeMap, Thing

_AT = pl.Datetime("us", "UTC")
_COMMITS: dict[str, pl.DataType] = {
    "version": pl.Int64(),
    "committed_at": _AT,
    "operation": pl.String(),
    "inserted": pl.Int64(),
    "updated": pl.Int64(),
    "deleted": pl.Int64(),
    "rows": pl.Int64(),
    "who": pl.String(),
    "why": pl.String(),
}
_DATASETS: dict[str, pl.DataType] = {
    "dataset": pl.String(),
    "created_at": pl.String(),
    "rows": pl.Int64(),
    "split": pl.String(),
    "who": pl.String(),
}
_SWITCHES: dict[str, pl.DataType] = {
    "switch": pl.Int64(),
    "at": pl.String(),
    "what": pl.String(),
    "champion": pl.String(),
    "challenger": pl.String(),
    "who": pl.String(),
    "why": pl.String(),
}


def history_of(lake: LakeMap, thing: Thing, limit: int | None = None) -> pl.DataFrame:
    """Who did what to it, when and why.

    Args:
        lake: The lake.
        thing: A group, view, dataset or release; all else has no history.
        limit: Only the newest so many.

    Returns:
        Of a group its commits: ``version``, ``committed_at`` (UTC), ``operation``, ``inserted``, ``updated``,
        ``deleted``, ``rows`` (those there then; NULL where the commit does not say), ``who``, ``why``. Of a view or a
        dataset the datasets made: ``dataset``, ``created_at`` (UTC), ``rows``, ``split``, ``who``. Of a release the
        switches of its registry: ``switch``, ``at`` (UTC), ``what``, ``champion``, ``challenger``, ``who``, ``why``.
    """
    match thing.kind:
        case "group":
            return pl.DataFrame(_commits(lake, thing.name, limit), schema=_COMMITS)
        case "view" | "dataset":
            found = [m for name, m in lake.datasets.items() if thing.name in (name, m["view"])]
            return _timed([_made(m) for m in found][::-1][:limit], _DATASETS, "created_at")
        case "release":
            return _timed(_switches(lake, thing.name)[::-1][:limit], _SWITCHES, "at")
    return pl.DataFrame()


def _commits(lake: LakeMap, name: str, limit: int | None) -> list[dict[str, Any]]:
    declared = lake.groups[name]
    try:
        commits = lake.store.get_feature_group(declared["name"], declared["version"]).history(limit)
    except NothingWritten:
        return []
    return [
        {
            **{field: getattr(commit, field) for field in _COMMITS if field != "rows"},
            "rows": (commit.note.get("table") or {}).get("rows"),
        }
        for commit in commits
    ]


def _made(manifest: dict[str, Any]) -> dict[str, Any]:
    return {
        "dataset": f"{manifest['view']}/{manifest['number']}",
        "created_at": manifest["created_at"],
        "rows": sum(part["rows"] for part in manifest["parts"].values()),
        "split": manifest["split_text"],
        "who": manifest["created_by"],
    }


def _switches(lake: LakeMap, release: str) -> list[dict[str, Any]]:
    registry = lake.registries[lake.releases[release].registry]
    return [
        {
            "switch": s.number,
            "at": s.at,
            "what": s.action,
            "champion": s.champion,
            "challenger": s.challenger,
            "who": s.who,
            "why": s.reason,
        }
        for s in registry.switches()
    ]


def _timed(rows: list[dict[str, Any]], schema: dict[str, Any], time: str) -> pl.DataFrame:
    made = pl.DataFrame(rows, schema=schema)
    return made.with_columns(pl.col(time).str.to_datetime(time_unit="us", time_zone="UTC"))
