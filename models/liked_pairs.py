"""Which films are liked together: X'X of the binary matrix of users and films they liked."""

from __future__ import annotations

import numpy as np
from scipy import sparse

from models.item_statistics import ItemStatistics, canonical
from models.rated_events import Ints, RatedEvents

PAIRS = "liked_pairs"
"""Name of the sum: how many users liked both films; the diagonal says how many liked the one."""


def liked_pairs(events: RatedEvents) -> ItemStatistics:
    """X'X of all users; sums over disjoint users add.

    Args:
        events: All ratings of each user that is in it.
    """
    matrix = liked_matrix(events, events.distinct_users)
    return _statistics(events, matrix.T @ matrix)


def liked_pairs_added(before: RatedEvents, added: RatedEvents) -> ItemStatistics:
    """What new ratings add to X'X: N'N + N'B + B'N, B of the ratings before and N of what they newly like.

    Args:
        before: The ratings so far, at least of the users who have new ones.
        added: The new ratings.
    """
    users = added.distinct_users
    old = liked_matrix(before, users)
    new = liked_matrix(added, users)
    new = canonical(new - new.multiply(old).tocsr())
    crossed = new.T @ old
    return _statistics(added, new.T @ new + crossed + crossed.T)


def _statistics(events: RatedEvents, pairs: sparse.csr_array) -> ItemStatistics:
    return ItemStatistics(events.catalogue, {PAIRS: canonical(sparse.csr_array(pairs))}, {PAIRS: 1})


def liked_matrix(events: RatedEvents, users: Ints) -> sparse.csr_array:
    """1 for each of these users and film they liked; int64 (users, films)."""
    liked = events.positives
    rows = np.minimum(np.searchsorted(users, liked.users), max(len(users) - 1, 0))
    theirs = users[rows] == liked.users if len(users) else np.zeros(len(liked), dtype=np.bool_)
    shape = (len(users), len(events.catalogue))
    ones = np.ones(int(theirs.sum()), dtype=np.int64)
    matrix = canonical(sparse.coo_array((ones, (rows[theirs], liked.columns[theirs])), shape=shape).tocsr())
    matrix.data[:] = 1
    return matrix
