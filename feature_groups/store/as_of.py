"""The as-of kernel: for every row of a spine the newest row of a group that was visible at its instant.

Every point-in-time rule is one rule about the instant from which on a row is visible: its event time, plus the group's
source delay, plus 1 µs where the view is strict; where knowledge counts, not before it was ingested. Keys and instants
are laid on one line of integers, so that a look-up is one binary search; a table that is stored by key and time is
on that line already and need not be sorted.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
import polars as pl

from feature_groups.store.key_line import Line, keys_and_instants
from feature_groups.store.knowledge import Record, records
from feature_groups.store.look_up import LookUp, microseconds

Ints = npt.NDArray[np.int64]
Truths = npt.NDArray[np.bool_]

_FEW = 64


def looked_up(spine: pl.DataFrame, rows: pl.DataFrame, look: LookUp, time: str) -> pl.DataFrame:
    """The values of a group for every row of a spine.

    Args:
        spine: The key columns, which may be NULL and then find nothing, and `time` (µs, UTC). Shape (n, columns).
        rows: The group's rows, with the columns that the look-up needs; keys and times not NULL. Any order.
        look: How.
        time: The spine's column of instants.

    Returns:
        The outputs and the marker `LookUp.at`, NULL where nothing was found; shape (n, outputs + 1), in the spine's
        order.
    """
    event, visible = look.visible_from(rows)
    timed = look.event_time is not None or look.ingested is not None
    asked = spine[time].dt.timestamp("us").to_numpy() if timed else np.zeros(spine.height, dtype=np.int64)
    found = records(rows, look, visible) if look.ingested else _ordered(rows, look, visible)
    line = keys_and_instants(found.keys, found.visible, spine.select(look.left), asked)
    entry, there = last_at_or_before(line, stable=found.row is not None)
    position = entry
    if found.row is not None and len(found.row):
        there &= found.row[entry] >= 0
        position = np.where(there, found.row[entry], 0)
    if look.max_age is not None and rows.height:
        there &= event[position] >= asked - microseconds(look.max_age)
    return _gathered(rows, look, event, position, there)


def last_at_or_before(line: Line, *, stable: bool) -> tuple[Ints, Truths]:
    """For every question the position of the last code of its key at or before it, and whether there is one.

    Args:
        line: Codes and questions.
        stable: Whether, of equal codes, the last one in the given order is meant; else there are none.
    """
    codes, order = line.codes, None
    if not len(codes):
        return np.zeros(len(line.asked), dtype=np.int64), np.zeros(len(line.asked), dtype=np.bool_)
    falls = int(np.count_nonzero(codes[1:] < codes[:-1]))
    if falls:
        # A stable sort merges the runs that it finds: every batch of a table is one.
        order = np.argsort(codes, kind="stable") if stable or falls < _FEW else _sorted_positions(codes)
        codes = codes[order]
    # Sorted questions walk through the codes once, instead of missing the cache at each.
    turn = _sorted_positions(line.asked)
    entry = np.empty(len(line.asked), dtype=np.int64)
    entry[turn] = np.searchsorted(codes, line.asked[turn], side="right") - 1
    there = entry >= 0
    entry = np.maximum(entry, 0)
    there &= codes[entry] > line.base
    return (entry if order is None else order[entry].astype(np.int64)), there


def _sorted_positions(codes: Ints) -> npt.NDArray[np.uint32]:
    """The positions in ascending order of codes; equal ones in any."""
    positions: npt.NDArray[np.uint32] = pl.Series(codes).arg_sort().to_numpy()
    return positions


def _ordered(rows: pl.DataFrame, look: LookUp, visible: Ints) -> Record:
    """The rows so that of two that are visible from the same instant the later one wins."""
    keys = rows.select(look.right)
    if not look.order:
        return Record(keys, visible, None)
    positions = ordered(rows, look.order)
    return Record(keys[positions], visible[positions], positions)


def ordered(rows: pl.DataFrame, columns: Sequence[str]) -> Ints:
    """The positions of the rows in the order of columns, NULLs first, equal ones as they come."""
    turn = rows.select(pl.arg_sort_by(columns, nulls_last=False, maintain_order=True)).to_series()
    positions: Ints = turn.cast(pl.Int64).to_numpy()
    return positions


def _gathered(rows: pl.DataFrame, look: LookUp, event: Ints, position: Ints, there: Truths) -> pl.DataFrame:
    if not rows.height:
        nothing = look.schema(rows.schema).items()
        return pl.DataFrame({name: pl.repeat(None, len(there), dtype=dtype, eager=True) for name, dtype in nothing})
    index = pl.Series(position)
    if not there.all():
        index = pl.select(pl.when(pl.Series(there)).then(index)).to_series()
    made = [rows[column].gather(index).alias(name) for name, column in look.outputs.items()]
    return pl.DataFrame([*made, pl.Series(look.at, event).gather(index)])
