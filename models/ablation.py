"""What each block is worth: the score with it, without it, and with nothing else."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import fmean

import polars as pl

from models.block_weights import Fold, Trials, pays, shortfall


@dataclass(frozen=True, eq=False)
class Ablation:
    """The report.

    Attributes:
        score: Mean over the folds with all blocks at their weights.
        blocks: One row per block: ``block``, ``weight``, ``alone`` (score of this block by itself), ``without`` (of
            all others; NULL where there is none), ``worth`` (what is lost without it), ``se`` (its standard error
            over the folds) and ``pays`` (worth more than `PAYS` standard errors).
    """

    score: float
    blocks: pl.DataFrame

    def __repr__(self) -> str:
        shown = ", ".join(f"{b} {w:+.4f}" for b, w in self.blocks.select("block", "worth").drop_nulls().iter_rows())
        return f"Ablation(score {self.score:.4f}; worth: {shown})"

    def _repr_html_(self) -> str:
        return f"<p>score {self.score:.4f}</p>{self.blocks._repr_html_()}"


def ablation(folds: Sequence[Fold], weights: Mapping[str, float]) -> Ablation:
    """Judge the blocks together, each left out, and each alone. A block of weight 0 is judged at weight 1 alone.

    Args:
        folds: As for `models.block_weights.choose_weights`.
        weights: Of every block.

    Raises:
        InvalidWeights: They are not the blocks' weights.
        NothingToFit: There is no fold.
    """
    trials = Trials(folds)
    together = trials.scores(weights)
    rows = []
    for block in trials.blocks:
        alone = {name: (weights[name] or 1.0) if name == block else 0.0 for name in trials.blocks}
        others = {**weights, block: 0.0}
        without = trials.scores(others) if any(others.values()) else None
        worth, se = shortfall(together, without) if without else (None, None)
        rows.append(
            {
                "block": block,
                "weight": weights[block],
                "alone": fmean(trials.scores(alone)),
                "without": fmean(without) if without else None,
                "worth": worth,
                "se": se,
                "pays": None if worth is None or se is None else pays(worth, se),
            }
        )
    return Ablation(
        fmean(together), pl.DataFrame(rows, schema_overrides=dict.fromkeys(("without", "worth"), pl.Float64))
    )
