"""Whether this machine can run everything: looked at without changing anything, each with what to do."""

from __future__ import annotations

import os
import platform
import shutil
import sys
from collections.abc import Iterator
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from deployments.command import reach
from deployments.server import configured_server, server_status, use_server
from feature_groups.store.connect import connect, load_settings, spark_prerequisites
from feature_groups.store.errors import AlluviaError, ServerUnavailable
from feature_groups.store.prerequisite import Prerequisite
from feature_groups.store.settings import Settings

OLDEST, NEWEST = (3, 11), (3, 13)
LOW, TOO_LOW = 2e9, 2e8
"""Free bytes below which a commit may, or will, fail."""
_LOCK = Path(__file__).parents[1] / "requirements.lock"
_SHOWN = 5


def examined(lake: Path | None = None) -> list[Prerequisite]:
    """Everything that was looked at.

    Args:
        lake: The lake's folder; by default the one in the settings.
    """
    found = [_python(), _packages(_LOCK)]
    try:
        settings = load_settings()
    except AlluviaError as error:
        return [*found, Prerequisite("settings", "bad", f"{error.where}: {error.what}", error.next_step)]
    if lake is not None:
        settings = settings.model_copy(update={"lake": lake})
    set_here = sorted(name for name in os.environ if name.startswith("ALLUVIA_"))
    found.append(Prerequisite("settings", "good", ", ".join(set_here) or "all by default"))
    return [*found, *spark_prerequisites(settings), _server(settings.home), _lake(settings), _disk(settings.lake_path)]


def _python() -> Prerequisite:
    said = f"{platform.python_version()} at {sys.executable}"
    if OLDEST <= sys.version_info[:2] <= NEWEST:
        return Prerequisite("Python", "good", said)
    return Prerequisite("Python", "bad", said, "install 3.11, 3.12 or 3.13 and run make PYTHON=path/to/it setup.")


def _packages(lock: Path) -> Prerequisite:
    name = "packages"
    if not lock.is_file():
        return Prerequisite(name, "note", f"There is no {lock} to compare with.", "run from a clone of the project.")
    others, missing, count = [], [], 0
    for package, wanted in _locked(lock):
        count += 1
        try:
            there = version(package)
        except PackageNotFoundError:
            missing.append(package)
            continue
        if there != wanted:
            others.append(f"{package} {there} (locked: {wanted})")
    if others:
        return Prerequisite(
            name, "bad", f"{len(others)} are not as locked: {_few(others)}", "install them: make setup."
        )
    if missing:
        said = f"{len(missing)} of {count} locked ones are not installed: {_few(missing)}"
        return Prerequisite(name, "note", said, "install them: make setup.")
    return Prerequisite(name, "good", f"{count} as locked")


def _locked(lock: Path) -> Iterator[tuple[str, str]]:
    """The packages that the lock pins for this Python, with their versions."""
    from packaging.requirements import Requirement

    for line in lock.read_text().splitlines():
        if line[:1].isalnum():
            pinned = Requirement(line.rstrip("\\ "))
            if pinned.marker is None or pinned.marker.evaluate():
                yield pinned.name, str(pinned.specifier).removeprefix("==")


def _few(names: list[str]) -> str:
    return ", ".join(names[:_SHOWN]) + (", ..." if len(names) > _SHOWN else "")


def _server(home: Path) -> Prerequisite:
    name = "Prefect server"
    configured = configured_server()
    own = server_status(home)
    if configured is not None and (own is None or configured.url != own.url):
        try:
            with use_server(configured):
                reach(configured)
        except ServerUnavailable as error:
            return Prerequisite(name, "bad", f"{configured.url}: {error.what}", error.next_step)
        return Prerequisite(name, "good", f"the configured one answers at {configured.url}")
    if own is not None:
        return Prerequisite(name, "good", f"the project's own answers at {own.url}")
    return Prerequisite(name, "good", "none is running; what needs one starts the project's own")


def _lake(settings: Settings) -> Prerequisite:
    root = settings.lake_path
    there = _nearest(root)
    if not os.access(there, os.W_OK | os.X_OK):
        mine = "give this user the right to write there, or name another folder: ALLUVIA_LAKE=path/to/lake."
        return Prerequisite("lake", "bad", f"{there} cannot be written to.", mine)
    if not (root / "metadata").is_dir():
        return Prerequisite("lake", "note", f"There is none at {root} yet.", "fill it: make run.")
    try:
        groups = len(connect(settings=settings).catalogue())
    except AlluviaError as error:
        return Prerequisite("lake", "bad", f"{error.where}: {error.what}", error.next_step)
    return Prerequisite("lake", "good", f"{root}, writable, {groups} feature groups")


def _disk(lake: Path) -> Prerequisite:
    there = _nearest(lake)
    free = shutil.disk_usage(there).free
    said = f"{free / 1e9:,.1f} GB free at {there}"
    if free >= LOW:
        return Prerequisite("disk", "good", said)
    room = "make room, e.g. with alluvia vacuum --remove, or move the lake: ALLUVIA_LAKE=path/to/lake."
    return Prerequisite("disk", "note" if free >= TOO_LOW else "bad", said, room)


def _nearest(folder: Path) -> Path:
    """The folder itself, or the nearest one above it that is there."""
    return next(path for path in (folder, *folder.parents) if path.exists())
