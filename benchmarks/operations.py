"""What running things costs: a flow, a task, an event, a run in which nothing is new, from an event to a running flow.

A process worker and `deployments.serve` are asked by five events of different names, so that no trigger waits for its
next window. The local server is one of our own.
"""

from __future__ import annotations

import os
import statistics
import subprocess
import sys
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

from prefect import flow, get_client, task
from prefect.cache_policies import NO_CACHE
from prefect.client.orchestration import SyncPrefectClient
from prefect.client.schemas.objects import FlowRun
from prefect.events import emit_event
from prefect.events.worker import EventsWorker

from benchmarks.lake import scratch_home
from benchmarks.measure import Row, Spent, median, spend
from benchmarks.memory import Watch
from benchmarks.report import main
from deployments.pipeline import Request, run_pipeline
from deployments.register import deploy
from deployments.server import ensure_server, stop_server, use_server
from feature_groups.sources.generator import generate

REPEATS, TASKS, EVENTS = 5, 100, 200
HINTS = ("data.delivered", "model.released", "feature.drifted", "metric.breached", "freshness.missed")
ABOUT = {"data.delivered": "source.files", "freshness.missed": "feature-group.ratings_v1"}
NO_OP, TO_RUNNING = 5.0, 6.0
_MOST = 120.0
_MEGA = 1e6


@task(cache_policy=NO_CACHE, persist_result=False)
def nothing() -> None:
    """Do nothing."""


@flow
def empty() -> None:
    """Do nothing."""


@flow
def many() -> None:
    """Do nothing `TASKS` times."""
    for _ in range(TASKS):
        nothing()


def rows() -> list[Row]:
    """The lines of the table."""
    with scratch_home() as settings:
        os.environ["ALLUVIA_HOME"] = str(settings.home)
        try:
            server = ensure_server(settings.home, own_only=True)
            with use_server(server), get_client(sync_client=True) as client:
                return [*_overheads(), *_pipeline(settings.home), *_triggered(client, settings.home, server.pid)]
        finally:
            stop_server(settings.home)


def _overheads() -> Iterator[Row]:
    flows = median([spend(empty)[0] for _ in range(REPEATS)])
    tasks = median([spend(many)[0] for _ in range(3)])
    events = spend(_emit_many)[0]
    yield _told("an empty flow", flows, f"median of {REPEATS}, the server's share included")
    yield _told("a task that does nothing", _less(tasks, flows, TASKS), f"{TASKS} in a flow, that flow deducted")
    yield _told("an event", _less(events, Spent(0.0, 0.0), EVENTS), f"{EVENTS} sent and taken by the server")


def _emit_many() -> None:
    for number in range(EVENTS):
        emit_event(event="benchmark.noticed", resource={"prefect.resource.id": f"alluvia.benchmark.{number}"})
    EventsWorker.drain_all()


def _pipeline(home: Path) -> Iterator[Row]:
    """Everything on generated data, then again with nothing new; the second is measured in this warm process."""
    data = home / "data"
    generate(data, events=40_000, users=1_000)
    asked = Request(data, home / "lake")
    with Watch() as watch:
        first, ran = spend(lambda: run_pipeline(asked))
    again, idle = spend(lambda: run_pipeline(asked))
    steps = [*(idle.refreshed or []), *(idle.trained.steps if idle.trained else [])]
    idle_steps = bool(steps) and all(step.outcome == "skipped" for step in steps) and not ran.errors
    peaks = f"peak memory {watch.peaks['python'] / _MEGA:.0f} MB, and {watch.peaks['jvm'] / _MEGA:.0f} MB of the JVM"
    yield _told("everything on 40,000 generated ratings, with the server up", first, peaks)
    met = again.wall < NO_OP and idle_steps
    note = "after imports; every step skipped, no JVM"
    yield Row(
        "the same again, nothing new", "", again.cpu, None, again.wall, None, f"< {NO_OP:g} s", met, idle_steps, note
    )


def _triggered(client: SyncPrefectClient, home: Path, server: int) -> Iterator[Row]:
    deploy()
    os.environ["ALLUVIA_LAKE"], os.environ["ALLUVIA_DATA"] = str(home / "lake"), str(home / "data")
    command = [sys.executable, "-m", "deployments.cli.app", "worker"]
    with _process(command, home) as worker:
        waits = _waits(client, lambda: bool(client.read_deployment_by_name("reconcile/alluvia").last_polled))
        memory = _resident(worker)
    found = statistics.median(waits)
    note = (
        f"from the request to the state Running, p50 of {len(waits)}, worst {max(waits):.1f} s; memory of the worker"
        f" {memory:.0f} MB, of the server {_resident(server):.0f} MB"
    )
    met = found < TO_RUNNING
    yield Row(
        "event to running flow, process worker", "", 0.0, None, found, None, f"< {TO_RUNNING:g} s", met, None, note
    )
    served = [sys.executable, "-m", "deployments.serve", "--paused"]
    time.sleep(6)  # the triggers' windows
    begun = datetime.now(UTC)
    with _process(served, home) as process:
        waits = _waits(client, lambda: _polled_since(client, begun))
        memory = _resident(process)
    note = f"likewise, worst {max(waits):.1f} s; the process that serves {memory:.0f} MB"
    yield Row("event to running flow, serve", "", 0.0, None, statistics.median(waits), None, "", None, None, note)


def _waits(client: SyncPrefectClient, ready: Callable[[], bool]) -> list[float]:
    """Seconds from each event to its run's beginning; each is sent when nothing runs any more."""
    _until(ready)
    waits = []
    for name in HINTS:
        waits.append(_wait(client, name))
        _until(lambda: not any(map(_due, client.read_flow_runs(limit=200))))
    return waits


def _due(run: FlowRun) -> bool:
    """Whether it should have ended by now."""
    assert run.state is not None
    return not run.state.is_final() and (run.next_scheduled_start_time or datetime.now(UTC)) <= datetime.now(UTC)


def _wait(client: SyncPrefectClient, name: str) -> float:
    sent, known = datetime.now(UTC), {run.id for run in _reconciled(client)}
    resource = {"prefect.resource.id": f"alluvia.{ABOUT.get(name, 'model.films')}", "prefect.resource.name": "it"}
    resource |= {"alluvia.within": "nothing", "alluvia.blessed": "true"}
    event = {"id": str(uuid.uuid4()), "event": name, "occurred": sent.isoformat(), "resource": resource, "payload": {}}
    client.request("POST", "/events", json=[event])

    def ended() -> list[FlowRun]:
        new = [run for run in _reconciled(client) if run.id not in known and run.state and run.state.is_final()]
        # Not one that the clock started meanwhile.
        return [run for run in new if str(run.parameters["because"]).startswith(name)]

    _until(lambda: bool(ended()))
    (run,) = ended()
    assert run.start_time is not None
    return (run.start_time - sent).total_seconds()


def _reconciled(client: SyncPrefectClient) -> list[FlowRun]:
    return [run for run in client.read_flow_runs(limit=200) if run.name.startswith("reconcile")]


def _polled_since(client: SyncPrefectClient, since: datetime) -> bool:
    polled = client.read_deployment_by_name("reconcile/alluvia").last_polled
    return polled is not None and polled >= since


def _until(holds: Callable[[], bool]) -> None:
    patience = time.monotonic() + _MOST
    while not holds():
        if time.monotonic() > patience:
            raise TimeoutError(f"nothing came within {_MOST:.0f} s")
        time.sleep(0.2)


@contextmanager
def _process(command: list[str], home: Path) -> Iterator[int]:
    with (home / "process.log").open("w") as log, subprocess.Popen(command, stdout=log, stderr=log) as process:
        try:
            yield process.pid
        finally:
            process.terminate()


def _resident(pid: int) -> float:
    """Megabytes of a process."""
    pages = int(Path(f"/proc/{pid}/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / _MEGA


def _less(spent: Spent, base: Spent, count: int) -> Spent:
    return Spent((spent.cpu - base.cpu) / count, (spent.wall - base.wall) / count)


def _told(what: str, spent: Spent, note: str) -> Row:
    return Row(what, "", spent.cpu, None, spent.wall, None, "", None, None, note)


if __name__ == "__main__":
    main(rows)
