from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from prefect.client.schemas.filters import FlowRunFilter
from prefect.client.schemas.objects import Flow, FlowRun

from deployments.demo.app import main
from deployments.demo.runs import nothing_left, settled
from deployments.demo.story import in_short
from deployments.demo.timeline import Happened, timeline_table
from feature_groups.sources.generator import generate

NOW = datetime(2026, 1, 1, tzinfo=UTC)


def processes(word: str) -> list[str]:
    """The command lines that hold a word."""
    found = []
    for folder in Path("/proc").iterdir():
        if folder.name.isdigit():
            try:
                command = (folder / "environ").read_bytes() + (folder / "cmdline").read_bytes()
            except OSError:
                continue
            if word.encode() in command and folder.name != str(os.getpid()):
                found.append(folder.name)
    return found


def test_what_happened_is_a_line_each_with_its_reason() -> None:
    table = timeline_table(
        [Happened(datetime(2002, 2, 1, tzinfo=UTC), "refused", "FG102", "nothing was written", 12.4)]
    )

    assert [list(column.cells) for column in table.columns] == [
        ["2002-02-01"],
        ["refused"],
        ["FG102"],
        ["nothing was written"],
        ["12"],
    ]


@pytest.mark.parametrize("asked", [["--data", "nowhere"], ["--months", "0"], ["--data", "cut"]])
def test_a_demo_that_cannot_begin_leaves_the_last_one_as_it_is(
    asked: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("ALLUVIA_HOME", str(tmp_path / "home"))
    generate(tmp_path / "cut", events=200, users=20)
    (tmp_path / "cut" / "ratings.dat").write_bytes(b"1::1::5::1011280002\n1::1")
    kept = tmp_path / "home" / "demo" / "graph.html"
    kept.parent.mkdir(parents=True)
    kept.write_text("the last demo")

    assert main([*asked, "--exit"]) == 1
    assert "Next:" in capsys.readouterr().err
    assert kept.read_text() == "the last demo"


def test_of_an_error_the_cause_is_told_and_not_what_to_do() -> None:
    failed = (
        "Flow run encountered an exception: StepFailed: FG601 step failed: step x failed.\n"
        "  FG102 contract violated: it was not used.\n    2 of 2 rows are bad:\n    Next: correct it.\n  Next: run it."
    )

    assert in_short(failed) == "FG102 contract violated: it was not used. 2 of 2 rows are bad:"
    assert in_short("did users_v1") == "did users_v1"


def reconciler_and_pipeline(state: str, begun: int) -> list[FlowRun]:
    """The pipeline from second 0 to 10, and a reconciler that begins at some second."""
    at = [NOW + timedelta(seconds=second) for second in (0, 10, begun, begun + 1)]
    pipeline = FlowRun(flow_id=uuid4(), name="pipeline", start_time=at[0], end_time=at[1])
    last = FlowRun(flow_id=uuid4(), name="reconcile after it", start_time=at[2], end_time=at[3], state_name=state)
    return [pipeline, last]


def test_all_is_done_when_a_reconciler_found_nothing_after_all_the_others() -> None:
    assert nothing_left(reconciler_and_pipeline("Skipped", 12))
    assert not nothing_left(reconciler_and_pipeline("Completed", 12)), "it started another run"
    assert not nothing_left(reconciler_and_pipeline("Skipped", 5)), "the pipeline was still at work"
    assert not nothing_left(reconciler_and_pipeline("Skipped", 12)[:1]), "nobody has looked yet"


class Server:
    """Knows a pipeline, started just after the first look at what is active and ended at the second; and the
    reconciler after it, ended at the fourth."""

    def __init__(self) -> None:
        self.looks = 0
        self.flows = [Flow(id=uuid4(), name=name) for name in ("pipeline", "reconcile")]

    def read_flows(self) -> list[Flow]:
        return self.flows

    def read_flow_runs(self, flow_run_filter: FlowRunFilter) -> list[FlowRun]:
        pipeline, last = reconciler_and_pipeline("Skipped", 12)
        pipeline.flow_id, last.flow_id = (flow.id for flow in self.flows)
        if flow_run_filter.state is None:
            pipeline.end_time = pipeline.end_time if self.looks > 1 else None
            return [pipeline] if self.looks < 4 else [pipeline, last]
        self.looks += 1
        last.start_time, last.name, last.state_name = None, "quirky-sunfish", "Scheduled"
        return [last] if self.looks < 4 else []


@pytest.mark.parametrize(("left", "looks", "runs"), [("", 2, 1), ("drift", 4, 2)])
def test_the_last_reconciler_is_waited_for_only_where_the_lake_says_that_there_is_something_left(
    left: str, looks: int, runs: int, tmp_path: Path
) -> None:
    server, told, asked = Server(), [], []
    client: Any = server

    def ask() -> str:
        asked.append("once")
        return left

    ended = settled(client, NOW, tmp_path / "log", told.append, ask)

    assert (server.looks, len(ended), asked) == (looks, runs, ["once"])
    # Not by the random name that it has until it begins.
    assert told == ["reconcile (Scheduled)", *(["still to do: drift"] if left else [])]


def test_a_demo_that_is_killed_leaves_no_deployments_served(tmp_path: Path) -> None:
    served = (
        "import os, pathlib, time\n"
        "from deployments.demo.served import deployments_served\n"
        f"with deployments_served(pathlib.Path({str(tmp_path)!r})) as served:\n"
        "    time.sleep(1)\n"
        "    print('at work' if served._child.poll() is None else 'ended by itself', flush=True)\n"
        "    os.kill(os.getpid(), 9)\n"
    )
    environment = {**os.environ, "DO_NOT_TRACK": "1"}
    done = subprocess.run(
        [sys.executable, "-c", served], env=environment, capture_output=True, text=True, timeout=60, check=False
    )
    deadline = time.monotonic() + 20
    while (left := processes(str(tmp_path))) and time.monotonic() < deadline:
        time.sleep(0.2)

    assert (done.stdout, done.returncode) == ("at work\n", -signal.SIGKILL), done.stderr
    assert left == []


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_a_demo_ends_with_its_table_and_leaves_no_process_behind(user_home: Path, tmp_path: Path) -> None:
    home = tmp_path / "home"
    home.mkdir()
    (home / "cache").symlink_to((user_home / "cache").resolve())
    command = [sys.executable, "-m", "deployments.demo.app", "--exit", "--months", "2"]
    done = subprocess.run(
        command, env={**os.environ, "ALLUVIA_HOME": str(home)}, capture_output=True, text=True, check=False
    )

    assert done.returncode == 0, done.stdout + done.stderr
    for told in ("What happened, and why", "2002-02-01", "2002-03-01", "Model card:", "Lineage graph:", "2 months"):
        assert told in done.stdout
    assert processes(str(home)) == []
