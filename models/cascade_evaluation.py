"""End to end: what users get through the routes that the router predicts, beside what else they could have got.

Four ways to serve the same users are compared on the same hidden films: through predicted routes, through the true
ones (an oracle's), by one single model, and by popularity. The regret of routing is what the oracle has above the
prediction. For a policed segment it can be negative: who is wrongly sent to the open catalogue finds more, and is
shown what the policy forbids; so exposure is stated beside it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import polars as pl
from numpy.typing import NDArray

from feature_groups.store.html_table import html_table
from models.bootstrap import Interval, interval, paired_difference
from models.errors import RankerMisused

PREDICTED, ORACLE, SINGLE, POPULARITY = "predicted routes", "oracle routes", "single model", "popularity"
EVERYBODY = "everybody"
Texts = NDArray[np.str_]


@dataclass(frozen=True, eq=False)
class CascadeReport:
    """How a cascade serves.

    Attributes:
        levels: One row per segment and way to serve: ``segment``, ``served_by``, ``users``, ``ndcg`` with its 95 %
            interval by user (``low``, ``high``), and ``restricted``, the mean share of films shown that are restricted.
        differences: One row per segment and comparison, paired by user: ``segment``, ``of`` (``regret of routing``:
            oracle less predicted; ``gain over single model``, ``gain over popularity``: predicted less that),
            ``users``, ``ndcg`` with ``low`` and ``high``, and ``restricted``, the difference of the mean shares.
        misrouted: Per true route: ``route``, ``users``, ``elsewhere``, the share of them that is sent elsewhere.
    """

    levels: pl.DataFrame
    differences: pl.DataFrame
    misrouted: pl.DataFrame

    def __repr__(self) -> str:
        with pl.Config(tbl_rows=50, tbl_hide_dataframe_shape=True, float_precision=4):
            return f"{self.levels}\n{self.differences}\n{self.misrouted}"

    def _repr_html_(self) -> str:
        titles = ("End to end", "Differences, paired by user", "Users sent elsewhere than they belong")
        frames = (self.levels, self.differences, self.misrouted)
        return "".join(f"<h4>{t}</h4>{_table(frame)}" for t, frame in zip(titles, frames, strict=True))


def evaluate_cascade(
    lists: Mapping[str, pl.DataFrame],
    predicted: Texts,
    true: Texts,
    single: pl.DataFrame,
    popularity: pl.DataFrame,
    segments: Mapping[str, NDArray[np.bool_]] | None = None,
) -> CascadeReport:
    """Judge a cascade end to end.

    Args:
        lists: Per route, how good its branch's films are for every user, as `HoldOut.judged` says: also for users
            whom the router sends elsewhere.
        predicted: The route of each user that the router predicts, out of fold; (n,).
        true: The route that each belongs to; (n,).
        single: The same as `lists` of one model for all, with all films.
        popularity: The same of popularity.
        segments: Users by name of the segment, bool (n,); by default those of each true route. Everybody is added.

    Raises:
        RankerMisused: The lists and routes are not of the same users, or a route has no lists.
        NothingToLearn: A segment is empty.
    """
    users = _users([*lists.values(), single, popularity], len(predicted), len(true))
    unknown = set(np.concatenate([predicted, true]).tolist()) - set(lists)
    if unknown:
        raise _misused(f"there are no lists of the routes {sorted(unknown)}.")
    of = dict(segments) if segments is not None else {name: true == name for name in lists if (true == name).any()}
    chosen = {EVERYBODY: np.ones(len(users), dtype=np.bool_), **of}
    served = {
        PREDICTED: _through(lists, predicted),
        ORACLE: _through(lists, true),
        SINGLE: _columns(single),
        POPULARITY: _columns(popularity),
    }
    compared = {
        "regret of routing": (ORACLE, PREDICTED),
        "gain over single model": (PREDICTED, SINGLE),
        "gain over popularity": (PREDICTED, POPULARITY),
    }
    levels, differences = [], []
    for segment, inside in chosen.items():
        for name, (ndcg, restricted) in served.items():
            level = interval(ndcg[inside], users[inside])
            levels.append({"segment": segment, "served_by": name, **_said(level, _mean(restricted[inside]))})
        for name, (ours, theirs) in compared.items():
            (one, shown), (other, shown_there) = served[ours], served[theirs]
            gain = paired_difference(one[inside], other[inside], users[inside])
            more = _mean(shown[inside]) - _mean(shown_there[inside])
            differences.append({"segment": segment, "of": name, **_said(gain, more)})
    misrouted = []
    for name in lists:
        if (theirs_are := true == name).any():
            elsewhere = float((predicted[theirs_are] != name).mean())
            misrouted.append({"route": name, "users": int(theirs_are.sum()), "elsewhere": elsewhere})
    return CascadeReport(pl.DataFrame(levels), pl.DataFrame(differences), pl.DataFrame(misrouted))


Judged = tuple[NDArray[np.float64], NDArray[np.float64]]


def _columns(lists: pl.DataFrame) -> Judged:
    return lists["ndcg"].to_numpy(), lists["restricted"].to_numpy()


def _through(lists: Mapping[str, pl.DataFrame], routes: Texts) -> Judged:
    """NDCG and exposure of each user, from the lists of the user's route."""
    ndcg, restricted = np.full(len(routes), np.nan), np.full(len(routes), np.nan)
    for name, judged in lists.items():
        inside = routes == name
        ndcg[inside], restricted[inside] = (column[inside] for column in _columns(judged))
    return ndcg, restricted


def _said(found: Interval, restricted: float) -> dict[str, float | int]:
    return {
        "users": found.users,
        "ndcg": found.mean,
        "low": found.low,
        "high": found.high,
        "restricted": restricted,
    }


def _mean(shares: NDArray[np.float64]) -> float:
    # A user to whom nothing was shown has no share.
    return float(np.nanmean(shares)) if np.isfinite(shares).any() else 0.0


def _users(frames: list[pl.DataFrame], predicted: int, true: int) -> NDArray[np.int64]:
    first = frames[0]["user_id"].to_numpy()
    if not all(np.array_equal(first, frame["user_id"].to_numpy()) for frame in frames):
        raise _misused("the lists are of different users.")
    if not len(first) == predicted == true:
        raise _misused(f"{len(first)} users have {predicted} predicted and {true} true routes.")
    return first


def _misused(what: str) -> RankerMisused:
    return RankerMisused(
        "evaluation of a cascade",
        what=what,
        state="was not judged",
        next_step="judge every branch, the single model and popularity on one hold-out, and route its users.",
    )


def _table(frame: pl.DataFrame) -> str:
    rows = [[f"{v:.4f}" if isinstance(v, float) else str(v) for v in row] for row in frame.rows()]
    return html_table(frame.columns, rows)
