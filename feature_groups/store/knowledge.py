"""What was known when: of a group that keeps corrections, which row was the newest one known at any instant.

A version of a row is known from the instant at which it was ingested until the next version of the same row is; a
deleted row, or one that does not meet a filter any more, is known not to be there. Most keys see neither: then the
newest known row changes only where a row sets a new record of event time, and the records are found at once. The
others are gone through in the order of knowing, with a heap.
"""

from __future__ import annotations

import heapq
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import groupby

import numpy as np
import numpy.typing as npt
import polars as pl

from feature_groups.store.look_up import LookUp
from feature_groups.store.names import ALIVE

Ints = npt.NDArray[np.int64]

_VISIBLE, _KNOWN, _RANK, _ROW, _PLACE, _ODD = "__visible", "__known", "__rank", "__position", "__place", "__odd"


@dataclass(frozen=True)
class Record:
    """From which instant on which row of a key is the newest one.

    Attributes:
        keys: Key columns. Shape (n, k).
        visible: Instants, µs; of two equal ones of a key the later entry holds. Shape (n,).
        row: The row's position, -1 for none; None where every entry is the row at its own position. Shape (n,).
    """

    keys: pl.DataFrame
    visible: Ints
    row: Ints | None


def records(rows: pl.DataFrame, look: LookUp, visible: Ints) -> Record:
    """The newest row known, at every instant at which that changes.

    Args:
        rows: Every version of every row, with ``__alive``. Shape (n, columns).
        look: How they are looked up; its ``ingested`` orders the versions of a row.
        visible: The instant each is visible from, µs. Shape (n,).
    """
    assert look.ingested is not None
    order = [*([look.event_time] if look.event_time else []), *look.order, look.ingested]
    turn = rows.select(pl.arg_sort_by(order, nulls_last=False, maintain_order=True)).to_series()
    # Being ingested later, a version outdoes the one before, whatever else decides ties.
    place = [column for column in order if column != look.ingested]
    told = rows.select(
        *dict.fromkeys([*look.right, *look.identity]),
        ALIVE,
        pl.struct(*place, pl.lit(0)).alias(_PLACE),
        pl.col(look.ingested).alias(_KNOWN),
        pl.Series(_VISIBLE, visible),
        pl.Series(_RANK, np.argsort(turn.to_numpy())),
        pl.int_range(pl.len(), dtype=pl.Int64).alias(_ROW),
    )
    key, identity = list(look.right), list(look.identity)
    # A version that moves its row to another place does not outdo the one before by its rank.
    moved = pl.col(_PLACE).n_unique().over(identity) > 1
    told = told.with_columns((~pl.col(ALIVE) | moved).any().over(key).alias(_ODD))
    plain = told.filter(~pl.col(_ODD)).sort(_VISIBLE, _RANK)
    plain = plain.filter(pl.col(_RANK) == pl.col(_RANK).cum_max().over(key))
    odd = told.filter(_ODD).sort(*key, _VISIBLE, _KNOWN)
    found = pl.concat([plain.select(*key, _VISIBLE, _ROW), _gone_through(odd, key, identity)])
    return Record(found.select(key), found[_VISIBLE].to_numpy(), found[_ROW].to_numpy())


def _gone_through(versions: pl.DataFrame, key: list[str], identity: list[str]) -> pl.DataFrame:
    """The newest row after every instant of every key; versions come by key, in the order of knowing."""
    if not versions.height:
        return versions.select(*key, _VISIBLE, _ROW)
    numbered = versions.select(
        pl.struct(key).rle_id().alias("key"),
        pl.struct(identity).rank("dense").alias("identity"),
        _VISIBLE,
        _RANK,
        _ROW,
        ALIVE,
    )
    kept: list[tuple[int, int]] = []
    steps = enumerate(numbered.iter_rows())
    for _, mine in groupby(steps, key=lambda step: step[1][0]):
        kept.extend(_newest(mine))
    made = versions.select(*key, _VISIBLE)[[place for place, _ in kept]]
    return made.with_columns(pl.Series(_ROW, [row for _, row in kept], dtype=pl.Int64))


def _newest(versions: Iterator[tuple[int, tuple[int, ...]]]) -> Iterator[tuple[int, int]]:
    """(place of the last version of an instant, the newest row after it or -1), instant by instant."""
    current: dict[int, int] = {}
    heap: list[tuple[int, int, int]] = []
    for _, together in groupby(versions, key=lambda step: step[1][2]):
        last = 0
        for place, (_, who, _, rank, row, alive) in together:
            last, current[who] = place, row if alive else -1
            if alive:
                heapq.heappush(heap, (-rank, who, row))
        while heap and current[heap[0][1]] != heap[0][2]:
            heapq.heappop(heap)
        yield last, heap[0][2] if heap else -1
