"""Ask a member about many rows; where it fails, find the rows it fails on, so that the others get its answer."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator

import numpy as np
import polars as pl
from numpy.typing import NDArray

log = logging.getLogger(__name__)

Answers = pl.Series | NDArray[np.float64]
Positions = NDArray[np.int64]


def attempted(
    asked: Callable[[pl.DataFrame], Answers], rows: pl.DataFrame, who: str, positions: Positions | None = None
) -> Iterator[tuple[Positions, Answers | None]]:
    """Positions of rows with what the member says of them, or None for a row on which it fails.

    A batch that fails is asked in halves: a row gets the answer it would get alone.

    Args:
        asked: The member's verb: one answer per row.
        rows: To ask about.
        who: Names the member in the log.
        positions: Of the rows; counted by default.
    """
    where = np.arange(rows.height) if positions is None else positions
    try:
        found = asked(rows)
        if len(found) != rows.height:
            raise ValueError(f"{len(found)} answers to {rows.height} rows")  # noqa: TRY301
    except Exception as error:  # whatever a member raises, the request is answered
        if rows.height > 1:
            half = rows.height // 2
            yield from attempted(asked, rows[:half], who, where[:half])
            yield from attempted(asked, rows[half:], who, where[half:])
            return
        said = str(error).splitlines()[0] if str(error) else ""
        log.warning("%s failed on a row: %s: %.300s", who, type(error).__name__, said)
        yield where, None
    else:
        yield where, found
