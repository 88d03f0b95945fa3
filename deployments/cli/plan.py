"""`alluvia plan`: what a run would do, and why, without doing it."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from deployments.cli.output import Answer
from deployments.cli.verb import Shared

if TYPE_CHECKING:
    from rich.table import Table

    from feature_groups.store.step_plan import Plan

Select = Annotated[str, typer.Option(help='Steps: names, "+name", "name+", "tag:word", patterns with *; several.')]
Exclude = Annotated[str, typer.Option(help="Steps to leave out, likewise.")]
Data = Annotated[
    Path | None, typer.Option(help="Folder with ratings.dat, users.dat and movies.dat; else generated ones.")
]

_STYLES = {"run": "green", "skip": "dim", "depends": "yellow", "fails": "bold red", "blocked": "red"}


def plan(shared: Shared, select: Select = "", exclude: Exclude = "", data: Data = None) -> Answer:
    """What a run would do: each step run, skip or depends, and why. Writes nothing, starts nothing."""
    from deployments.pipeline import raw_files
    from feature_groups.store import connect
    from models.film_pipeline import plan as planned

    store = connect(shared.lake, look_only=True)
    made = planned(store, raw_files(data, make=False), wanted=select, unwanted=exclude)
    return Answer({"title": made.title, "steps": list(made)}, [_table(made)])


def _table(made: Plan) -> Table:
    from rich.box import SIMPLE
    from rich.table import Table

    table = Table(title=made.title, title_justify="left", box=SIMPLE, collapse_padding=True)
    for name in ("step", "kind", "outcome"):
        table.add_column(name, no_wrap=True)
    table.add_column("why", min_width=30, overflow="fold")
    for step in made:
        table.add_row(step.name, step.kind, step.outcome, step.why, style=_STYLES[step.outcome])
    return table
