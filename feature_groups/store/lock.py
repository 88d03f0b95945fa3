"""One writer at a time per table, on one machine's disk.

Spark's commit to a local folder is exists + rename, atomic only inside one JVM: two processes lose commits. The
kernel's ``flock`` closes that, and frees the lock of a dead holder by itself.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import random
import time
from collections.abc import Iterator
from pathlib import Path

from feature_groups.store.errors import TableBusy


@contextlib.contextmanager
def table_lock(path: Path, *, timeout: float, who: str, where: str) -> Iterator[None]:
    """Hold the lock file exclusively for the block; waits up to `timeout` seconds.

    Raises:
        TableBusy: Another live process still holds it; names that process and what it does.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    deadline = time.monotonic() + timeout
    try:
        while True:
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except BlockingIOError:
                if time.monotonic() > deadline:
                    holder = os.pread(descriptor, 300, 0).decode(errors="replace") or "unknown"
                    raise TableBusy(
                        where,
                        what=f"Another writer has held it for {timeout:g} s: {holder}.",
                        state="was not written",
                        next_step="wait for that process or end it, then run the same again; nothing is lost.",
                    ) from None
                # Jitter, because blocking flock is unfair to a waiter behind a tight loop.
                time.sleep(random.uniform(0.01, 0.05))
        os.ftruncate(descriptor, 0)
        os.pwrite(descriptor, f"pid {os.getpid()}, {who}".encode(), 0)
        yield
    finally:
        os.close(descriptor)
