"""The spool: folders of Parquet, beside the lake's tables, with rows on their way into a commit."""

from __future__ import annotations

import atexit
import contextlib
import os
import shutil
import socket
import tempfile
import uuid
from collections.abc import Callable, Iterator
from contextvars import ContextVar
from functools import cache
from pathlib import Path

import polars as pl

_cleared: ContextVar[list[Path] | None] = ContextVar("_cleared", default=None)


@contextlib.contextmanager
def spools_cleared() -> Iterator[list[Path]]:
    """Remove, at the end of the block, the folders that `new_spool` named inside it; those left in the list yielded."""
    made: list[Path] = []
    token = _cleared.set(made)
    try:
        yield made
    finally:
        _cleared.reset(token)
        for folder in made:
            shutil.rmtree(folder, ignore_errors=True)


def new_spool(lake: Path) -> Path:
    """An unused folder in the lake's spool; folders of dead processes of this machine are swept."""
    root = lake / "spool"
    root.mkdir(parents=True, exist_ok=True)
    host = socket.gethostname().replace("-", "_")
    for old in root.iterdir():
        owner, _, rest = old.name.partition("-")
        pid = rest.partition("-")[0]
        if owner == host and pid.isdigit() and not _alive(int(pid)):
            shutil.rmtree(old, ignore_errors=True)
    folder = root / f"{host}-{os.getpid()}-{uuid.uuid4().hex}"
    made = _cleared.get()
    if made is not None:
        made.append(folder)
    return folder


def scratch() -> Callable[[], Path]:
    """Names unused folders outside of every lake, which go with the process."""

    @cache
    def root() -> Path:
        made = Path(tempfile.mkdtemp(prefix="alluvia-"))
        atexit.register(shutil.rmtree, made, ignore_errors=True)
        return made

    return lambda: new_spool(root())


@contextlib.contextmanager
def spooled(lake: Path, rows: pl.DataFrame | str) -> Iterator[str]:
    """A folder of Parquet with the rows: the one given, or a temporary one for an in-memory frame."""
    if isinstance(rows, str):
        yield rows
        return
    folder = new_spool(lake)
    folder.mkdir()
    try:
        rows.write_parquet(folder / "part-0.parquet", compression="lz4", statistics=False)
        yield str(folder)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True
