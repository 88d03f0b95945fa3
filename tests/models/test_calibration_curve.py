"""Calibration: bins of equal mass, the same whatever the order of the cases."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from models.calibration_curve import CalibrationCurve
from models.errors import UnusableFigures

CASES = st.lists(st.tuples(st.floats(0, 1), st.booleans()), min_size=1, max_size=60)


@given(CASES, st.randoms())
def test_the_order_of_the_cases_does_not_matter(cases: list[tuple[float, bool]], random: np.random.Generator) -> None:
    one = CalibrationCurve.of(*zip(*cases, strict=True))
    random.shuffle(cases)
    other = CalibrationCurve.of(*zip(*cases, strict=True))
    assert one.bins == pytest.approx(other.bins) or one.ece == pytest.approx(other.ece)
    assert other.ece == pytest.approx(one.ece)
    assert CalibrationCurve.from_json(one.to_json()) == one


@given(st.lists(st.tuples(st.floats(0, 1), st.booleans()), min_size=1, max_size=60, unique_by=lambda case: case[0]))
def test_the_error_is_that_of_ten_bins_of_equal_mass(cases: list[tuple[float, bool]]) -> None:
    ordered = sorted(cases)
    size, rest = divmod(len(ordered), 10)
    expected, start = 0.0, 0
    for number in range(10):
        part = ordered[start : (start := start + size + (number < rest))]
        if part:
            expected += abs(sum(p for p, _ in part) - sum(y for _, y in part)) / len(ordered)
    found = CalibrationCurve.of(*zip(*cases, strict=True))
    assert found.ece == pytest.approx(expected)
    assert found.brier == pytest.approx(sum((p - y) ** 2 for p, y in cases) / len(cases))
    assert sum(b.count for b in found.bins) == len(cases)


def test_a_perfect_model_has_nearly_no_error_and_an_overconfident_one_has_much() -> None:
    random = np.random.default_rng(0)
    scores = random.uniform(size=50_000)
    happened = random.uniform(size=50_000) < scores
    assert CalibrationCurve.of(scores, happened).ece < 0.01
    assert CalibrationCurve.of((scores > 0.5).astype(float), happened).ece == pytest.approx(0.25, abs=0.01)
    assert CalibrationCurve.of([0.3, 0.3], [False, False]).ece == pytest.approx(0.3)


@pytest.mark.parametrize(
    ("scores", "happened", "said"),
    [
        ([], [], r"shape \(0,\)"),
        ([0.5], [True, False], r"shape \(2,\)"),
        ([0.5, float("nan")], [0, 1], "1 of 2 probabilities"),
        ([1.5], [1], "1 of 1 probabilities"),
        ([0.5], [2], "1 of 1 outcomes"),
        ([[0.5]], [[1]], "shape"),
    ],
)
def test_what_is_no_probability_or_outcome_is_refused(scores: list[float], happened: list[int], said: str) -> None:
    with pytest.raises(UnusableFigures, match=said):
        CalibrationCurve.of(scores, happened)
