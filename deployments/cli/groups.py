"""`alluvia groups`: every feature group of the lake."""

from __future__ import annotations

from typing import Annotated

import typer

from deployments.cli.output import Answer, instant, table
from deployments.cli.verb import Shared

_HEAD = ("group", "version", "rows", "committed (UTC)", "owner", "description")


def groups(
    shared: Shared, search: Annotated[str, typer.Argument(help="Words that must occur in name, columns, tags.")] = ""
) -> Answer:
    """Every feature group: versions, rows, when it was committed last."""
    found = shared.store.catalogue(search)
    rows = [
        (
            f"{e.name}_v{e.version}",
            "-" if e.table_version is None else str(e.table_version),
            f"{e.rows:,}",
            instant(e.committed_at),
            e.owner,
            f"{'DEPRECATED: ' + e.deprecated + '. ' if e.deprecated else ''}{e.description}",
        )
        for e in found
    ]
    return Answer(list(found), [table(f"{len(found)} feature groups", _HEAD, rows, ("version", "rows"))])
