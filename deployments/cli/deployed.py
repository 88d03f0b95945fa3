"""`alluvia deploy`, `serve`, `worker` and `reconcile`: let schedules and events start the flows."""

from __future__ import annotations

from typing import Annotated

import typer

from deployments.cli.output import Answer
from deployments.cli.plan import Data
from deployments.cli.verb import Shared

Alerts = Annotated[str | None, typer.Option(metavar="TYPE/NAME", help="Notification block that alerts go through.")]
Limit = Annotated[int, typer.Option(min=1, help="Runs at once.")]


def deploy(
    shared: Shared,  # noqa: ARG001  # every verb takes it
    pool: Annotated[str, typer.Option(help="Work pool; one of type process is made when there is none.")] = "alluvia",
    alerts: Alerts = None,
    spark: Annotated[int, typer.Option(min=1, help="Tasks at once that may start Spark, on all workers.")] = 1,
) -> Answer:
    """Register every deployment, trigger and automation on the server in use; once more is the same."""
    from deployments.command import served

    with served() as server:
        from deployments.register import deploy as registered

        made = list(registered(work_pool=pool, alerts=alerts, spark=spark))
        lines = [f"{len(made)} deployments on the work pool {pool}:", *(f"  {name}" for name in made)]
        told = [*lines, f"Start a worker: alluvia worker --pool {pool}", f"Dashboard: {server.ui_url or server.url}"]
    return Answer({"pool": pool, "deployments": made}, ["\n".join(told)])


def serve(
    shared: Shared,
    data: Data = None,
    alerts: Alerts = None,
    limit: Limit = 2,
    paused: Annotated[bool, typer.Option(help="Leave schedules off; events start runs all the same.")] = False,
) -> Answer:
    """Serve every deployment on this machine, without a work pool, until Ctrl-C."""
    from deployments.serve import serve as serving

    serving(data=data, lake=shared.lake, alerts=alerts, limit=limit, paused=paused)
    return Answer({}, [])


def worker(
    shared: Shared,
    pool: Annotated[str, typer.Option(help="Work pool of type process.")] = "alluvia",
    data: Data = None,
    limit: Limit = 2,
) -> Answer:
    """Take runs from a work pool, with this lake and these raw files, until Ctrl-C."""
    from deployments.serve import work

    work(pool, data=data, lake=shared.lake, limit=limit)


def reconcile(
    shared: Shared,
    data: Data = None,
    deployment: Annotated[str, typer.Option(help="Which deployment to start.")] = "pipeline/alluvia",
) -> Answer:
    """Send again the events that were lost, and start the pipeline once for whatever is new."""
    from deployments.command import served
    from deployments.pipeline import raw_files

    with served():
        from flows.reconcile import reconcile as reconciling

        became = reconciling(
            because="the command line", data=raw_files(data, make=False), lake=shared.lake, deployment=deployment
        )
    return Answer({"became": str(became)}, [str(became)])
