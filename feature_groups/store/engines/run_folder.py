"""A folder for one process's Spark: gone when the process ends well, swept by the next one when it does not."""

from __future__ import annotations

import fcntl
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO


@dataclass(frozen=True)
class RunFolder:
    """A folder that belongs to this process for as long as the lock on its file ``owner`` is held.

    A lock and not a process id, because ids are used again and the kernel drops a lock whatever kills its owner.
    """

    path: Path
    owner: IO[str]

    def release(self) -> None:
        """Remove the folder and all that Spark left in it."""
        shutil.rmtree(self.path, ignore_errors=True)
        self.owner.close()


def claim_run_folder(home: Path) -> RunFolder:
    """A new folder in ``<home>/run``, after removing those whose owners are dead."""
    runs = home.expanduser().resolve() / "run"
    runs.mkdir(parents=True, exist_ok=True)
    with _alone_in(runs):
        for folder in runs.iterdir():
            if folder.is_dir() and not _owner_lives(folder):
                shutil.rmtree(folder, ignore_errors=True)
        path = Path(tempfile.mkdtemp(prefix=f"{os.getpid()}-", dir=runs))
        owner = (path / "owner").open("w")
        fcntl.flock(owner, fcntl.LOCK_EX)
    return RunFolder(path, owner)


@contextmanager
def _alone_in(runs: Path) -> Iterator[None]:
    """Keeps a sweep from meeting a folder that is made but not locked yet."""
    with (runs / ".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def _owner_lives(folder: Path) -> bool:
    try:
        with (folder / "owner").open() as owner:
            fcntl.flock(owner, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    except FileNotFoundError:
        return False
    return False
