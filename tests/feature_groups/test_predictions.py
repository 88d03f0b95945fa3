from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import narwhals as nw
import polars as pl
import pytest

from feature_groups import predictions
from feature_groups.store.checks import check

SPEC = predictions.v1.spec
GOOD: dict[str, Any] = {
    "prediction_id": "a" * 64,
    "asked_at": datetime(2001, 1, 1, tzinfo=UTC),
    "user_id": 7,
    "release": "b" * 64,
    "route": "minors",
    "score": 0.31,
    "reason": "score",
    "movies": [3, 1, 2],
    "features": "{}",
    "made_with": "{}",
}


def problems(**changed: Any) -> list[str]:
    assert SPEC is not None
    schema = {c.name: c.polars for c in SPEC.columns}
    rows = pl.DataFrame([GOOD | changed], schema=schema, orient="row")
    report = check(nw.from_native(rows.lazy()), SPEC, "predictions")
    return [line for line in report.lines() if report.bad_rows]


def test_a_prediction_says_who_answered_what_and_from_what() -> None:
    assert problems() == []
    assert problems(movies=[]) == []


@pytest.mark.parametrize(
    "changed",
    [{"score": 1.2}, {"score": None}, {"movies": list(range(11))}, {"prediction_id": "7"}, {"reason": ""}],
    ids=str,
)
def test_what_cannot_be_a_prediction_is_refused(changed: dict[str, Any]) -> None:
    assert len(problems(**changed)) == 1


def test_whoever_has_no_score_fell_back() -> None:
    assert problems(score=None, reason="fallback: the router failed") == []
