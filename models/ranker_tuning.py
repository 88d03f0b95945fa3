"""Tuning of rankers: settings are tried on a validation part of the training data, never on what is judged later."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from fractions import Fraction

import numpy as np
import polars as pl

from models.bootstrap import Interval, interval, paired_difference
from models.errors import RankerMisused
from models.followed_pairs import followed_pairs
from models.histories import HistoryRule
from models.history_ridge import HistoryRidge
from models.holdout_evaluation import HoldOut
from models.item_statistics import ItemStatistics
from models.linear_ranker import must_hold_any
from models.ranker_choice import Grid, RankerChoice, RankerKind, Setting, ridge_rule
from models.ranking_metrics import ndcg
from models.rated_events import Ints, RatedEvents, microseconds
from models.rolling_evaluation import rolling

RIDGE_GRID: Grid = {
    "tau": (5.0, 3.0, 8.0),
    "length": (20, 10),
    "penalty": (200.0, 50.0, 1000.0),
}
"""The first of each is where the search starts, and what is taken when nothing is better."""

EASE_GRID: Grid = {"penalty": (200.0, 100.0, 500.0, 1000.0, 3000.0, 10_000.0, 30_000.0)}
"""Few users need a large one: the larger, the closer to popularity."""

WEIGHTS = (Fraction(1), Fraction(3, 2), Fraction(2), Fraction(3))


@dataclass(frozen=True)
class Tuned:
    """What was chosen, and why.

    Attributes:
        chosen: The setting with the best NDCG; of equal ones the one tried first.
        tried: One row per setting, in the order tried: its values, ``ndcg``, ``low``, ``high`` (95 % interval by user)
            and ``chosen``.
    """

    chosen: Setting
    tried: pl.DataFrame

    @property
    def ndcg(self) -> float:
        """Of the setting that was chosen."""
        return float(self.tried.filter("chosen")["ndcg"].item())


def newest_part(events: RatedEvents, share: float = 0.1) -> datetime:
    """The instant from which on the newest positive ratings lie: where a validation part begins.

    Args:
        events: The training data.
        share: How many of the positive ratings, between 0 and 1; those of the first instant beside.

    Raises:
        NothingToLearn: There is no positive rating of a known film.
    """
    times = np.sort(events.positives.times)
    must_hold_any(times, "tuning")
    return datetime.fromtimestamp(int(times[int(len(times) * (1 - share))]) / 1_000_000, UTC)


def best_setting(grid: Grid, judged: Callable[[Setting], Interval]) -> Tuned:
    """One parameter after the other, in the grid's order, the others at the best so far.

    A sum of the grid's lengths is tried, not their product; each setting once.

    Args:
        grid: The values of each parameter, the one to start from first.
        judged: The NDCG of a setting.

    Raises:
        RankerMisused: A parameter has no value.
    """
    if not grid or not all(grid.values()):
        raise _nothing_to_try(f"the grid is {dict(grid)}.", "give every parameter at least one value.")
    found: dict[tuple[float, ...], Interval] = {}
    best = tuple(values[0] for values in grid.values())
    for place, values in enumerate(grid.values()):
        for setting in ((*best[:place], value, *best[place + 1 :]) for value in values):
            if setting not in found:
                found[setting] = judged(dict(zip(grid, setting, strict=True)))
        best = max(found, key=lambda setting: found[setting].mean)
    rows = [
        {**dict(zip(grid, map(float, setting), strict=True)), "ndcg": it.mean, "low": it.low, "high": it.high}
        for setting, it in found.items()
    ]
    chosen = [setting == best for setting in found]
    return Tuned(dict(zip(grid, best, strict=True)), pl.DataFrame(rows).with_columns(chosen=pl.Series(chosen)))


def tuned_history_ridge(
    events: RatedEvents,
    since: datetime,
    grid: Grid = RIDGE_GRID,
    *,
    sample: int = 5_000,
    seed: int = 0,
) -> Tuned:
    """tau, length and penalty by rolling NDCG on the last part of the training data.

    Args:
        events: The training data; nothing that is judged later.
        since: Where its validation part begins, inclusive; settings are fitted on what is before.
        grid: Values of ``tau``, ``length`` and ``penalty``. Put the penalty last: its values share one building of
            the statistics.
        sample: How many events of the validation part are judged.
        seed: Of their draw, the same for every setting.

    Raises:
        NothingToLearn: There is nothing before `since`, or nothing to judge from then on.
    """
    earlier = events.where(events.times < microseconds(since))
    built: dict[HistoryRule, ItemStatistics] = {}

    def judged(setting: Setting) -> Interval:
        rule = ridge_rule(setting)
        if rule not in built:
            built.clear()
            built[rule] = followed_pairs(earlier, rule)
        ranks = rolling(
            HistoryRidge.fit(built[rule], setting["penalty"], rule), events, since, sample=sample, seed=seed
        )
        return interval(ndcg(ranks["rank"].to_numpy()), ranks["user_id"].to_numpy(), draws=200)

    return best_setting(grid, judged)


def tuned_ranker(validation: HoldOut, grids: Mapping[RankerKind, Grid]) -> tuple[RankerChoice, pl.DataFrame]:
    """The kind of ranker, and its setting, with the best NDCG on a hold-out of the training data.

    Args:
        validation: Drawn from the training data, and asked as what is judged later is asked: which ranker is better
            depends on it.
        grids: What is tried of each kind; of equal ones the first is taken.

    Returns:
        The choice, and one row per setting in the order tried: ``ranker``, its values (NULL where the kind has no such
        parameter), ``ndcg``, ``low``, ``high`` (95 % interval by user) and ``chosen``.

    Raises:
        RankerMisused: There is no kind, or one has a parameter without values.
    """
    if not grids:
        raise _nothing_to_try("there is no kind of ranker.", "name at least one, for example ease.")
    found = {kind: best_setting(grid, _judging(kind, validation)) for kind, grid in grids.items()}
    best = max(found, key=lambda kind: found[kind].ndcg)
    tried = [
        one.tried.select(pl.lit(kind).alias("ranker"), pl.exclude("chosen"), pl.col("chosen") & pl.lit(kind == best))
        for kind, one in found.items()
    ]
    return RankerChoice(best, found[best].chosen), pl.concat(tried, how="diagonal")


def best_of_each(tried: pl.DataFrame) -> dict[str, float]:
    """The NDCG of the best setting of each kind of ranker, of what `tuned_ranker` tried; in the order tried."""
    best = tried.group_by("ranker", maintain_order=True).agg(pl.col("ndcg").max())
    return dict(best.iter_rows())


def _judging(kind: RankerKind, validation: HoldOut) -> Callable[[Setting], Interval]:
    built: dict[HistoryRule | None, ItemStatistics] = {}

    def judged(setting: Setting) -> Interval:
        choice = RankerChoice(kind, setting)
        if choice.rule not in built:
            built.clear()
            built[choice.rule] = choice.statistics(validation.kept)
        lists = validation.judged(choice.fit(built[choice.rule]))
        return interval(lists["ndcg"].to_numpy(), lists["user_id"].to_numpy(), draws=200)

    return judged


def tuned_segment_weight(
    validation: HoldOut, segment: Ints, ranker: RankerChoice, weights: Sequence[Fraction] = WEIGHTS
) -> Tuned:
    """How much a segment's own ratings weigh in the statistics that its branch shares with everybody.

    A weight is taken only if the 95 % interval of its paired gain over the first lies above 0: a small segment's NDCG
    is noisy, and the weight that happens to be best of several is not better for that.

    Args:
        validation: Drawn from the training data.
        segment: int64, ids of its users.
        ranker: Which one, with which setting.
        weights: The first is what is kept unless another pays; 1 shares evenly.

    Returns:
        The weight as ``weight``; `Tuned.tried` is about the segment's users and has, beside, ``gain`` over the first
        weight and its interval, ``gain_low`` and ``gain_high``.

    Raises:
        NothingToLearn: Nothing is hidden of the segment's users.
    """
    everybody = ranker.statistics(validation.kept)
    own = ranker.statistics(validation.kept.of_users(segment))
    inside = np.isin(validation.users, segment)
    users = validation.users[inside]
    first: np.ndarray[tuple[int], np.dtype[np.float64]] | None = None
    rows = []
    for weight in weights:
        lists = validation.judged(ranker.fit(everybody + own.times(weight - 1)))
        found = lists["ndcg"].to_numpy()[inside]
        first = found if first is None else first
        level, gain = interval(found, users), paired_difference(found, first, users)
        rows.append(
            {
                "weight": float(weight),
                "ndcg": level.mean,
                "low": level.low,
                "high": level.high,
                "gain": gain.mean,
                "gain_low": gain.low,
                "gain_high": gain.high,
            }
        )
    pays = [row for row in rows if row["gain_low"] > 0]
    best = max(pays, key=lambda row: row["ndcg"]) if pays else rows[0]
    return Tuned({"weight": best["weight"]}, pl.DataFrame(rows).with_columns(chosen=pl.col("weight") == best["weight"]))


def _nothing_to_try(what: str, next_step: str) -> RankerMisused:
    return RankerMisused("tuning", what=what, state="was not begun", next_step=next_step)
