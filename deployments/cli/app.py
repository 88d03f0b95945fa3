"""`alluvia`: one line per verb.

Nothing of the project is imported before a verb is called, so that ``alluvia --help`` answers at once.
"""

from __future__ import annotations

import sys

import typer

from deployments.cli.groups import groups
from deployments.cli.verb import Verbs, add

app = typer.Typer(
    name="alluvia",
    cls=Verbs,
    no_args_is_help=True,
    pretty_exceptions_enable=False,
)
SEE = "See what there is"


@app.callback()
def alluvia() -> None:
    """Feature groups, training datasets and releases of a lake: see them, and bring them up to date."""


add(app, groups, panel=SEE)


def main() -> None:
    """Run the command line."""
    sys.exit(app())


if __name__ == "__main__":
    main()
