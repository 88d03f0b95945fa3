"""Ask a member about many rows; where it fails, find the rows it fails on, so that the others get its answer."""

from __future__ import annotations

import logging
from collections.abc import Callable

import numpy as np
import polars as pl
from numpy.typing import NDArray

log = logging.getLogger(__name__)

Answers = pl.Series | pl.DataFrame | NDArray[np.float64]
Positions = NDArray[np.int64]


def attempted(
    asked: Callable[[pl.DataFrame], Answers], rows: pl.DataFrame, who: str
) -> list[tuple[Positions, Answers | None]]:
    """Positions of rows with what the member says of them, or None for rows on which it fails, which is logged.

    A batch that fails is asked in halves: a row gets the answer it would get alone.

    Args:
        asked: The member's verb: one answer per row.
        rows: To ask about.
        who: Names the member in the log.
    """
    failures: list[tuple[int, Exception]] = []
    found = _halves(asked, rows, 0, failures)
    if failures:
        row, error = failures[0]
        said = (str(error).splitlines() or [""])[0]
        kind = type(error).__name__
        log.warning("%s failed on %d rows, e.g. %d: %s: %.300s", who, len(failures), row, kind, said)
        failed = np.array([row for row, _ in failures], dtype=np.int64)
        found.append((failed, None))
    return found


def _halves(
    asked: Callable[[pl.DataFrame], Answers], rows: pl.DataFrame, first: int, failures: list[tuple[int, Exception]]
) -> list[tuple[Positions, Answers | None]]:
    try:
        said = asked(rows)
        if len(said) != rows.height:
            raise ValueError(f"{len(said)} answers to {rows.height} rows")  # noqa: TRY301  # told below
    except Exception as error:  # whatever a member raises, the request is answered
        if rows.height == 1:
            failures.append((first, error))
            return []
        half = rows.height // 2
        return _halves(asked, rows[:half], first, failures) + _halves(asked, rows[half:], first + half, failures)
    return [(np.arange(first, first + rows.height), said)]
