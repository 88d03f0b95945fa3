"""`alluvia replay`: one step again, on the versions that an earlier run recorded."""

from __future__ import annotations

from typing import Annotated

import typer

from deployments.cli.output import Answer
from deployments.cli.plan import Data
from deployments.cli.verb import Shared


def replay(
    shared: Shared,
    step: Annotated[str, typer.Argument(help="Name of a step, see `alluvia plan`.")],
    record: Annotated[int | None, typer.Option(help="Which record of it, from 1; by default the newest.")] = None,
    data: Data = None,
) -> Answer:
    """Make a step again from the versions it read then, and say whether it is what it was. Writes nothing.

    Exit code 0 when it is equal, 1 when it differs.
    """
    from rich.text import Text

    from deployments.pipeline import raw_files
    from feature_groups.store import connect
    from models.film_replay import replay as replayed

    made = replayed(connect(shared.lake, look_only=True), step, data=raw_files(data, make=False), record=record)
    return Answer(made, [Text(repr(made))], 0 if made.equal else 1)
