from __future__ import annotations

import os
import subprocess
import sys
from dataclasses import replace

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.base import BaseEstimator
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.linear_model import LogisticRegression, Ridge, RidgeClassifier
from sklearn.neighbors import KNeighborsClassifier
from sklearn.tree import DecisionTreeClassifier

from models.artefact import pack, unpack
from models.errors import InvalidProbabilityModel, NothingToTellApart, ScoresNotFinite
from models.out_of_fold_fit import fit_out_of_fold, stratified_folds
from models.probability_model import FittedProbabilityModel, ProbabilityModel
from models.probability_model_fit import fit_uncalibrated
from models.probability_tuning import tuned_model
from small_cascade import model, visitors

ROWS, SERVED = visitors(), visitors(150, seed=1)


def fitted(declared: ProbabilityModel, rows: pl.DataFrame = ROWS) -> FittedProbabilityModel:
    return fit_out_of_fold(declared, rows, stratified_folds(declared, rows, k=3))[0]


GATE = fitted(model())
EXPECTED = GATE.probabilities(SERVED)

CLASSIFIERS: list[tuple[str, BaseEstimator]] = [
    ("is_child", LogisticRegression(C=0.1)),
    ("segment", LogisticRegression()),
    ("segment", RidgeClassifier()),
    ("is_child", RidgeClassifier()),
    ("segment", DecisionTreeClassifier(max_depth=3, random_state=0)),
    ("is_child", HistGradientBoostingClassifier(max_iter=5, early_stopping=False)),
    ("segment", KNeighborsClassifier()),
]


def test_probabilities_are_float64_of_each_class_and_sum_to_one() -> None:
    assert EXPECTED.dtype == np.float64
    assert EXPECTED.shape == (150, 2)
    assert GATE.classes == (False, True)
    assert np.allclose(EXPECTED.sum(axis=1), 1)
    assert ((EXPECTED[:, 1] > 0.5) == SERVED["is_child"].to_numpy()).mean() > 0.8
    assert GATE.probabilities(SERVED.clear()).shape == (0, 2)


@settings(max_examples=25, deadline=None)
@given(st.lists(st.integers(0, 149), min_size=1, max_size=200))
def test_rows_in_any_order_and_number_get_the_same_bytes(chosen: list[int]) -> None:
    assert GATE.probabilities(SERVED[chosen]).tobytes() == EXPECTED[chosen].tobytes()


@pytest.mark.parametrize(("label", "classifier"), CLASSIFIERS)
def test_any_classifier_serves_single_rows_and_comes_back_from_its_bytes(label: str, classifier: BaseEstimator) -> None:
    gate = fitted(model(label, classifier))
    batch = gate.probabilities(SERVED)
    artefact = pack(gate)
    back = FittedProbabilityModel.of(unpack(artefact.data, artefact.sha256))

    alone = [gate.probabilities(SERVED[n : n + 1]) for n in range(SERVED.height)]
    shuffled = np.random.default_rng(0).permutation(SERVED.height)

    assert np.concatenate(alone).tobytes() == batch.tobytes()
    assert gate.probabilities(SERVED[shuffled]).tobytes() == batch[shuffled].tobytes()
    assert back.probabilities(SERVED).tobytes() == batch.tobytes()
    assert pack(back).content == artefact.content
    assert np.allclose(batch.sum(axis=1), 1)
    assert ((batch >= 0) & (batch <= 1)).all()
    right = np.array(gate.classes)[batch.argmax(axis=1)] == SERVED[label].to_numpy()
    assert right.mean() > 0.7


def test_another_process_says_the_same_bytes() -> None:
    artefact = pack(GATE)
    program = (
        "import sys; from models.artefact import unpack; from models.probability_model import FittedProbabilityModel;"
        "from small_cascade import visitors; data = sys.stdin.buffer.read();"
        "gate = FittedProbabilityModel.of(unpack(data, sys.argv[1]));"
        "sys.stdout.buffer.write(gate.probabilities(visitors(150, seed=1)).tobytes());"
    )
    path = os.pathsep.join(sys.path)
    child = subprocess.run(
        [sys.executable, "-c", program, artefact.sha256],
        input=artefact.data,
        capture_output=True,
        check=True,
        env={**os.environ, "PYTHONPATH": path, "PYTHONHASHSEED": "7"},
    )
    assert child.stdout == EXPECTED.tobytes()


def test_the_same_rows_give_the_same_model_whatever_stands_beside_them() -> None:
    more = ROWS.with_columns(unheard_of=pl.lit(1))

    assert pack(fitted(model())).content == pack(GATE).content == pack(fitted(model(), more)).content
    assert pack(fitted(model(), ROWS.with_columns(pl.col("age") + 1e-6))).content != pack(GATE).content


def test_the_declaration_has_a_name_for_every_setting() -> None:
    declared = model()

    assert declared.fingerprint == model().fingerprint
    changed = [
        declared.using(C=0.31),
        replace(declared, version=2),
        replace(declared, calibration="isotonic"),
        replace(declared, label="likes_cake"),
        replace(declared, transform=replace(declared.transform, version=2)),
        replace(declared, classifier=DecisionTreeClassifier()),
    ]
    assert len({declared.fingerprint, *(c.fingerprint for c in changed)}) == 7


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        (lambda: model(classifier=Ridge()), "gives no probabilities"),
        (lambda: model(classifier=RidgeClassifier(), calibration="none"), "gives no probabilities"),
        (lambda: model(calibration="magic"), "calibration is 'magic'"),
        (lambda: replace(model(), version=0), "version is 0"),
        (lambda: replace(model(), label="age"), r"takes \['age'\]"),
        (lambda: replace(model(), entity="visits"), r"takes \['visits'\]"),
    ],
)
def test_a_declaration_that_cannot_be_meant_is_refused(wrong: object, said: str) -> None:
    with pytest.raises(InvalidProbabilityModel, match=said):
        wrong()  # type: ignore[operator]  # wrong on purpose


@pytest.mark.parametrize(
    ("rows", "said"),
    [
        (ROWS.clear(), "there is no row"),
        (ROWS.filter("is_child"), "all of .* rows have is_child = True"),
        (ROWS.drop("is_child"), "no column 'is_child'"),
        (ROWS.with_columns(is_child=pl.when(pl.col("visitor") > 3).then("is_child")), "4 of 240 rows have no is_child"),
    ],
)
def test_there_must_be_something_to_tell_apart(rows: pl.DataFrame, said: str) -> None:
    with pytest.raises(NothingToTellApart, match=said):
        fit_uncalibrated(model(), rows)


def test_isotonic_calibration_is_for_two_classes() -> None:
    with pytest.raises(InvalidProbabilityModel, match="3 classes"):
        fitted(model("segment", calibration="isotonic"))


def test_scores_that_are_no_numbers_are_refused() -> None:
    broken = LogisticRegression().fit(np.zeros((4, 8)), [0, 1, 0, 1])
    broken.coef_ = np.full((1, 8), np.inf)

    with pytest.raises(ScoresNotFinite, match="150 of 150 rows"):
        replace(GATE, classifier=broken).probabilities(SERVED)


def test_settings_are_chosen_by_log_loss_out_of_fold() -> None:
    folds = stratified_folds(model(), ROWS, k=3)
    grid = {"C": (1e-3, 0.3)}

    found = tuned_model(model(), grid, ROWS, folds)

    assert found.model.classifier.C == 0.3
    assert found.tried["chosen"].to_list() == [False, True]
    # The loss is that of the calibrated predictions out of fold.
    for setting, loss in zip(grid["C"], found.tried["log_loss"], strict=True):
        said = fit_out_of_fold(model().using(C=setting), ROWS, folds)[1]
        own = said.probabilities[np.arange(len(said.codes)), said.codes]
        assert loss == pytest.approx(-np.log(own).mean())
    with pytest.raises(InvalidProbabilityModel, match="grid"):
        tuned_model(model(), {}, ROWS, folds)
