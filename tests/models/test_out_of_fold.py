from __future__ import annotations

from functools import cache

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.neighbors import KNeighborsClassifier

from models.calibration_fit import fit_calibrator
from models.errors import FoldsMismatch
from models.out_of_fold import OutOfFold
from models.out_of_fold_fit import fit_out_of_fold, in_sample, stratified_folds
from models.probability_model_fit import fit_uncalibrated
from small_cascade import model, visitors

ROWS = visitors(120)
GATE = model()
FOLDS = stratified_folds(GATE, ROWS, k=3, seed=4)


@cache
def found() -> OutOfFold:
    return fit_out_of_fold(GATE, ROWS, FOLDS)[1]


def test_every_row_is_judged_once_by_a_model_fitted_without_its_fold() -> None:
    frame = found().frame

    assert frame.columns == ["visitor", "fold", "oof_score", "oof_raw", "label"]
    assert frame["visitor"].to_list() == ROWS["visitor"].to_list()
    assert frame["label"].to_list() == ROWS["is_child"].to_list()
    for fold in ("fold_0", "fold_1", "fold_2"):
        inside = (fold == FOLDS).to_numpy()
        alone = fit_uncalibrated(GATE, ROWS.filter(~inside)).raw(ROWS.filter(inside))
        assert frame.filter(inside)["oof_raw"].to_numpy().tobytes() == alone[:, 1].tobytes()


@settings(max_examples=12, deadline=None)
@given(st.integers(0, 2), st.lists(st.booleans(), min_size=40, max_size=40))
def test_labels_of_a_fold_reach_its_scores_only_through_one_curve_for_all(fold: int, flipped: list[bool]) -> None:
    inside = f"fold_{fold}" == FOLDS
    places = np.flatnonzero(inside.to_numpy())
    labels = ROWS["is_child"].to_numpy().copy()
    labels[places] ^= np.resize(flipped, len(places))

    other = fit_out_of_fold(GATE, ROWS.with_columns(is_child=labels), FOLDS)[1]

    own = inside.to_numpy()
    assert other.raw[own].tobytes() == found().raw[own].tobytes()
    # Calibrated scores are these under the curve of the other folds, which all rows of the fold share.
    curve = fit_calibrator("platt", other.raw[~own], other.codes[~own])
    assert other.probabilities[own].tobytes() == curve.apply(found().raw[own]).tobytes()


@settings(max_examples=8, deadline=None)
@given(st.integers(0, 119))
def test_the_inputs_of_a_row_reach_no_other_score_of_its_fold(row: int) -> None:
    changed = ROWS.with_columns(
        age=pl.when(pl.col("visitor") == row).then(99.0).otherwise("age"),
        bought=pl.when(pl.col("visitor") == row).then(pl.lit([77, 78], dtype=pl.List(pl.Int64()))).otherwise("bought"),
    )

    other = fit_out_of_fold(GATE, changed, FOLDS)[1]

    same_fold = (FOLDS[row] == FOLDS).to_numpy() & (np.arange(120) != row)
    assert other.raw[same_fold].tobytes() == found().raw[same_fold].tobytes()


def test_a_memory_of_its_training_rows_shows_in_sample_and_not_out_of_fold() -> None:
    noise = ROWS.with_columns(is_child=pl.Series(np.random.default_rng(3).random(120) < 0.4))
    parrot = model(classifier=KNeighborsClassifier(1))

    seen = in_sample(parrot, noise)
    unseen = fit_out_of_fold(parrot, noise, stratified_folds(parrot, noise, k=3))[1]

    def right(said: OutOfFold) -> float:
        return float(((said.raw[:, 1] > 0) == noise["is_child"].to_numpy()).mean())

    assert right(seen) == 1.0
    assert 0.35 < right(unseen) < 0.65
    assert set(seen.frame["fold"]) == {"in_sample"}


def test_whole_entities_are_dealt_by_hash_and_seed_whatever_the_order_of_rows() -> None:
    twice = pl.concat([ROWS, ROWS.with_columns(age=pl.col("age") + 1)])
    folds = stratified_folds(GATE, twice, k=4, seed=1)
    order = np.random.default_rng(0).permutation(twice.height)

    assert folds[:120].to_list() == folds[120:].to_list()
    assert stratified_folds(GATE, twice[order], k=4, seed=1).to_list() == folds.gather(order).to_list()
    assert stratified_folds(GATE, twice, k=4, seed=2).to_list() != folds.to_list()
    of = pl.DataFrame({"fold": folds, "label": twice["is_child"]}).group_by("fold").agg(pl.col("label").mean())
    assert of["label"].max() - of["label"].min() < 0.05  # type: ignore[operator]  # a number here


def test_with_several_classes_a_row_has_a_score_for_each() -> None:
    gate = model("segment")
    frame = fit_out_of_fold(gate, ROWS, stratified_folds(gate, ROWS, k=3))[1].frame

    assert frame.schema["oof_score"] == frame.schema["oof_raw"] == pl.List(pl.Float64())
    assert np.allclose(frame["oof_score"].list.sum(), 1)
    best = frame.select(pl.col("oof_score").list.arg_max()).to_series().to_list()
    assert np.mean([["child", "grown", "old"][n] == label for n, label in zip(best, frame["label"], strict=True)]) > 0.8


def test_equal_predictions_have_equal_content_and_others_another() -> None:
    again = fit_out_of_fold(GATE, ROWS, FOLDS)
    changed = ROWS.with_columns(is_child=pl.col("is_child") ^ (pl.col("visitor") == 5))

    assert again[1].content == found().content == again[0].out_of_fold
    assert fit_out_of_fold(GATE, changed, FOLDS)[1].content != found().content
    assert fit_out_of_fold(GATE, ROWS, stratified_folds(GATE, ROWS, k=3, seed=5))[1].content != found().content


@pytest.mark.parametrize(
    ("folds", "said"),
    [
        (FOLDS[:-1], "119 folds"),
        (pl.Series(["a"] * 120), "All rows are in the fold 'a'"),
        (pl.Series([*FOLDS[:-1], None]), "1 of them NULL"),
    ],
)
def test_folds_that_do_not_go_with_the_rows_are_refused(folds: pl.Series, said: str) -> None:
    with pytest.raises(FoldsMismatch, match=said):
        fit_out_of_fold(GATE, ROWS, folds)


def test_an_entity_in_two_folds_is_refused() -> None:
    twice = pl.concat([ROWS, ROWS])
    folds = pl.Series(["a"] * 120 + ["b"] * 120)
    with pytest.raises(FoldsMismatch, match="120 of visitor are in several folds"):
        fit_out_of_fold(GATE, twice, folds)
