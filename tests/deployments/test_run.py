"""`make run` as its user meets it: a process of its own, in a folder of its own."""

from __future__ import annotations

import json
import logging
import os
import re
import secrets
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path

import httpx
import pytest

from deployments import server
from deployments.command import served
from deployments.progress import progress_shown
from deployments.server import ServerInfo, server_status
from feature_groups.sources.generator import generate
from feature_groups.store.errors import ServerUnavailable

PROJECT = Path(__file__).parents[2]
MODULE = ["-m", "deployments.run"]
EVENTS = 2_000

COUNTING = """
import sys
import feature_groups.store.engines.session as session
from deployments.run import main
start, stop, told = session.start_session, session.stop_session, []
session.start_session = lambda settings: told.append("started") or start(settings)
code = main(sys.argv[1:])
print("JVM:", *told, "left running" if session.session_started() else "not running")
sys.exit(code)
"""
"""Runs the command and says how often Spark was started."""


class Shell:
    """A user in a folder with nothing in it but `.alluvia`."""

    def __init__(self, home: Path) -> None:
        self.home, self.folder = home, home.parent

    def start(self, command: Sequence[str], **environment: str) -> subprocess.Popen[str]:
        kept = {name: value for name, value in os.environ.items() if not name.startswith("PREFECT_")}
        given = {**kept, "ALLUVIA_HOME": str(self.home), "PYTHONPATH": str(PROJECT), **environment}
        return subprocess.Popen([sys.executable, *command], cwd=self.folder, env=given, stdout=-1, stderr=-1, text=True)

    def run(self, command: Sequence[str], **environment: str) -> subprocess.CompletedProcess[str]:
        with self.start(command, **environment) as process:
            out, said = process.communicate(timeout=300)
        return subprocess.CompletedProcess(command, process.returncode, out, said)


@pytest.fixture(scope="module")
def shell(user_home: Path) -> Shell:
    return Shell(user_home)


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("data")
    generate(folder, events=EVENTS, users=60, minors_share=0.15)
    return folder


@pytest.fixture(scope="module")
def interrupted(shell: Shell, data: Path) -> tuple[int, str, list[int]]:
    """A first run that was stopped with Ctrl-C after its first commit: exit code, what it said, its JVMs."""
    with shell.start([*MODULE, "--data", str(data)]) as process:
        assert process.stderr is not None
        said = ""
        while "users.v1: checking and writing" not in said and (line := process.stderr.readline()):
            said += line
        jvms = children(process.pid)
        process.send_signal(signal.SIGINT)
        _, rest = process.communicate(timeout=60)
    return process.returncode, said + rest, jvms


@pytest.fixture(scope="module")
def completed(interrupted: object, shell: Shell, data: Path) -> subprocess.CompletedProcess[str]:
    """The same again, to its end."""
    return shell.run(["-c", COUNTING, "--data", str(data)])


@pytest.fixture(scope="module")
def repeated(completed: subprocess.CompletedProcess[str], shell: Shell, data: Path) -> subprocess.CompletedProcess[str]:
    """And once more, by somebody with another home who has configured the server by its address."""
    started = server_status(shell.home)
    assert started is not None
    given = {"PREFECT_API_URL": started.url, "ALLUVIA_HOME": str(data), "ALLUVIA_LAKE": str(shell.home / "lake")}
    return shell.run(["-c", COUNTING, "--data", str(data), "--select", "ratings, users"], **given)


def children(pid: int) -> list[int]:
    found = subprocess.run(["ps", "-o", "pid=,comm=", "--ppid", str(pid)], capture_output=True, text=True, check=False)
    return [int(line.split()[0]) for line in found.stdout.splitlines() if "java" in line]


def is_running(pid: int) -> bool:
    state = subprocess.run(["ps", "-o", "stat=", "-p", str(pid)], capture_output=True, text=True, check=False).stdout
    return bool(state.strip()) and not state.startswith("Z")


def table(out: str) -> dict[str, list[str]]:
    """The closing table by group; its last column is one text."""
    rows = [line.strip().split(maxsplit=7) for line in out.splitlines() if re.match(r" +\w+_v\d+ +[\d-]+ ", line)]
    return {row[0]: row[1:] for row in rows}


def test_ctrl_c_ends_in_one_line_and_leaves_no_jvm(interrupted: tuple[int, str, list[int]]) -> None:
    code, said, jvms = interrupted

    assert code == 130, said
    assert said.splitlines()[-1] == "Stopped. What was committed stays; run the same again to go on."
    assert "Traceback" not in said
    assert len(jvms) == 1
    assert not any(is_running(pid) for pid in jvms)


def test_the_next_run_goes_on_where_the_first_was_stopped(completed: subprocess.CompletedProcess[str]) -> None:
    assert completed.returncode == 0, completed.stderr
    rows = table(completed.stdout)
    derived = ["movie_stats_v1", "user_activity_v1", "user_history_v1"]
    assert list(rows) == ["movies_v1", "users_v1", "age_labels_v1", "ratings_v1", *derived]
    steps = re.findall(
        r"^ +(age_gate_v1|ranking_v1|rated|router|rankings|branch_\w+|film_vectors|evaluation|release) ",
        completed.stdout,
        re.M,
    )
    branches = ["branch_adults", "branch_minors", "branch_popular"]
    assert steps == [
        "age_gate_v1",
        "ranking_v1",
        "rated",
        "router",
        "rankings",
        *branches,
        "film_vectors",
        "evaluation",
        "release",
    ]
    assert re.search(r"age_gate_v1 +number 1: fold_0 \d+", completed.stdout)
    assert re.search(r"^(Release \w{12} serves|Refused: )", completed.stdout, flags=re.MULTILINE)
    assert "Model card: " in completed.stdout
    assert rows["movies_v1"][-1].startswith("skipped: unchanged since ")
    assert rows["ratings_v1"][:5] == ["1", "2,000", "2,000", "0", "0"]
    assert rows["ratings_v1"][-1] == "run: first run"
    assert "JVM: started not running" in completed.stdout


def test_the_table_has_the_columns_a_person_asks_for(completed: subprocess.CompletedProcess[str]) -> None:
    head = next(line for line in completed.stdout.splitlines() if line.split()[:1] == ["group"])

    assert re.split(r" {2,}", head.strip()) == [
        "group",
        "version",
        "rows",
        "new",
        "changed",
        "rejected",
        "seconds",
        "run or skipped, and why",
    ]


def test_a_run_says_what_to_look_at_next(completed: subprocess.CompletedProcess[str], shell: Shell) -> None:
    started = server_status(shell.home)
    assert started is not None
    for line in (f"Dashboard: {started.ui_url}", f"Lake: {shell.home / 'lake'}", "connect().catalogue()", "make stop"):
        assert line in completed.stdout


def test_a_run_shows_its_phases_and_no_line_of_prefect(completed: subprocess.CompletedProcess[str]) -> None:
    said = completed.stderr

    for line in ("ratings.v1: first run", "2,000 good rows", "ratings.v1: checking and writing 2,000 rows"):
        assert line in said
    assert "ratings_v1: version 1; 2,000 rows received: 2,000 inserted" in said
    assert "Flow run" not in said
    assert "Task run" not in said


def test_a_run_without_changes_starts_no_jvm(repeated: subprocess.CompletedProcess[str]) -> None:
    assert repeated.returncode == 0, repeated.stderr
    rows = table(repeated.stdout)
    assert list(rows) == ["users_v1", "ratings_v1"]
    assert {row[-1][:25] for row in rows.values()} == {"skipped: unchanged since "}
    assert "JVM: not running" in repeated.stdout
    work = re.search(r"([\d.]+) s of work", repeated.stdout)
    assert work is not None
    assert float(work[1]) < 5
    assert repeated.stderr == ""


def test_a_configured_server_is_used_unchanged(
    repeated: subprocess.CompletedProcess[str], shell: Shell, data: Path
) -> None:
    started = server_status(shell.home)
    assert started is not None
    assert f"Dashboard: {started.ui_url}" in repeated.stdout
    assert "make stop" not in repeated.stdout
    assert not (data / "prefect").exists()


def test_nothing_is_left_in_the_current_folder(repeated: object, shell: Shell) -> None:
    assert [path.name for path in shell.folder.iterdir()] == [".alluvia"]
    assert {path.name for path in shell.home.iterdir()} <= {"cache", "lake", "prefect", "run"}
    assert [path.name for path in (shell.home / "run").iterdir() if path.is_dir()] == []
    assert list((shell.home / "lake" / "spool").iterdir()) == []


def test_an_unknown_group_is_one_message(repeated: object, shell: Shell, data: Path) -> None:
    done = shell.run([*MODULE, "--data", str(data), "--select", "rating"])

    assert done.returncode == 1
    assert done.stderr.startswith("S001 no such step: selection 'rating' chose nothing")
    assert "Did you mean 'ratings'?" in done.stderr
    assert "Traceback" not in done.stderr + done.stdout


@pytest.mark.parametrize(
    ("arguments", "environment", "message"),
    [
        (["--data", "nowhere"], {}, "FG501 source missing: data folder 'nowhere' was not read"),
        ([], {"ALLUVIA_ENGINE": "sparc"}, "FG404 invalid settings: setting ALLUVIA_ENGINE was not used"),
        (["--data", "."], {"PREFECT_API_URL": "http://127.0.0.1:9/api"}, "FG405 Prefect server unavailable"),
    ],
)
def test_what_cannot_work_is_told_in_one_message(
    arguments: list[str], environment: dict[str, str], message: str, shell: Shell
) -> None:
    done = shell.run([*MODULE, *arguments], **environment)

    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.startswith(message)
    assert "Traceback" not in done.stderr
    assert "Next: " in done.stderr


def test_a_server_that_is_lost_on_the_way_is_told_with_what_stays(
    shell: Shell, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ALLUVIA_HOME", str(shell.home))
    monkeypatch.delenv("PREFECT_API_URL", raising=False)

    with pytest.raises(ServerUnavailable, match="was lost; what was committed stays"), served():
        raise httpx.ReadError("the connection broke")


def test_stop_ends_the_local_server(tmp_path: Path) -> None:
    shell, marker = Shell(tmp_path / ".alluvia"), f"alluvia-server={secrets.token_hex(8)}"
    (shell.home / "prefect").mkdir(parents=True)
    command = [sys.executable, "-X", marker, "-c", "import time; time.sleep(60)"]
    with subprocess.Popen(command, start_new_session=True) as stand_in:
        own = ServerInfo("", None, True, shell.home / "prefect", pid=stand_in.pid, marker=marker, port=1)
        server._write(own)
        done = shell.run([*MODULE, "--stop"])
        stand_in.wait(10)

    assert (done.returncode, done.stdout) == (0, "The local Prefect server was stopped.\n")
    assert shell.run([*MODULE, "--stop"]).stdout == "No local Prefect server was running.\n"
    assert json.loads((shell.home / "prefect" / "server.json").read_text())["pid"] == 0


def test_a_long_piece_of_work_gives_signs_of_life(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("deployments.progress.SILENCE", 0.2)
    with progress_shown():
        logging.getLogger("feature_groups.somewhere").info("ratings.v1: reading")
        time.sleep(1.2)
    said = capsys.readouterr().err.splitlines()

    assert said[0] == "  ratings.v1: reading"
    assert said[1].startswith("  ratings.v1: reading ... ")
    logging.getLogger("feature_groups.somewhere").info("afterwards")
    assert "afterwards" not in capsys.readouterr().err
