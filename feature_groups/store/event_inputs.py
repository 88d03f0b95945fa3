"""Event inputs: for every row of a spine all events of its key strictly before its instant, oldest first."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import numpy.typing as npt
import polars as pl

from feature_groups.store.as_of import ordered
from feature_groups.store.key_line import keys_and_instants
from feature_groups.store.look_up import LookUp, microseconds
from feature_groups.store.names import ALIVE, EVENT, ROW

Ints = npt.NDArray[np.int64]

_NEVER = 2**62


def events_before(spine: pl.DataFrame, rows: pl.DataFrame, look: LookUp, time: str, last: int | None) -> pl.DataFrame:
    """The events that were visible at a spine row's instant, and happened before it.

    Args:
        spine: ``__row``, the key columns, which may be NULL and then have no events, and `time` (µs, UTC).
        rows: The group's rows, or where knowledge counts every version of them. Any order.
        look: How they are looked up; strict whatever it says.
        time: The spine's column of instants.
        last: Only so many of the newest; None for all.

    Returns:
        ``__row``, ``__event`` and the outputs; a row per spine row and event, in the order of ``__row``, event time
        and `LookUp.order`. Shape (pairs, outputs + 2).
    """
    look = replace(look, strict=True)
    event, visible = look.visible_from(rows)
    turn = _by_time(rows, look)
    asked = spine[time].dt.timestamp("us").to_numpy()
    line = keys_and_instants(rows.select(look.right)[turn], visible[turn], spine.select(look.left), asked)
    by_code = np.argsort(line.codes, kind="stable")
    codes, position = line.codes[by_code], turn[by_code]
    first = np.searchsorted(codes, line.base, side="right")
    end = np.searchsorted(codes, line.asked, side="right")
    if last is not None and look.ingested is None:
        first = np.maximum(first, end - last)
    lengths = np.maximum(end - first, 0)
    row = np.repeat(np.arange(spine.height), lengths)
    offset = np.arange(int(lengths.sum())) - np.repeat(np.cumsum(lengths) - lengths, lengths)
    taken = position[np.repeat(first, lengths) + offset] if len(row) else np.zeros(0, dtype=np.int64)
    if look.ingested is not None:
        row, taken = _known(rows, look, visible, asked, row, taken, last)
    if look.max_age is not None:
        recent = event[taken] >= asked[row] - microseconds(look.max_age)
        row, taken = row[recent], taken[recent]
    index = pl.Series(taken, dtype=pl.Int64)
    made = [rows[column].gather(index).alias(name) for name, column in look.outputs.items()]
    place = pl.Series(EVENT, np.arange(len(row)) - np.searchsorted(row, row), dtype=pl.Int64)
    return pl.DataFrame([spine[ROW].gather(pl.Series(row, dtype=pl.Int64)), place, *made])


def _by_time(rows: pl.DataFrame, look: LookUp) -> Ints:
    """The positions of the rows in the order in which they happened."""
    assert look.event_time is not None
    return ordered(rows, [look.event_time, *look.order])


def _known(
    rows: pl.DataFrame,
    look: LookUp,
    visible: Ints,
    asked: Ints,
    row: Ints,
    taken: Ints,
    last: int | None,
) -> tuple[Ints, Ints]:
    """Of the pairs those whose version was still the newest one known, in the order of the events again."""
    versions = rows.select(*look.identity, str(look.ingested), pl.Series("__visible", visible))
    until = versions.select(
        pl.col("__visible").shift(-1).over(list(look.identity), order_by=str(look.ingested)).fill_null(_NEVER)
    )
    standing = (until.to_series().to_numpy()[taken] > asked[row]) & rows[ALIVE].to_numpy()[taken]
    row, taken = row[standing], taken[standing]
    place = np.empty(rows.height, dtype=np.int64)
    place[_by_time(rows, look)] = np.arange(rows.height)
    turn = np.lexsort((place[taken], row))
    row, taken = row[turn], taken[turn]
    if last is None:
        return row, taken
    ends = np.searchsorted(row, row, side="right")
    newest = ends - np.arange(len(row)) <= last
    return row[newest], taken[newest]
