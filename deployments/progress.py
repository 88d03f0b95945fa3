"""What a person sees while a flow runs: a line per thing done, and a sign of life in between."""

from __future__ import annotations

import logging
import os
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TextIO

SILENCE = 4.0
"""Seconds without a line after which the last one is said to go on."""

_OURS = ("feature_groups", "flows")


@contextmanager
def progress_shown() -> Iterator[None]:
    """Print what our packages log to standard error; Prefect's own lines go to the dashboard only."""
    os.environ.setdefault("PREFECT_LOGGING_HANDLERS_CONSOLE_LEVEL", "CRITICAL")
    os.environ.setdefault("PREFECT_LOGGING_EXTRA_LOGGERS", ",".join(_OURS))
    handler, ended = _Lines(), threading.Event()
    thread = threading.Thread(target=handler.keep_alive, args=[ended], name="progress", daemon=True)
    loggers = [logging.getLogger(name) for name in _OURS]
    for logger in loggers:
        logger.setLevel(logging.INFO)
        logger.addHandler(handler)
    thread.start()
    try:
        yield
    finally:
        ended.set()
        thread.join()
        for logger in loggers:
            logger.removeHandler(handler)


class _Lines(logging.StreamHandler[TextIO]):
    def __init__(self) -> None:
        super().__init__(sys.stderr)
        self.setFormatter(logging.Formatter("  %(message)s"))
        self._last, self._begun, self._said = "", time.monotonic(), time.monotonic()

    def emit(self, record: logging.LogRecord) -> None:
        super().emit(record)
        self._last, self._begun = self.format(record), time.monotonic()
        self._said = self._begun

    def keep_alive(self, ended: threading.Event) -> None:
        """Say that the last thing goes on, until `ended`."""
        while not ended.wait(0.5):
            now = time.monotonic()
            if self._last and now - self._said >= SILENCE:
                self._said = now
                self.stream.write(f"{self._last} ... {now - self._begun:.0f} s\n")
                self.flush()
