"""Peak memory of a piece of work by kind: this process, the JVM, Spark's Python workers."""

from __future__ import annotations

import os
import resource
import threading
from pathlib import Path
from types import TracebackType

from benchmarks.measure import descendants

KINDS = ("python", "jvm", "workers")
_EVERY = 0.2
_PAGE = os.sysconf("SC_PAGE_SIZE")


class Watch:
    """A context that looks at resident memory five times a second.

    Attributes:
        peaks: Bytes by kind, and of all at one time under ``all``; what processes share counts for each of them.
    """

    def __init__(self) -> None:
        self.peaks = dict.fromkeys((*KINDS, "all"), 0)
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._look, daemon=True)

    def __enter__(self) -> Watch:
        self._thread.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._over.set()
        self._thread.join()

    def _look(self) -> None:
        while True:
            found = _resident()
            for kind, size in {**found, "all": sum(found.values())}.items():
                self.peaks[kind] = max(self.peaks[kind], size)
            if self._over.wait(_EVERY):
                return


def peak_memory() -> float:
    """The most memory that this process alone has ever had, in GB, as the kernel knows it."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6


def _resident() -> dict[str, int]:
    found = dict.fromkeys(KINDS, 0)
    for process in (os.getpid(), *(process for process, _ in descendants())):
        folder = Path("/proc") / str(process)
        try:
            name = (folder / "comm").read_text().strip()
            size = int((folder / "statm").read_text().split()[1]) * _PAGE
        except (FileNotFoundError, ProcessLookupError):
            continue
        kind = "python" if process == os.getpid() else "jvm" if name == "java" else "workers"
        found[kind] += size
    return found
