"""`alluvia groups`: every feature group of the lake."""

from __future__ import annotations

from datetime import timedelta
from typing import Annotated

import typer

from deployments.cli.output import Answer, instant, plain, table
from deployments.cli.verb import Shared

_HEAD = ("group", "version", "rows", "newest event", "committed (UTC)", "fresh", "description")


def groups(
    shared: Shared,
    search: Annotated[str, typer.Argument(help="Words that must occur in name, description, columns, tags.")] = "",
) -> Answer:
    """Every feature group: versions, rows, newest event, last commit, and whether its inputs have moved since."""
    store = shared.store
    found, fresh = list(store.catalogue(search)), store.freshness()
    rows, documents = [], []
    for entry in found:
        name = f"{entry.name}_v{entry.version}"
        event, behind = fresh[name].newest_event, fresh[name].behind
        age = store.clock() - event if event else None
        told = plain(entry) | {"id": name, "newest_event": plain(event), "age_seconds": plain(age), "behind": behind}
        documents.append(plain(told))
        deprecated = f"DEPRECATED: {entry.deprecated}. " if entry.deprecated else ""
        rows.append(
            (
                name,
                "-" if entry.table_version is None else str(entry.table_version),
                f"{entry.rows:,}",
                f"{instant(event)} ({_ago(age)})" if age is not None else "-",
                instant(entry.committed_at),
                f"behind {', '.join(behind)}" if behind else "yes" if entry.committed_at else "empty",
                deprecated + entry.description,
            )
        )
    if not rows:
        return Answer(
            [], [f"No feature group mentions {search!r}." if search else "The lake has no feature group yet."]
        )
    return Answer(documents, [table(f"Feature groups of {store.lake}", _HEAD, rows, ("version", "rows"))])


def _ago(age: timedelta) -> str:
    days = age / timedelta(days=1)
    if days >= 730:
        return f"{days / 365.25:.0f} years ago"
    if days >= 2:
        return f"{days:.0f} days ago"
    return f"{days * 24:.0f} hours ago" if days * 24 >= 2 else f"{max(days * 1440, 0):.0f} minutes ago"
