"""Weights of blocks chosen by validation, zero allowed: blocks put together blindly were measured to hurt."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from statistics import fmean, stdev

import polars as pl

from models.errors import NothingToFit
from models.matrix import Blocks, Matrix, checked_weights

GRID = (0.0, 0.1, 0.3, 1.0)

PAYS = 2.0
"""Standard errors by which a block must gain: the best of several weights is better by one by luck alone."""


@dataclass(frozen=True, eq=False)
class Fold:
    """One way to part the training split into rows to learn from and rows to judge by.

    Attributes:
        train: Of the rows to learn from, by a transform fitted on these rows.
        validation: Of the rows to judge by, by the same transform.
        judge: Learns from the first matrix and says how well that does on the second; more is better.
    """

    train: Blocks
    validation: Blocks
    judge: Callable[[Matrix, Matrix], float]


@dataclass(frozen=True, eq=False)
class Trials:
    """Judges sets of weights on the same folds, each once.

    Attributes:
        folds: At least one.
    """

    folds: Sequence[Fold]
    _known: dict[tuple[float, ...], tuple[float, ...]] = field(default_factory=dict, repr=False)

    def __post_init__(self) -> None:
        if not self.folds:
            where, next_step = "weights of blocks", "part the training split into folds."
            raise NothingToFit(where, what="There is no fold.", state="were not judged", next_step=next_step)

    @cached_property
    def blocks(self) -> tuple[str, ...]:
        """Names of the blocks, in their order."""
        return tuple(self.folds[0].train.rows)

    def scores(self, weights: Mapping[str, float]) -> tuple[float, ...]:
        """The judges' scores, fold by fold.

        Raises:
            InvalidWeights: They are not the blocks' weights.
        """
        checked = checked_weights("weights of blocks", weights, dict.fromkeys(self.blocks))
        key = tuple(checked.values())
        if key not in self._known:
            pairs = ((f, f.train.weighted(checked), f.validation.weighted(checked)) for f in self.folds)
            self._known[key] = tuple(float(fold.judge(train, validation)) for fold, train, validation in pairs)
        return self._known[key]


@dataclass(frozen=True, eq=False)
class ChosenWeights:
    """Weights that validation chose.

    Attributes:
        weights: Of each block; 0 switches it off.
        score: The judges' mean with these weights.
        trials: One row per block and weight tried in the last round, the others being as chosen by then:
            ``block``, ``weight``, ``score`` (mean), ``short`` (mean shortfall against the best), ``se`` (its standard
            error over folds) and ``chosen``.
    """

    weights: dict[str, float]
    score: float
    trials: pl.DataFrame

    def __repr__(self) -> str:
        shown = ", ".join(f"{name} {weight:g}" for name, weight in self.weights.items())
        return f"ChosenWeights({shown}; score {self.score:.4f})"

    def _repr_html_(self) -> str:
        return self.trials._repr_html_()


def choose_weights(
    folds: Sequence[Fold], start: Mapping[str, float], grid: Sequence[float] = GRID, rounds: int = 3
) -> ChosenWeights:
    """Choose the weight of one block after the other, until a round changes none.

    A block takes the weight of the best mean score; but 0, unless the best is better than without the block by more
    than `PAYS` standard errors of the difference over the folds: a block must pay its way.

    Args:
        folds: Of the training split only; several, so that differences have an error.
        start: A weight for every block.
        grid: Weights to try, 0 or more.
        rounds: At most so many.

    Raises:
        InvalidWeights: `start` is not the blocks' weights, or the grid holds what is none.
        NothingToFit: There is no fold.
    """
    trials = Trials(folds)
    weights = checked_weights("weights of blocks", start, dict.fromkeys(trials.blocks))
    rows: list[dict[str, object]] = []
    for _ in range(rounds):
        before, rows = dict(weights), []
        for block in trials.blocks:
            found = _tried(trials, weights, block, sorted({*grid, weights[block]}))
            best = max(found, key=lambda weight: (fmean(found[weight]), -weight))
            short = {weight: shortfall(found[best], found[weight]) for weight in found}
            weights[block] = best if 0.0 not in short or pays(*short[0.0]) else 0.0
            rows += [_row(block, w, found[w], short[w], chosen=w == weights[block]) for w in found]
        if weights == before:
            break
    return ChosenWeights(weights, fmean(trials.scores(weights)), pl.DataFrame(rows))


def shortfall(better: Sequence[float], worse: Sequence[float]) -> tuple[float, float]:
    """The mean of paired differences, and its standard error (0 for a single pair)."""
    differences = [b - w for b, w in zip(better, worse, strict=True)]
    n = len(differences)
    return fmean(differences), stdev(differences) / math.sqrt(n) if n > 1 else 0.0


def pays(worth: float, se: float) -> bool:
    """Whether a mean gain is more than luck."""
    return worth > PAYS * se


def _tried(
    trials: Trials, weights: Mapping[str, float], block: str, grid: Sequence[float]
) -> dict[float, tuple[float, ...]]:
    others = any(weight for name, weight in weights.items() if name != block)
    return {w: trials.scores({**weights, block: w}) for w in grid if w or others}


def _row(
    block: str, weight: float, scores: Sequence[float], short: tuple[float, float], *, chosen: bool
) -> dict[str, object]:
    mean, se = short
    return {"block": block, "weight": weight, "score": fmean(scores), "short": mean, "se": se, "chosen": chosen}
