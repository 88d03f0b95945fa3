from __future__ import annotations

import numpy as np
import pytest
from scipy.optimize import minimize
from scipy.special import expit
from sklearn.metrics import log_loss

from models.calibration import Isotonic, Platt
from models.calibration_curve import CalibrationCurve
from models.calibration_fit import fit_calibrator
from models.classification_metrics import classification_metrics


def drawn(n: int, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Log-odds that are twice too sure and one too high, and what happened."""
    draw = np.random.default_rng(seed)
    odds = draw.normal(-1, 1.5, n)
    happened = (draw.random(n) < expit(odds)).astype(np.int64)
    said = 2 * odds + 1
    return np.stack([-said, said], axis=1), happened


def test_platt_finds_the_curve_that_was_planted() -> None:
    scores, codes = drawn(40_000)

    curve = fit_calibrator("platt", scores, codes)

    assert isinstance(curve, Platt)
    assert curve.slopes[0] == pytest.approx(0.5, abs=0.02)
    assert curve.intercepts[0] == pytest.approx(-0.5, abs=0.03)
    unseen, happened = drawn(40_000, seed=1)
    assert CalibrationCurve.of(curve.apply(unseen)[:, 1], happened).ece < 0.01
    assert CalibrationCurve.of(expit(unseen[:, 1]), happened).ece > 0.05


def test_platt_is_the_maximum_of_platts_likelihood() -> None:
    scores, codes = drawn(300, seed=2)
    hits = codes.sum()
    targets = np.where(codes == 1, (hits + 1) / (hits + 2), 1 / (300 - hits + 2))

    def loss(curve: np.ndarray) -> float:
        odds = curve[0] * scores[:, 1] + curve[1]
        return float((np.logaddexp(0, odds) - targets * odds).sum())

    best = minimize(loss, [1.0, 0.0], method="BFGS").x
    found = fit_calibrator("platt", scores, codes)

    # There is one.
    assert np.allclose([found.slopes[0], found.intercepts[0]], best, atol=1e-3)  # type: ignore[union-attr]


def test_classes_that_separate_still_get_a_finite_curve() -> None:
    odds = np.concatenate([np.full(20, -3.0), np.full(20, 3.0)])
    said = fit_calibrator("platt", np.stack([-odds, odds], axis=1), np.repeat([0, 1], 20)).apply(np.array([[-3, 3.0]]))

    assert said[0, 1] == pytest.approx(21 / 22, abs=1e-3)


def test_isotonic_rises_and_holds_its_ends() -> None:
    scores, codes = drawn(2_000)
    line = fit_calibrator("isotonic", scores, codes)
    asked = np.linspace(-50, 50, 500)

    said = line.apply(np.stack([-asked, asked], axis=1))[:, 1]

    assert isinstance(line, Isotonic)
    assert (np.diff(said) >= 0).all()
    assert said[0] == line.probabilities[0]
    assert said[-1] == line.probabilities[-1]


def test_several_classes_are_calibrated_one_by_one() -> None:
    draw = np.random.default_rng(0)
    true = draw.dirichlet([2, 1, 1], 20_000)
    codes = np.array([draw.choice(3, p=p) for p in true])
    scores = np.log(true / (1 - true)) * 3

    said = fit_calibrator("platt", scores, codes).apply(scores)

    assert np.allclose(said.sum(axis=1), 1)
    assert log_loss(codes, said) < log_loss(codes, Platt.none(3).apply(scores)) - 0.05
    assert np.allclose(said.mean(axis=0), true.mean(axis=0), atol=0.01)
    nobody = Platt(np.zeros(3), np.full(3, -800.0)).apply(np.zeros((1, 3)))
    assert nobody.tolist() == [[1 / 3] * 3]


def test_metrics_of_perfect_and_of_blind_predictions() -> None:
    labels = np.arange(100) % 4 == 0
    perfect = classification_metrics(labels.astype(float), labels)
    blind = classification_metrics(np.full(100, 0.25), labels)

    assert perfect == {"auc": 1.0, "average_precision": 1.0, "brier": 0.0, "ece": 0.0}
    assert blind["auc"] == 0.5
    assert blind["average_precision"] == 0.25
    assert blind["brier"] == pytest.approx(0.1875)
