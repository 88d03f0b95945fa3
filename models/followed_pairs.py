"""Which films follow which: H'H and H'T of decayed histories H and the films T that came next."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from models.catalogue import UNKNOWN
from models.errors import RankerMisused
from models.histories import ONE, Histories, HistoryRule
from models.item_statistics import MOST, ItemStatistics, added, canonical
from models.rated_events import Ints, RatedEvents

HISTORY = "history_pairs"
"""H'H, in units of 1 / ONE^2."""

FOLLOWED = "followed_pairs"
"""H'T, in units of 1 / ONE: row the film in the history, column the film that came next."""

LIKED = "liked"
"""How often each film was liked, (1, m)."""

_BLOCK = 500_000
"""Histories that are summed at a time: bounds memory."""


def followed_pairs(
    events: RatedEvents,
    rule: HistoryRule,
    *,
    following: NDArray[np.bool_] | None = None,
    leak_same_instant: bool = False,
) -> ItemStatistics:
    """H'H and H'T over events; sums over disjoint events of the same users add, and so over users.

    The history of an event holds what was rated *strictly before* its instant. The row before it in a file may bear
    the same instant: not known then, and half of MovieLens' rows are such.

    Args:
        events: All ratings of each user that is in it, also those that only serve as history.
        rule: What a history holds; not `liked_only`.
        following: bool (n,), the events that are summed over; all by default. A month's share has the histories that
            reach into earlier months.
        leak_same_instant: Train on the rows before instead, whatever their instant: what a point-in-time join
            prevents. Only to show what it costs.

    Raises:
        RankerMisused: The rule looks at positive ratings only.
    """
    if rule.liked_only:
        raise RankerMisused(
            "followed pairs",
            what="the rule looks at positive ratings only, but every rating follows another.",
            state="were not made",
            next_step="use a rule with liked_only=False.",
        )
    chosen = np.ones(len(events), dtype=np.bool_) if following is None else following
    targets = np.flatnonzero(chosen)
    starts, ends = events.strictly_before(events.users[targets], events.times[targets])
    if leak_same_instant:
        ends = targets
    # Events with one history are summed as one row: half of all share theirs with the row before.
    first = np.flatnonzero(np.diff(starts, prepend=-1) | np.diff(ends, prepend=-1))
    groups = np.repeat(np.arange(len(first)), np.diff(np.append(first, len(targets))))
    histories = rule.between(events.columns, starts[first], ends[first])
    pairs, followed = _summed(histories, groups, events.columns[targets], len(events.catalogue))
    liked = np.bincount(events.where(chosen).positives.columns, minlength=len(events.catalogue))
    sums = {HISTORY: pairs, FOLLOWED: followed, LIKED: canonical(sparse.csr_array(liked.astype(np.int64)[None]))}
    return ItemStatistics(events.catalogue, sums, {HISTORY: ONE**2, FOLLOWED: ONE, LIKED: 1})


def _summed(
    histories: Histories, groups: Ints, columns: NDArray[np.int32], films: int
) -> tuple[sparse.csr_array, sparse.csr_array]:
    """H'H and H'T; `groups` says, ascending, which history each film of `columns` follows."""
    pairs, followed = (sparse.csr_array((films, films), dtype=np.int64) for _ in range(2))
    for first in range(0, len(histories), _BLOCK):
        held = canonical(histories[first : first + _BLOCK].fixed(films))
        within = slice(*np.searchsorted(groups, [first, first + held.shape[0]]))
        rows, following = groups[within] - first, columns[within]
        # No entry exceeds this while a block is summed.
        largest = len(rows) * int(held.data.max(initial=0)) ** 2
        if largest > MOST:
            raise RankerMisused(
                "followed pairs",
                what=f"one film weighs {held.data.max() / ONE:.0f} in one history.",
                state="were not made",
                next_step="use a rule with a shorter length: a film that is in a history so often says nothing more.",
            )
        # For the films of the catalogue, an unknown one that came next is none of them.
        known = following != UNKNOWN
        places = (rows[known], following[known])
        next_films = sparse.coo_array((np.ones(len(places[0]), dtype=np.int64), places), shape=held.shape).tocsr()
        counted = held.copy()
        counted.data = held.data * np.repeat(np.bincount(rows, minlength=held.shape[0]), np.diff(held.indptr))
        turned = held.T.tocsr()
        pairs = added(pairs, canonical(turned @ counted), HISTORY)
        followed = added(followed, canonical(turned @ next_films), FOLLOWED)
    return pairs, followed
