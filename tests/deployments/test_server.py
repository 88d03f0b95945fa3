from __future__ import annotations

import http.client
import json
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import replace
from functools import partial
from pathlib import Path

import pytest
from prefect import flow, get_client, task
from prefect.cache_policies import NO_CACHE
from prefect.events.worker import EventsWorker
from prefect.settings import PREFECT_API_URL, PREFECT_FLOWS_HEARTBEAT_FREQUENCY, PREFECT_HOME, temporary_settings
from prefect.settings import get_current_settings as current

from deployments import server
from deployments.server import ServerInfo, ensure_server, server_status, stop_server, use_server
from feature_groups.store.errors import ServerUnavailable
from local_server import gone

CALLER = "import sys, pathlib, deployments.server as s; print(s.ensure_server(pathlib.Path(sys.argv[1])).pid)"

STUB = """#!{python}
import http.server, json, os, sys
class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200)
        self.end_headers()
        self.wfile.write(json.dumps({{"home": os.environ["PREFECT_HOME"]}}).encode())
    def log_message(self, *args): pass
{before}
http.server.ThreadingHTTPServer(("127.0.0.1", int(sys.argv[-1])), Handler).serve_forever()
"""


@pytest.fixture(autouse=True)
def unconfigured(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """No server of the developer's own gets in the way."""
    monkeypatch.delenv("PREFECT_API_URL", raising=False)
    with temporary_settings(restore_defaults={PREFECT_API_URL}):
        yield


@pytest.fixture(scope="module")
def real_home(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A home whose server two processes asked for at once, and outlived both."""
    home = tmp_path_factory.mktemp("real")
    environment = {name: value for name, value in os.environ.items() if not name.startswith("PREFECT_")}
    environment["PREFECT_HOME"] = str(tmp_path_factory.mktemp("profiles"))
    caller = partial(subprocess.run, env=environment, capture_output=True, text=True, check=True)
    try:
        with ThreadPoolExecutor(2) as pool:
            racers = list(pool.map(caller, [[sys.executable, "-c", CALLER, str(home)]] * 2))
        assert {int(racer.stdout) for racer in racers} == {server._read(home).pid}
        assert sum("Starting the local Prefect server" in racer.stderr for racer in racers) == 1
        yield home
    finally:
        stop_server(home)


@pytest.fixture
def stub(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[..., Path]]:
    """Replaces Prefect by a server which starts at once; gives homes."""
    python = sys.executable

    def make(name: str = "home", before: str = "") -> Path:
        script = tmp_path / "stub.py"
        script.write_text(STUB.format(python=python, before=before))
        script.chmod(0o700)
        monkeypatch.setattr(sys, "executable", str(script))
        return tmp_path / name

    yield make
    for home in tmp_path.iterdir():
        stop_server(home)


def get(info: ServerInfo, path: str, method: str = "GET", **headers: str) -> tuple[int, bytes]:
    with closing(http.client.HTTPConnection(server.HOST, info.port, timeout=10)) as api:
        api.request(method, path, headers={name.replace("_", "-"): value for name, value in headers.items()})
        response = api.getresponse()
        return response.status, response.read()


def test_reuse_is_immediate_and_the_same_server(real_home: Path) -> None:
    first = ensure_server(real_home)
    assert first == ensure_server(real_home) == server_status(real_home)
    assert first.url == f"http://127.0.0.1:{first.port}/api"
    assert get(first, "/")[0] == 200  # The UI.
    assert os.getpgid(first.pid) == first.pid != os.getpgid(0)


def test_answers_nobody_but_its_own_user_interface(real_home: Path) -> None:
    info = ensure_server(real_home)
    settings = json.loads(get(info, "/api/admin/settings")[1])
    assert settings["server"]["analytics_enabled"] is False
    assert settings["server"]["ui"]["show_promotional_content"] is False
    for origin, answer in (("http://evil.example", 400), (f"http://127.0.0.1:{info.port}", 200)):
        preflight = {"Origin": origin, "Access_Control_Request_Method": "POST"}
        assert get(info, "/api/flows/", "OPTIONS", **preflight)[0] == answer
    # A POST without content type needs no preflight; the CSRF token stops it.
    assert get(info, "/api/flows/filter", "POST")[0] == 403


@pytest.mark.skipif(not Path("/proc/net/tcp").exists(), reason="needs /proc/net")
def test_listens_on_loopback_only(real_home: Path) -> None:
    info = ensure_server(real_home)
    rows = [row.split() for file in Path("/proc/net").glob("tcp*") for row in file.read_text().splitlines()]
    listening = {row[1] for row in rows if row[3] == "0A" and row[1].endswith(f":{info.port:04X}")}
    assert listening == {f"0100007F:{info.port:04X}"}


def test_everything_it_keeps_is_private(real_home: Path) -> None:
    info = ensure_server(real_home)
    assert (info.home / "prefect.db").is_file()
    kept = [info.home, *(path for path in info.home.rglob("*") if "ui" not in path.relative_to(info.home).parts)]
    assert {path.name: oct(path.stat().st_mode) for path in kept if path.stat().st_mode & 0o077} == {}


def test_runs_are_recorded_and_survive_a_stop(real_home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    @task(cache_policy=NO_CACHE)
    def double(number: int) -> int:
        return 2 * number

    @flow(flow_run_name="kept")
    def tiny() -> int:
        return sum(double(number) for number in range(30))

    with use_server(ensure_server(real_home)) as info:
        assert os.environ["PREFECT_API_URL"] == current().api.url == info.url
        assert current().results.local_storage_path == info.home / "storage"
        assert PREFECT_FLOWS_HEARTBEAT_FREQUENCY.value() is None
        assert tiny() == 870
        # Asked from here, the configured server is our own.
        assert ensure_server(real_home) == info
        # What the end of a process does: send the events it has not sent yet.
        EventsWorker.drain_all()
    assert "PREFECT_API_URL" not in os.environ
    assert current().api.url is None

    # Stopped at once: what the server has not recorded yet is waited for.
    assert stop_server(real_home)
    assert gone(info.pid)
    assert server_status(real_home) is None
    assert not stop_server(real_home)

    monkeypatch.setenv("PREFECT_SERVER_API_AUTH_STRING", "admin:only-for-this-test")
    again = ensure_server(real_home)
    monkeypatch.delenv("PREFECT_SERVER_API_AUTH_STRING")
    assert (again.port, again.pid != info.pid) == (info.port, True)
    assert get(again, "/api/admin/version")[0] == 401
    assert "only-for-this-test" not in repr(again)
    with use_server(ensure_server(real_home)), get_client(sync_client=True) as client:
        assert [(run.name, run.state_name) for run in client.read_flow_runs()] == [("kept", "Completed")]
        assert [run.state_name for run in client.read_task_runs()] == ["Completed"] * 30


def test_a_configured_server_is_used_unchanged(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with temporary_settings({PREFECT_API_URL: "http://10.0.0.1:4200/api"}):
        assert ensure_server(tmp_path).url == "http://10.0.0.1:4200/api"
    monkeypatch.setenv("PREFECT_API_URL", "https://prefect.example/api")
    info = ensure_server(tmp_path)
    assert info == ServerInfo("https://prefect.example/api", "https://prefect.example", managed=False)
    assert list(tmp_path.iterdir()) == []
    with use_server(info):
        assert PREFECT_API_URL.value() == "https://prefect.example/api"
        assert PREFECT_FLOWS_HEARTBEAT_FREQUENCY.value() is not None
        assert not PREFECT_HOME.value().is_relative_to(tmp_path)


def test_environment_of_other_servers_does_not_reach_ours(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name in ("API_KEY", "PROFILE", "SERVER_DATABASE_CONNECTION_URL", "SERVER_UI_SERVE_BASE"):
        monkeypatch.setenv(f"PREFECT_{name}", "theirs")
    environment = server._environment(tmp_path, "http://127.0.0.1:1")
    assert "theirs" not in environment.values()


def test_use_server_keeps_what_the_user_has_set(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("NO_PROXY", "intranet")
    monkeypatch.delenv("no_proxy", raising=False)
    before = dict(os.environ)
    info = ServerInfo("http://127.0.0.1:1/api", None, managed=True, home=tmp_path)
    with temporary_settings({PREFECT_FLOWS_HEARTBEAT_FREQUENCY: 45}), use_server(info):
        assert PREFECT_FLOWS_HEARTBEAT_FREQUENCY.value() == 45
        assert os.environ["no_proxy"] == os.environ["NO_PROXY"] == "intranet,127.0.0.1"
        assert os.environ["PREFECT_HOME"] == str(tmp_path)
    assert dict(os.environ) == before


def test_status_needs_no_prefect(tmp_path: Path) -> None:
    code = "import sys, pathlib, deployments.server as s; s.server_status(pathlib.Path(sys.argv[1])); "
    code += "s.stop_server(pathlib.Path(sys.argv[1])); sys.exit('prefect' in sys.modules)"
    subprocess.run([sys.executable, "-c", code, str(tmp_path)], check=True)


def test_many_threads_start_one(stub: Callable[..., Path]) -> None:
    home = stub()
    with ThreadPoolExecutor(6) as pool:
        assert len({info.pid for info in pool.map(ensure_server, [home] * 6)}) == 1


def test_a_dead_server_is_replaced_on_the_same_port(stub: Callable[..., Path]) -> None:
    home = stub()
    first = ensure_server(home)
    os.kill(first.pid, signal.SIGKILL)
    server._wait(lambda: gone(first.pid) and server._free(first.port), 5, "Killed")
    assert server_status(home) is None
    second = ensure_server(home)
    assert (second.pid != first.pid, second.port) == (True, first.port)


def test_a_reused_pid_is_not_ours_and_is_left_alone(stub: Callable[..., Path]) -> None:
    home = stub()
    first = ensure_server(home)
    assert stop_server(home)
    with subprocess.Popen(["sleep", "60"], start_new_session=True) as other:
        server._write(replace(first, pid=other.pid))
        assert server_status(home) is None
        assert not stop_server(home)
        assert ensure_server(home).port == first.port
        assert other.poll() is None
        other.kill()


def test_a_hung_server_is_replaced(stub: Callable[..., Path], monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("STALL_TIMEOUT", "ANSWER_TIMEOUT", "STOP_TIMEOUT"):
        monkeypatch.setattr(server, name, 0.5)
    home = stub()
    first = ensure_server(home)
    os.kill(first.pid, signal.SIGSTOP)
    second = ensure_server(home, timeout=2)
    assert second.pid != first.pid
    assert gone(first.pid)


def test_a_start_its_caller_gave_up_is_finished(stub: Callable[..., Path]) -> None:
    home = stub(before="import time; time.sleep(1)")
    (home / "prefect").mkdir(parents=True)
    begun = server._spawn(server._read(home))
    assert ensure_server(home).pid == begun.pid


def test_a_damaged_state_file_is_no_obstacle(stub: Callable[..., Path]) -> None:
    home = stub()
    (home / "prefect").mkdir(parents=True)
    for text in ("", "[]", '{"pid": 1}', "\x00"):
        (home / "prefect" / "server.json").write_text(text)
        assert not stop_server(home)
        assert server_status(home) is None
    assert ensure_server(home).managed


def test_the_port_chosen_is_remembered(stub: Callable[..., Path], monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.create_server((server.HOST, 0)) as taken:
        monkeypatch.setattr(server, "FIRST_PORT", taken.getsockname()[1])
        home = stub()
        chosen = ensure_server(home).port
        assert chosen != taken.getsockname()[1]
    stop_server(home)
    assert ensure_server(home).port == chosen


def test_a_port_lost_during_the_start(stub: Callable[..., Path], monkeypatch: pytest.MonkeyPatch) -> None:
    """The server of another project, which has got the port by then, is not mistaken for ours."""
    other = ensure_server(stub("other"))
    home = stub(before="import time; time.sleep(0.5)")
    monkeypatch.setattr(server, "FIRST_PORT", other.port)
    free, mistaken = server._free, iter([True])
    monkeypatch.setattr(server, "_free", lambda port: next(mistaken, False) or free(port))
    own = ensure_server(home)
    assert (own.home, own.port != other.port) == (home / "prefect", True)
    assert server_status(other.home.parent) == other


def test_a_server_that_cannot_start_says_why(stub: Callable[..., Path]) -> None:
    home = stub(before="raise TypeError(\"Body() got an unexpected keyword argument 'min_items'\")")
    with pytest.raises(ServerUnavailable, match=r"ended during its start[\s\S]*'min_items'[\s\S]*server\.log"):
        ensure_server(home)
    assert server_status(home) is None


def test_a_start_that_takes_too_long_is_ended(stub: Callable[..., Path], capsys: pytest.CaptureFixture[str]) -> None:
    home = stub(before="import time; time.sleep(60)")
    with pytest.raises(ServerUnavailable, match="did not answer within 1 s"):
        ensure_server(home, timeout=1)
    assert gone(server._read(home).pid)
    assert "Starting the local Prefect server" in capsys.readouterr().err
