"""The project's own Prefect server: started once, kept running, used by every flow run.

A server or Cloud workspace the user has configured (``PREFECT_API_URL`` in the environment, a Prefect
profile or a settings file) is always used instead, unchanged. The ephemeral server, Prefect's own fallback,
is never used: it starts anew in every process and loses most of the task-run history at its end.

The server listens on 127.0.0.1 only and lives in ``<home>/prefect`` (0700): database, UI files, log, state.
Telemetry is off, CSRF protection is on, and only its own UI may call it from a browser. It asks for no
password, so that the UI opens with one click; every account on this machine can reach it. To have one, set
``PREFECT_SERVER_API_AUTH_STRING=admin:<password>`` and restart it; inside `use_server` clients send it.
"""

from __future__ import annotations

import base64
import fcntl
import http.client
import json
import os
import secrets
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager, suppress
from dataclasses import asdict, dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Any

from feature_groups.store.errors import ServerUnavailable

HOST, FIRST_PORT = "127.0.0.1", 4200
START_TIMEOUT, STOP_TIMEOUT = 120.0, 10.0
STALL_TIMEOUT, ANSWER_TIMEOUT = 15.0, 5.0


@dataclass(frozen=True)
class ServerInfo:
    """A server flows can run against: the project's own one (`managed`) or one the user has configured.

    The fields from `home` on are the own server's. `marker` is an argument of its process: pids are reused.
    """

    url: str
    ui_url: str | None
    managed: bool = False
    home: Path = Path()
    port: int = 0
    pid: int = 0
    started: float = 0.0
    marker: str = field(default="", repr=False)
    auth: str | None = field(default=None, repr=False)


def ensure_server(home: Path, *, timeout: float = START_TIMEOUT, own_only: bool = False) -> ServerInfo:
    """The configured server, or else the project's own one, started when it does not answer.

    Safe to call from several processes at once: exactly one comes up. It outlives its caller. `own_only`: ours anyhow.

    Raises:
        ServerUnavailable: It did not come up within `timeout` seconds.
    """
    # Without it the first `import prefect` in a terminal reports to Prefect's makers.
    os.environ.setdefault("DO_NOT_TRACK", "1")
    own = _read(home)
    configured = None if own_only else configured_server()
    # Processes inherit our own server's address from `use_server`; it is ours while nobody else has the port.
    ours = own.started and configured and configured.url == own.url and (_alive(own) or _free(own.port))
    if configured and not ours:
        return configured
    own.home.mkdir(mode=0o700, parents=True, exist_ok=True)
    own.home.chmod(0o700)
    with _locked(own.home):
        own = _read(home)
        if _alive(own):
            # It may be coming up still, when its starter was interrupted.
            patience = max(STALL_TIMEOUT, own.started + timeout - time.time())
            if _comes_up(own, patience, "Waiting for the local Prefect server to answer"):
                return own
            print("The local Prefect server does not answer: replacing it.", file=sys.stderr)
            _end(own)
        return _start(own, timeout)


def server_status(home: Path) -> ServerInfo | None:
    """The project's own server when it is running and answers; never starts one, never imports Prefect."""
    own = _read(home)
    return own if _alive(own) and _healthy(own) else None


def stop_server(home: Path) -> bool:
    """End the project's own server and wait until it is gone; False when none was running.

    Runs, schedules and events stay in the database; the next `ensure_server` uses the same port. What the
    server has received but not yet recorded (it records about 40 task runs a second) is waited for.
    """
    own = _read(home)
    if not _alive(own):
        return False
    with _locked(own.home):
        own = _read(home)
        if not _alive(own):
            return False
        wal, message = own.home / "prefect.db-wal", "Letting the local Prefect server record its last runs"
        with suppress(FileNotFoundError):
            # An idle server writes nothing at all.
            _wait(lambda: time.time() - wal.stat().st_mtime > 1, 30, message)
        _end(own)
        _write(replace(own, pid=0, marker="", auth=None))
        return True


@contextmanager
def use_server(info: ServerInfo) -> Iterator[ServerInfo]:
    """Make flows of this process, and processes it starts, run against that server.

    For the project's own server results go to its home too, and flow-run heartbeats are off unless the user
    has set them: their thread is joined at the end of every flow, which costs 0.7 to 1 s each. A thread
    started by hand sees none of this, unless it runs in ``contextvars.copy_context()``.
    """
    from prefect.settings import get_current_settings, temporary_settings

    current = get_current_settings()
    updates: dict[Any, Any] = {"api.url": info.url}
    environment = {"PREFECT_API_URL": info.url}
    if info.managed:
        # Behind a company proxy, httpx would send even loopback requests through it.
        bypass = ",".join(filter(None, [os.environ.get("NO_PROXY") or os.environ.get("no_proxy"), HOST]))
        environment |= {"PREFECT_HOME": str(info.home), "NO_PROXY": bypass, "no_proxy": bypass}
        updates["home"] = info.home
        if "local_storage_path" not in current.results.model_fields_set:
            updates["results.local_storage_path"] = info.home / "storage"
        if "heartbeat_frequency" not in current.flows.model_fields_set:
            updates["flows.heartbeat_frequency"] = None
        if info.auth and current.api.auth_string is None:
            updates["api.auth_string"] = environment["PREFECT_API_AUTH_STRING"] = info.auth
    before = {name: os.environ[name] for name in environment if name in os.environ}
    os.environ.update(environment)
    try:
        with temporary_settings(updates):
            yield info
    finally:
        for name in environment:
            os.environ.pop(name, None)
        os.environ.update(before)


def configured_server() -> ServerInfo | None:
    """The server that the user has configured, or None; imports Prefect."""
    from prefect.settings import Settings, get_current_settings

    # Prefect reads the environment once, at import; a variable set after that must count as well.
    settings = Settings() if os.environ.get("PREFECT_API_URL") else get_current_settings()
    return ServerInfo(settings.api.url, settings.ui_url) if settings.api.url else None


def _read(home: Path) -> ServerInfo:
    """The last known state; when nothing is known, one that is not alive and was never started."""
    folder = home.expanduser().resolve() / "prefect"
    with suppress(OSError, ValueError, TypeError):
        return ServerInfo(**json.loads((folder / "server.json").read_bytes()) | {"home": folder})
    return ServerInfo("", None, managed=True, home=folder)


def _write(own: ServerInfo) -> None:
    temporary = own.home / "server.json.tmp"
    with open(temporary, "w", opener=partial(os.open, mode=0o600)) as file:
        json.dump(asdict(own), file, default=str)
    temporary.replace(own.home / "server.json")


def _alive(own: ServerInfo) -> bool:
    if Path("/proc/self/cmdline").exists():
        with suppress(OSError):
            return bool(own.marker) and own.marker.encode() in Path(f"/proc/{own.pid}/cmdline").read_bytes()
        return False
    ps = ["ps", "-ww", "-o", "args=", "-p", str(own.pid)]
    return bool(own.marker) and own.marker in subprocess.run(ps, capture_output=True, text=True).stdout


def _healthy(own: ServerInfo) -> bool:
    """Whether our server answers on its port; asks for its home, for another project's may answer there."""
    token = base64.b64encode((own.auth or "").encode()).decode()
    failures = OSError, http.client.HTTPException, ValueError, TypeError, KeyError
    with suppress(*failures), closing(http.client.HTTPConnection(HOST, own.port, timeout=ANSWER_TIMEOUT)) as api:
        api.request("GET", "/api/admin/settings", headers={"Authorization": f"Basic {token}"})
        return bool(json.loads(api.getresponse().read())["home"] == str(own.home))
    return False


@contextmanager
def _locked(folder: Path) -> Iterator[None]:
    with open(folder / "server.lock", "a", opener=partial(os.open, mode=0o600)) as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            print("Waiting: another process starts or stops the local Prefect server ...", file=sys.stderr)
            fcntl.flock(file, fcntl.LOCK_EX)
        yield


def _wait(done: Callable[[], bool], seconds: float, message: str) -> None:
    begun = time.monotonic()
    said = -1.0
    while not done() and (spent := time.monotonic() - begun) < seconds:
        if spent > 0.3 and spent // 5 > said:
            said = spent // 5
            print(f"{message} ... {spent:.0f} s", file=sys.stderr, flush=True)
        time.sleep(0.1)


def _comes_up(own: ServerInfo, seconds: float, message: str) -> bool:
    _wait(lambda: _healthy(own) or not _alive(own), seconds, message)
    return _alive(own) and _healthy(own)


def _start(last: ServerInfo, timeout: float) -> ServerInfo:
    for _ in range(3):
        own = _spawn(last)
        if _comes_up(own, timeout, "Starting the local Prefect server (first time takes about 20 s)"):
            return own
        ended = not _alive(own)
        _end(own)
        # Ours is gone: whoever listens there now took the port while ours was starting, so try the next one.
        if not ended or _free(own.port):
            break
    log = own.home / "server.log"
    gist = [line.strip()[:200] for line in log.read_text(errors="replace").splitlines() if line.strip()][-6:]
    what = "It ended during its start." if ended else f"It did not answer within {timeout:.0f} s."
    raise ServerUnavailable(
        "the local Prefect server",
        what="\n".join([what, "Last lines of its log:", *gist]),
        state="is not running",
        next_step=f"read {log}, or set PREFECT_API_URL to another server.",
    )


def _spawn(last: ServerInfo) -> ServerInfo:
    folder, log = last.home, last.home / "server.log"
    port = next(filter(_free, (last.port or FIRST_PORT, *range(FIRST_PORT, 2**16))))
    url, marker = f"http://{HOST}:{port}", f"alluvia-server={secrets.token_hex(8)}"
    with suppress(FileNotFoundError):
        log.replace(log.with_suffix(".log.1"))
    # Python ignores unknown -X options: this one only shows in the process's arguments.
    command = [sys.executable, "-X", marker, "-m", "deployments.local_server", "server", "start", "--host", HOST]
    with open(log, "a", opener=partial(os.open, mode=0o600)) as output:
        # Prefect reads settings files from the working directory; the caller's are not the server's.
        process = subprocess.Popen(
            [*command, "--port", str(port)], env=_environment(folder, url), cwd=folder, umask=0o077,
            stdin=subprocess.DEVNULL, stdout=output, stderr=subprocess.STDOUT, start_new_session=True,
        )  # fmt: skip
    auth = os.environ.get("PREFECT_SERVER_API_AUTH_STRING") or None
    own = ServerInfo(f"{url}/api", url, True, folder, port, process.pid, time.time(), marker, auth)
    _write(own)
    # For a moment after its birth a process has no arguments.
    _wait(lambda: _alive(own) or process.poll() is not None, 5, "Starting the local Prefect server")
    # Reaps the server if it ends before its starter does, and keeps Popen from warning at exit.
    threading.Thread(target=process.wait, name="prefect-server-reaper", daemon=True).start()
    return own


def _environment(folder: Path, url: str) -> dict[str, str]:
    # What the user set for other servers and clients would break this one or lead it to another database.
    parts = "API_", "PROFILE", "UI_", "SERVER_UI_", "SERVER_DATABASE_", "SERVER_API_BASE_PATH"
    dropped = tuple(f"PREFECT_{part}" for part in parts)
    return {name: value for name, value in os.environ.items() if not name.startswith(dropped)} | {
        "DO_NOT_TRACK": "1",
        "PREFECT_HOME": str(folder),
        "PREFECT_SERVER_ANALYTICS_ENABLED": "false",
        "PREFECT_SERVER_API_CORS_ALLOWED_ORIGINS": f"{url},{url.replace(HOST, 'localhost')}",
        "PREFECT_SERVER_API_CSRF_PROTECTION_ENABLED": "true",
        "PREFECT_SERVER_DATABASE_CONNECTION_URL": f"sqlite+aiosqlite:///{folder}/prefect.db",
        "PREFECT_SERVER_UI_API_URL": f"{url}/api",
        "PREFECT_SERVER_UI_SHOW_PROMOTIONAL_CONTENT": "false",
        # By default the UI is unpacked into site-packages, which may be read-only or someone else's.
        "PREFECT_SERVER_UI_STATIC_DIRECTORY": str(folder / "ui"),
    }


def _free(port: int) -> bool:
    with socket.socket() as probe, suppress(OSError):
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        probe.bind((HOST, port))
        return True
    return False


def _end(own: ServerInfo) -> None:
    for how in (signal.SIGTERM, signal.SIGKILL):
        if not _alive(own):
            return
        with suppress(ProcessLookupError):
            os.killpg(own.pid, how)
        # The port is closed a moment after the process has gone; the next start wants it back.
        _wait(lambda: not _alive(own) and _free(own.port), STOP_TIMEOUT, "Stopping the local Prefect server")
