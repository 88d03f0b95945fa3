"""The story of a demo: deliveries go out as events, and what came of each is read from the lake and the server."""

from __future__ import annotations

import itertools
import re
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime, timedelta
from pathlib import Path

from prefect import get_client
from prefect.client.orchestration import SyncPrefectClient
from prefect.client.schemas.actions import DeploymentUpdate
from prefect.client.schemas.objects import FlowRun
from rich.console import Console

from deployments.demo.runs import PIPELINE, RECONCILER, deliver, seconds_by_flow, settled
from deployments.demo.served import Served
from deployments.demo.timeline import Happened, Timeline
from feature_groups.sources.generator_deliveries import deliver as deliver_damaged
from feature_groups.sources.replay import Month, Replay
from feature_groups.store import connect
from models.film_names import NAME
from models.film_reaction import film_reaction
from models.graph_picture import page
from models.lake_graph import lake_graph
from models.lake_map import LakeMap
from models.page import write_page
from models.registry import Registry

SOURCE = "movielens"
COOL_DOWN_DAYS = 40
"""Replayed days between two trainings, at least."""

_CODE = re.compile(r"(FG|M)\d{3} ")
"""How the line of an error begins that says what went wrong."""


class Story:
    """Tells a lake of deliveries, and writes down what came of them.

    Args:
        home: Folder of the demo.
        console: Where progress is shown.
        client: Of the server.
        log: Of the process that serves the deployments.
    """

    def __init__(self, home: Path, console: Console, client: SyncPrefectClient, log: Path) -> None:
        self._home, self._console, self._client, self._log = home, console, client, log
        self.timeline: Timeline = []
        self._switches = self._releases = self._asked = 0

    @classmethod
    @contextmanager
    def begun(cls, home: Path, console: Console, served: Served) -> Iterator[Story]:
        """Once every deployment is served, until the block ends.

        Args:
            home: Folder of the demo.
            console: Where progress is shown.
            served: What serves them.

        Raises:
            ServerUnavailable: They are not served in time.
        """
        with get_client(sync_client=True) as client:
            served.wait(client)
            _for_a_year_in_minutes(client)
            yield cls(home, console, client, served.log)

    def month(self, archive: Replay, month: Month) -> None:
        """Deliver a month, and wait for what comes of it."""
        self._now(month.end)
        archive.deliver(month, self._home / "delivered")
        self._told(month.end, f"{month.new:,} new ratings, {month.rows:,} by now")

    def damaged(self, archive: Replay, month: Month) -> None:
        """Deliver a month's ratings whose times are in milliseconds: the contract must refuse them."""
        self._now(month.end)
        (self._home / "undamaged").mkdir()
        archive.deliver(month, self._home / "undamaged")
        deliver_damaged(self._home / "undamaged", self._home / "delivered" / "ratings.dat", "milliseconds")
        self._told(month.end, f"{month.rows:,} ratings, their times in milliseconds by mistake")

    def addresses(self, dashboard: str) -> Sequence[str]:
        """What there is to open now."""
        lake = self._home / "lake"
        newest = self._registry().champion()
        card = lake / "model_cards" / f"{newest.id[:12]}.html" if newest else None
        reports = sorted((lake / "monitoring").glob("*.html"), key=lambda path: path.stat().st_mtime)
        graph = self._graph()
        return [
            f"Dashboard:      {dashboard}",
            f"Model card:     {card.as_uri() if card and card.exists() else 'none: nothing was released'}",
            f"Drift report:   {reports[-1].as_uri() if reports else 'none: nothing was monitored'}",
            f"Lineage graph:  {graph.as_uri()}",
            f"Look inside:    alluvia groups --lake {lake}",
        ]

    def where_time_went(self, total: float) -> str:
        """How long which flow ran, of so many seconds in all; the rest is processes that start, and events."""
        by_flow = seconds_by_flow(self._client)
        whole = by_flow.pop(PIPELINE, 0.0)
        parts = sum(seconds for name, seconds in by_flow.items() if name != RECONCILER)
        shown = {**by_flow, "the pipeline around them": whole - parts}
        shown["starting processes, events, waiting"] = total - whole - by_flow.get(RECONCILER, 0.0)
        return ", ".join(f"{name} {seconds:.0f} s" for name, seconds in shown.items() if seconds >= 1)

    def _graph(self) -> Path:
        """The lake as a picture."""
        return write_page(self._home / "graph.html", page("The demo's lake", lake_graph(LakeMap(connect()))))

    def _now(self, at: datetime) -> None:
        path = self._home / "now"
        path.with_suffix(".new").write_text(at.isoformat(), encoding="ascii")
        path.with_suffix(".new").replace(path)

    def _told(self, at: datetime, what: str) -> None:
        """Send the event, wait, and write down what came of it."""
        self._console.print(f"[bold]{at:%Y-%m-%d}[/bold]  {what}")
        began = time.monotonic()
        runs = settled(self._client, deliver(self._client, SOURCE), self._log, self._say, self._left)
        pipelines = [run for run in runs if run.name.startswith(PIPELINE)]
        badly = [run for run in pipelines if run.state is not None and not run.state.is_completed()]
        first = pipelines[0] if pipelines else None
        came = "it was refused" if first in badly else _came_of(first)
        self._add(Happened(at, "delivery", what, came, time.monotonic() - began))
        for run in badly:
            champion = self._registry().champion()
            goes_on = f"; champion {champion.id[:12]} goes on answering" if champion else ""
            self._add(Happened(at, "refused", _came_of(run), f"nothing was written{goes_on}"))
        for reasons in self._alarms():
            self._add(Happened(at, "drift", reasons, "a training was asked for"))
        for kind, came, why in self._released():
            self._add(Happened(at, kind, came, why))

    def _left(self) -> str:
        """What the reconciler, as it is deployed, would start a run for; empty when nothing."""
        asked = self._client.read_deployment_by_name(f"{RECONCILER}/alluvia").parameters
        cool_down, new_rows = timedelta(hours=asked["cool_down_hours"]), asked["new_rows_percent"] / 100
        found = film_reaction(connect(), self._home / "delivered", cool_down=cool_down, new_rows=new_rows)
        return found.why if found.run else ""

    def _alarms(self) -> list[str]:
        """Why trainings were asked for since the last look."""
        entries = connect().metadata.entries(f"monitoring/{NAME}/asked")
        fresh, self._asked = entries[self._asked :], len(entries)
        return ["; ".join(entry["reasons"]) for entry in fresh]

    def _released(self) -> list[tuple[str, str, str]]:
        """What candidates came of since the last look: kind, what and why."""
        registry = self._registry()
        switches, releases = registry.switches(), registry.releases()
        fresh, self._switches = switches[self._switches :], len(switches)
        made, self._releases = releases[self._releases :], len(releases)
        promoted = {switch.champion for switch in fresh}
        lines = [("released", f"release {switch.champion or ''!s:.12} serves", switch.reason) for switch in fresh]
        for one in made:
            if one.id not in promoted:
                reasons = registry.get(one.id).verdict.get("reasons", [])
                lines.append(("kept", f"candidate {one.id[:12]} does not serve", "; ".join(map(str, reasons))))
        return lines

    def _registry(self) -> Registry:
        return Registry(connect(), NAME)

    def _add(self, happened: Happened) -> None:
        self.timeline.append(happened)
        if happened.kind != "delivery":
            self._console.print(f"            {happened.kind}: {happened.what}. {happened.why}")

    def _say(self, line: str) -> None:
        self._console.print(f"            {line} ...", style="dim")


def _for_a_year_in_minutes(client: SyncPrefectClient) -> None:
    """Set what anybody can set in the dashboard: fewer trainings, and only the rankers that are quickly tuned."""
    for name, more in (
        (f"{RECONCILER}/alluvia", {"cool_down_hours": COOL_DOWN_DAYS * 24}),
        (f"{PIPELINE}/alluvia", {"parameters": {"rankers": ["ease"]}}),
    ):
        deployment = client.read_deployment_by_name(name)
        client.update_deployment(deployment.id, DeploymentUpdate(parameters=deployment.parameters | more))


def _came_of(run: FlowRun | None) -> str:
    if run is None:
        return "nothing was to be done"
    return in_short((run.state.message if run.state else None) or str(run.state_name))


def in_short(message: str) -> str:
    """Of an error that was caused by another, what that one says, and not what to do; all of any other message."""
    lines = [line.strip() for line in message.splitlines()]
    causes = [number for number, line in enumerate(lines) if _CODE.match(line)]
    told = lines[causes[-1] :] if causes else lines
    return " ".join(itertools.takewhile(lambda line: not line.startswith("Next:"), told))
