"""`alluvia`: one line per verb.

Nothing of the project is imported before a verb is called, so that ``alluvia --help`` answers at once.
"""

from __future__ import annotations

import sys

import typer

from deployments.cli.backfill import backfill
from deployments.cli.deployed import deploy, reconcile, serve, worker
from deployments.cli.groups import groups
from deployments.cli.lineage import graph, lineage
from deployments.cli.plan import plan
from deployments.cli.releases import experiments, promote, releases, rollback
from deployments.cli.replay import replay
from deployments.cli.run import resume, run
from deployments.cli.show import history, show
from deployments.cli.upkeep import doctor, vacuum, verify
from deployments.cli.verb import Verbs, add

app = typer.Typer(
    name="alluvia",
    cls=Verbs,
    no_args_is_help=True,
    pretty_exceptions_enable=False,
)
SEE, CHANGE, CARE = "See what there is", "Say what serves", "Take care of a lake"
WORK = "Bring it up to date"
DEPLOY = "Let schedules and events do it"


@app.callback()
def alluvia() -> None:
    """Feature groups, training datasets and releases of a lake: see them, and bring them up to date."""


add(app, groups, panel=SEE)
add(app, show, panel=SEE)
add(app, history, panel=SEE)
add(app, releases, panel=SEE)
add(app, lineage, panel=SEE)
add(app, graph, panel=SEE)
add(app, experiments, panel=SEE)
add(app, promote, panel=CHANGE)
add(app, rollback, panel=CHANGE)
add(app, vacuum, panel=CARE)
add(app, verify, panel=CARE)
add(app, doctor, panel=CARE)
add(app, plan, panel=WORK)
add(app, run, panel=WORK)
add(app, resume, panel=WORK)
add(app, replay, panel=WORK)
add(app, backfill, panel=WORK)
add(app, deploy, panel=DEPLOY)
add(app, serve, panel=DEPLOY)
add(app, worker, panel=DEPLOY)
add(app, reconcile, panel=DEPLOY)


def main() -> None:
    """Run the command line."""
    sys.exit(app())


if __name__ == "__main__":
    main()
