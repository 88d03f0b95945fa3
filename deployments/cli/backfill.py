"""`alluvia backfill`: a derived group's periods that are missing between two instants."""

from __future__ import annotations

from datetime import UTC, datetime
from enum import StrEnum
from typing import Annotated

import typer

from deployments.cli.output import Answer, table
from deployments.cli.verb import Shared

_FORMATS = ["%Y-%m-%d", "%Y-%m-%dT%H:%M:%S"]
_HEAD = ("period", "rows", "new", "changed", "version", "run or skipped, and why")


class By(StrEnum):
    """How long a period is."""

    day = "day"
    month = "month"
    year = "year"


def backfill(
    shared: Shared,
    group: Annotated[str, typer.Argument(help="Name of a group made from other groups.")],
    start: Annotated[datetime, typer.Option("--from", formats=_FORMATS, help="First instant, UTC; inclusive.")],
    end: Annotated[datetime, typer.Option("--to", formats=_FORMATS, help="UTC; exclusive.")],
    by: Annotated[By, typer.Option(help="Length of a period; those that overlap the span are made whole.")] = By.month,
    again: Annotated[bool, typer.Option("--again", help="Make also periods that are there.")] = False,
) -> Answer:
    """Make a derived group's missing periods: one commit and one record each."""
    from deployments.command import served
    from feature_groups.store.backfill import require_span
    from feature_groups.store.connect import load_settings
    from models.film_pipeline import declared_group

    settings = load_settings()
    first, last = (at.replace(tzinfo=UTC) for at in (start, end))
    # What cannot be done is refused before a server is started for it.
    require_span(declared_group(group), first, last, by.value)
    with served():
        from flows.backfill import backfill as flow

        done = flow(group, first, last, by.value, again, shared.lake, settings.engine)
    rows = [
        (
            one.period,
            f"{one.rows:,}",
            f"{one.new:,}",
            f"{one.changed:,}",
            "-" if one.version is None else str(one.version),
            f"{one.outcome}: {one.why}",
        )
        for one in done
    ]
    return Answer(done, [table(f"Backfill of {group}", _HEAD, rows, _HEAD[1:5])])
