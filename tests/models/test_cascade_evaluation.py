from __future__ import annotations

import numpy as np
import polars as pl
import pytest

from models.bootstrap import paired_difference
from models.cascade_evaluation import EVERYBODY, ORACLE, POPULARITY, PREDICTED, SINGLE, CascadeReport, evaluate_cascade
from models.errors import NothingToLearn, RankerMisused

N = 200
DRAW = np.random.default_rng(0)
TRUE = np.where(DRAW.random(N) < 0.3, "minors", "adults")
PREDICTED_ROUTES = np.where(DRAW.random(N) < 0.1, "minors", TRUE)


def lists(restricted: float, shift: float = 0.0) -> pl.DataFrame:
    ndcg = np.clip(DRAW.random(N) * 0.5 + shift, 0, 1)
    return pl.DataFrame({"user_id": np.arange(N), "ndcg": ndcg, "restricted": np.full(N, restricted)})


OPEN, POLICED, POPULAR = lists(0.4, 0.2), lists(0.0, 0.1), lists(0.6)
BRANCHES = {"adults": OPEN, "minors": POLICED}


def report(**more: object) -> CascadeReport:
    # More options of it.
    return evaluate_cascade(BRANCHES, PREDICTED_ROUTES, TRUE, OPEN, POPULAR, **more)  # type: ignore[arg-type]


def level(made: CascadeReport, segment: str, served_by: str) -> dict[str, float]:
    return made.levels.row(by_predicate=(pl.col("segment") == segment) & (pl.col("served_by") == served_by), named=True)


def test_everybody_is_served_through_each_way() -> None:
    made = report()
    ndcg = np.where(PREDICTED_ROUTES == "minors", POLICED["ndcg"], OPEN["ndcg"])

    assert level(made, EVERYBODY, PREDICTED)["ndcg"] == pytest.approx(ndcg.mean())
    minors = TRUE == "minors"
    assert level(made, "minors", ORACLE)["ndcg"] == pytest.approx(POLICED["ndcg"].to_numpy()[minors].mean())
    assert level(made, "minors", ORACLE)["restricted"] == 0
    assert level(made, "minors", PREDICTED)["restricted"] == 0  # here nobody who is a minor is missed
    assert level(made, "adults", SINGLE)["ndcg"] == pytest.approx(OPEN["ndcg"].to_numpy()[~minors].mean())
    assert level(made, "minors", POPULARITY)["restricted"] == pytest.approx(0.6)
    assert level(made, "adults", PREDICTED)["users"] == (~minors).sum()
    assert made.levels.height == 3 * 4


def test_regret_is_what_the_oracle_has_above_the_prediction_paired_by_user() -> None:
    made = report()
    adults = TRUE == "adults"
    got = np.where(PREDICTED_ROUTES == "minors", POLICED["ndcg"], OPEN["ndcg"])
    expected = paired_difference(OPEN["ndcg"].to_numpy()[adults], got[adults], np.flatnonzero(adults))

    found = made.differences.filter(segment="adults", of="regret of routing").row(0, named=True)

    assert (found["ndcg"], found["low"], found["high"]) == (expected.mean, expected.low, expected.high)
    assert found["restricted"] == pytest.approx(0.4 * (PREDICTED_ROUTES[adults] == "minors").mean())
    none = made.differences.filter(segment="minors", of="regret of routing").row(0, named=True)
    assert (none["ndcg"], none["low"], none["high"], none["restricted"]) == (0, 0, 0, 0)


def test_users_sent_elsewhere_are_counted_by_where_they_belong() -> None:
    found = dict(report().misrouted.select("route", "elsewhere").rows())

    assert found["minors"] == 0
    assert found["adults"] == (PREDICTED_ROUTES[TRUE == "adults"] == "minors").mean()


def test_segments_can_be_named_and_the_report_is_shown() -> None:
    made = report(segments={"even <ids>": np.arange(N) % 2 == 0})

    assert set(made.levels["segment"]) == {EVERYBODY, "even <ids>"}
    assert "regret of routing" in repr(made)
    assert "even &lt;ids&gt;" in made._repr_html_()
    with pytest.raises(NothingToLearn):
        report(segments={"nobody": np.zeros(N, dtype=np.bool_)})


def test_what_does_not_go_together_is_refused() -> None:
    with pytest.raises(RankerMisused, match=r"no lists of the routes \['minors'\]"):
        evaluate_cascade({"adults": OPEN}, PREDICTED_ROUTES, TRUE, OPEN, POPULAR)
    with pytest.raises(RankerMisused, match="different users"):
        evaluate_cascade(BRANCHES, PREDICTED_ROUTES, TRUE, OPEN.reverse(), POPULAR)
    with pytest.raises(RankerMisused, match="199 predicted"):
        evaluate_cascade(BRANCHES, PREDICTED_ROUTES[1:], TRUE, OPEN, POPULAR)
