"""Blind concatenation hurts; weights chosen by validation switch off what is noise, and the report says so."""

from __future__ import annotations

import numpy as np
import polars as pl
import pytest
from sklearn.linear_model import Ridge
from sklearn.neighbors import KNeighborsRegressor

from models.ablation import ablation
from models.block_weights import Fold, Trials, choose_weights, shortfall
from models.blocks_numbers import Numbers
from models.errors import InvalidWeights, NothingToFit
from models.matrix import Matrix
from models.transform import Block, Transform
from models.transform_fit import fit

NOISE = tuple(f"noise{n}" for n in range(30))
ROWS = 400
WEIGHTS = {"taste": 1.0, "noise": 1.0, "year": 1.0}

mixed = Transform(
    name="mixed",
    version=1,
    inputs=dict.fromkeys(("a", "b", "year", *NOISE), pl.Float64),
    blocks=(
        Block("taste", Numbers(("a", "b")), normalise="unit"),
        Block("noise", Numbers(NOISE), normalise="unit"),
        Block("year", Numbers(("year",)), normalise="unit"),
    ),
)


def planted(seed: int) -> tuple[pl.DataFrame, np.ndarray]:
    draw = np.random.default_rng(seed)
    held = {name: draw.normal(size=ROWS) for name in mixed.inputs}
    target = np.sin(2 * held["a"]) + held["b"] + 0.8 * held["year"] + draw.normal(scale=0.3, size=ROWS)
    return pl.DataFrame(held), target


def folds(model: object, seed: int = 0, n: int = 4) -> list[Fold]:
    frame, target = planted(seed)
    made = []
    for k in range(n):
        kept = np.arange(ROWS) % n == k
        fitted = fit(mixed, frame.filter(~kept))

        def judge(train: Matrix, validation: Matrix, kept: np.ndarray = kept) -> float:
            # This one has it.
            return float(model.fit(train.values, target[~kept]).score(validation.values, target[kept]))  # type: ignore[attr-defined]

        made.append(Fold(fitted.blocks_of(frame.filter(~kept)), fitted.blocks_of(frame.filter(kept)), judge))
    return made


@pytest.mark.parametrize("model", [KNeighborsRegressor(7), Ridge(1.0)], ids=["neighbours", "linear"])
def test_the_noise_is_switched_off_and_rows_never_seen_are_judged_better(model: object) -> None:
    chosen = choose_weights(folds(model), WEIGHTS)

    assert chosen.weights["noise"] == 0
    assert chosen.weights["taste"] > 0
    assert chosen.weights["year"] > 0
    train, target = planted(0)
    unseen, truth = planted(99)
    scores = []
    for weights in (WEIGHTS, chosen.weights):
        fitted = fit(mixed.weighted(weights), train)
        model.fit(fitted.apply(train).values, target)  # type: ignore[attr-defined]  # this one has it
        scores.append(model.score(fitted.apply(unseen).values, truth))  # type: ignore[attr-defined]  # this one has it
    assert scores[1] > scores[0]


def test_blind_concatenation_with_noise_hurts_neighbours() -> None:
    trials = Trials(folds(KNeighborsRegressor(7)))

    blind, without = (np.mean(trials.scores({**WEIGHTS, "noise": weight})) for weight in (1, 0))

    assert blind < without - 0.03


def test_the_report_says_what_each_block_is_worth() -> None:
    report = ablation(folds(KNeighborsRegressor(7)), WEIGHTS)

    worth = {row["block"]: row for row in report.blocks.to_dicts()}
    assert {name: row["pays"] for name, row in worth.items()} == {"taste": True, "noise": False, "year": True}
    assert worth["noise"]["worth"] < -0.03
    assert worth["taste"]["alone"] > 0.5 > worth["noise"]["alone"]
    assert worth["taste"]["worth"] == pytest.approx(report.score - worth["taste"]["without"])
    assert "taste" in report._repr_html_()
    assert repr(report).startswith("Ablation(score ")


def test_a_block_alone_is_judged_without_others() -> None:
    frame, _ = planted(0)
    single = Transform("one", 1, {"a": pl.Float64}, (Block("a", Numbers(("a",))),))
    blocks = fit(single, frame).blocks_of(frame)
    fold = Fold(blocks, blocks, lambda train, validation: float(train.values.std()))

    report, chosen = ablation([fold], {"a": 1.0}), choose_weights([fold], {"a": 1.0})

    assert report.blocks.select("without", "worth", "se", "pays").row(0) == (None, None, None, None)
    assert chosen.weights == {"a": 1.0}


def test_each_set_of_weights_is_judged_once() -> None:
    asked = []
    frame, _ = planted(0)
    blocks = fit(mixed, frame).blocks_of(frame)

    def judge(train: Matrix, validation: Matrix) -> float:
        asked.append(train.values.tobytes())
        return 0.0

    chosen = choose_weights([Fold(blocks, blocks, judge)], WEIGHTS)

    assert len(asked) == len(set(asked))
    assert sorted(chosen.weights.values()) == [0, 0, 0.1], "of equal scores the fewest blocks"
    assert "chosen" in chosen._repr_html_()
    assert repr(chosen).startswith("ChosenWeights(taste ")


def test_shortfalls_are_paired() -> None:
    assert shortfall([1.0, 2.0, 3.0], [0.9, 1.9, 2.9]) == pytest.approx((0.1, 0), abs=1e-9)
    assert shortfall([2.0, 4.0], [1.0, 1.0]) == pytest.approx((2, 1))
    assert shortfall([1.0], [0.5]) == (0.5, 0.0)


def test_weights_and_folds_that_cannot_be_are_refused() -> None:
    with pytest.raises(NothingToFit, match="There is no fold"):
        choose_weights([], WEIGHTS)
    with pytest.raises(InvalidWeights, match="'year' has no weight"):
        choose_weights(folds(Ridge(), n=2), {"taste": 1.0, "noise": 1.0})
    with pytest.raises(InvalidWeights, match="the weight -1"):
        choose_weights(folds(Ridge(), n=2), WEIGHTS, grid=[-1.0])
