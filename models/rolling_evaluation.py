"""Rolling evaluation: every positive rating from an instant on is to be found from what was known just then."""

from __future__ import annotations

from datetime import datetime

import numpy as np
import polars as pl
from numpy.typing import NDArray

from models.errors import NothingToLearn
from models.histories import HistoryRule
from models.ranker import Mask, Ranker, excluded, ranks
from models.rated_events import Ints, RatedEvents, microseconds

_BLOCK = 256
"""Histories that are scored at a time: their scores stay in the cache."""

_SEEN = HistoryRule()
"""Everything rated, whatever the stars: it is not recommended again."""


def rolling(
    ranker: Ranker,
    events: RatedEvents,
    since: datetime,
    *,
    until: datetime | None = None,
    sample: int | None = None,
    seed: int = 0,
    allowed: Mask | None = None,
) -> pl.DataFrame:
    """The rank of every film that was liked, among all that the user had not rated strictly before.

    The ranker must have been fitted on events before `since`. Every history holds what was rated strictly before the
    instant of the event, also after `since`.

    Args:
        ranker: Fitted over the events' catalogue.
        events: All ratings of the users, before and after.
        since: First instant that is judged, inclusive.
        until: End of what is judged, exclusive; None for no end.
        sample: Judge so many of the events, drawn evenly; None for all.
        seed: Of the draw.
        allowed: bool (m,), the films that may be recommended; None for all.

    Returns:
        One row per positive rating of a user who had rated before: ``user_id``, ``rated_at``, ``movie_id``, ``rank``
        (Int64, from 0; -1 where it cannot be recommended), ordered by user and time. A target that is not in the
        catalogue counts as not found.

    Raises:
        CataloguesDiffer: The ranker is of other films.
        NothingToLearn: No event can be judged.
    """
    ranker.catalogue.must_be(events.catalogue, "rolling evaluation")
    inside = events.liked & (events.times >= microseconds(since))
    if until is not None:
        inside &= events.times < microseconds(until)
    starts, ends = events.strictly_before(events.users, events.times)
    judged = np.flatnonzero(inside & (starts < ends))
    if sample is not None and sample < len(judged):
        judged = np.sort(np.random.default_rng(seed).choice(judged, sample, replace=False))
    if not len(judged):
        raise NothingToLearn(
            "rolling evaluation",
            what=f"no positive rating since {since:%Y-%m-%d} comes from a user who had rated before.",
            state="was not made",
            next_step="choose an earlier instant.",
        )
    return pl.DataFrame(
        {
            "user_id": events.users[judged],
            "rated_at": pl.Series(events.times[judged]).cast(pl.Datetime("us", "UTC")),
            "movie_id": _ids(events, judged),
            "rank": _ranked(ranker, events, judged, allowed),
        }
    )


def _ranked(ranker: Ranker, events: RatedEvents, judged: Ints, allowed: Mask | None) -> Ints:
    users, times = events.users[judged], events.times[judged]
    # What is asked at one instant is scored once.
    first = np.flatnonzero(np.diff(users, prepend=users[0] - 1) | np.diff(times, prepend=times[0] - 1))
    groups = np.repeat(np.arange(len(first)), np.diff(np.append(first, len(judged))))
    histories = ranker.rule.before(events, users[first], times[first])
    seen = _SEEN.before(events, users[first], times[first])
    found = np.empty(len(judged), dtype=np.int64)
    for begin in range(0, len(first), _BLOCK):
        rows = slice(begin, begin + _BLOCK)
        targets = slice(*np.searchsorted(groups, [begin, begin + _BLOCK]))
        scores = excluded(ranker.scores(histories[rows]), allowed, seen[rows])
        found[targets] = ranks(scores, groups[targets] - begin, events.columns[judged[targets]])
    return found


def _ids(events: RatedEvents, judged: Ints) -> NDArray[np.int64]:
    columns = events.columns[judged]
    return np.where(columns >= 0, events.catalogue.items[np.maximum(columns, 0)], columns)
