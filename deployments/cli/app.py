"""`alluvia`: one line per verb.

Nothing of the project is imported before a verb is called, so that ``alluvia --help`` answers at once.
"""

from __future__ import annotations

import sys

import typer

from deployments.cli.backfill import backfill
from deployments.cli.groups import groups
from deployments.cli.plan import plan
from deployments.cli.replay import replay
from deployments.cli.run import resume, run
from deployments.cli.verb import Verbs, add

app = typer.Typer(
    name="alluvia",
    cls=Verbs,
    no_args_is_help=True,
    pretty_exceptions_enable=False,
)
SEE = "See what there is"
WORK = "Bring it up to date"


@app.callback()
def alluvia() -> None:
    """Feature groups, training datasets and releases of a lake: see them, and bring them up to date."""


add(app, groups, panel=SEE)
add(app, plan, panel=WORK)
add(app, run, panel=WORK)
add(app, resume, panel=WORK)
add(app, replay, panel=WORK)
add(app, backfill, panel=WORK)


def main() -> None:
    """Run the command line."""
    sys.exit(app())


if __name__ == "__main__":
    main()
