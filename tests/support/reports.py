"""Evaluation reports for tests of gates and cards."""

from __future__ import annotations

import numpy as np

from models.calibration_curve import CalibrationCurve
from models.evaluation_report import EvaluationReport, Figure

SEGMENTS = ("gender=F", "gender=M", "age=<18")


def report(
    *, difference: float = 0.01, segment: float = 0.0, exposure: float = 0.1, name: str = "both"
) -> EvaluationReport:
    """A candidate that is better than popularity, and than the champion by `difference`, in segments by `segment`."""
    random = np.random.default_rng(3)
    scores = random.uniform(0, 0.5, 2_000)
    figures = [
        Figure("ndcg@10", 0.32, 0.31, 0.33, 2999),
        Figure("auc", 0.88, users=2999),
        Figure("ndcg@10", 0.29, 0.28, 0.30, 2999, than="popularity"),
        Figure("ndcg@10", difference, difference - 0.002, difference + 0.002, 2999, than="champion"),
        *(Figure("ndcg@10", 0.3 + n / 100, 0.28, 0.34, 900 - 400 * n, s) for n, s in enumerate(SEGMENTS)),
        *(
            Figure("ndcg@10", segment * n, users=900 - 400 * n, segment=s, than="champion")
            for n, s in enumerate(SEGMENTS)
        ),
    ]
    curve = tuple({"threshold": t, "adults": 0.5 - t, "exposure": t} for t in (0.05, 0.1, 0.2))
    return EvaluationReport(
        name,
        "20 % of positives held out",
        "ranking_v1/3 d1d2",
        tuple(figures),
        CalibrationCurve.of(scores, random.uniform(size=2_000) < scores),
        exposure,
        curve,
        Figure("ndcg@10", 0.004, 0.001, 0.007, 2999),
    )
