"""Gates: each refuses what it is for, says why with figures, and a missing figure never lets pass."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from models.evaluation_report import EvaluationReport, Figure
from models.gates import (
    BetterThan,
    Calibrated,
    Evidence,
    ExposureWithin,
    Gate,
    GoldenVectors,
    NoSegmentWorse,
    NotWorseThanChampion,
    Outcome,
    Verdict,
    judge,
)
from models.golden import GoldenCheck
from reports import report

GATES: list[Gate] = [
    BetterThan("popularity", "ndcg@10", 0.05),
    NotWorseThanChampion("ndcg@10", 0.002),
    NoSegmentWorse("ndcg@10", 0.01),
    Calibrated(0.03),
    ExposureWithin(0.19),
    GoldenVectors(),
]
EQUAL = GoldenCheck(passed=True, equal=True, largest=0.0, said="All 3 rows were answered byte for byte.")
DIFFERENT = GoldenCheck(passed=False, equal=False, largest=0.5, said="3 of 3 differ, by up to 0.5.")
GOOD = Evidence(report(), "c" * 64, EQUAL)


def states(verdict: Verdict) -> list[str]:
    return [o.state for o in verdict.outcomes]


def test_a_good_candidate_is_blessed_with_every_figure() -> None:
    verdict = judge(GATES, GOOD)
    assert verdict.blessed
    assert states(verdict) == ["passed"] * 6
    assert verdict.reasons == ()
    assert [(o.figure, o.limit) for o in verdict.outcomes[:3]] == [(0.28, 0.05), (0.008, -0.002), (0.0, -0.01)]


@pytest.mark.parametrize(
    ("number", "evidence", "said"),
    [
        (0, replace(GOOD, report=replace(report(), figures=report().figures[:2])), "was not measured"),
        (1, replace(GOOD, report=report(difference=-0.001)), "lower end -0.0030 of -0.0010 is not > -0.002"),
        (1, replace(GOOD, report=report(difference=0.0)), "is not >"),
        (2, replace(GOOD, report=report(segment=-0.006)), "worst of 3 segments is age=<18 with -0.0120"),
        (3, replace(GOOD, report=replace(report(), calibration=None)), "expected calibration error was not measured"),
        (4, replace(GOOD, report=report(exposure=0.2)), "0.2000 against 0.19"),
        (5, replace(GOOD, golden=DIFFERENT), "up to 0.5"),
        (5, replace(GOOD, golden=None), "was not measured"),
    ],
)
def test_what_falls_short_is_refused_by_its_gate_with_the_reason(number: int, evidence: Evidence, said: str) -> None:
    verdict = judge(GATES, evidence)
    assert not verdict.blessed
    assert verdict.outcomes[number].state == "refused"
    assert said in verdict.outcomes[number].reason
    assert any(said in reason for reason in verdict.reasons)


def test_a_limit_is_inclusive_where_it_is_said_to_be() -> None:
    assert ExposureWithin(0.1).judge(GOOD).state == "passed"
    assert BetterThan("popularity", "ndcg@10", 0.28).judge(GOOD).state == "passed"
    assert NotWorseThanChampion("ndcg@10", -0.008).judge(GOOD).state == "refused", "above -eps, not at it"


def test_segments_that_are_too_small_are_not_judged_and_counted() -> None:
    gate = NoSegmentWorse("ndcg@10", 0.01, least_users=200)
    outcome = gate.judge(replace(GOOD, report=report(segment=-0.006)))
    assert outcome.state == "passed"
    assert "1 of fewer than 200 users are not judged" in outcome.reason
    assert replace(gate, least_users=10_000).judge(GOOD).state == "refused"


def test_a_segment_without_its_difference_refuses() -> None:
    figures = tuple(f for f in report().figures if not (f.segment == "gender=M" and f.than))
    outcome = NoSegmentWorse("ndcg@10", 0.01).judge(replace(GOOD, report=replace(report(), figures=figures)))
    assert (outcome.state, "gender=M" in outcome.reason) == ("refused", True)


def test_the_first_release_has_no_champion_to_be_compared_with() -> None:
    verdict = judge(GATES, replace(GOOD, champion=None))
    assert verdict.blessed
    assert states(verdict)[1:3] == ["not applicable"] * 2
    assert "there is no champion yet" in repr(verdict)
    alone = judge([GATES[1]], replace(GOOD, champion=None))
    assert not alone.blessed
    assert alone.reasons == ("no gate that applies was declared",)
    assert not judge([], GOOD).blessed


class Broken:
    """A gate that cannot judge."""

    def judge(self, evidence: Evidence) -> Outcome:
        raise ZeroDivisionError("no rows")


def test_a_gate_that_fails_refuses() -> None:
    verdict = judge([*GATES, Broken()], GOOD)
    assert not verdict.blessed
    assert "could not judge: ZeroDivisionError: no rows" in verdict.reasons[0]


def test_a_verdict_comes_back_from_json_and_shows_itself() -> None:
    verdict = judge(GATES, replace(GOOD, report=replace(report(), exposure=None)))
    assert Verdict.from_json(json.loads(json.dumps(verdict.to_json()))) == verdict
    assert repr(verdict).startswith("refused: restricted exposure at most 0.19: the restricted exposure was not")
    assert "<table>" in verdict._repr_html_()
    assert "| restricted exposure at most 0.19 | refused |" in verdict.to_markdown()


NUMBERS = st.none() | st.floats(-1, 1)
FIGURES = st.builds(
    Figure,
    st.sampled_from(["ndcg@10", "auc"]),
    st.floats(-1, 1),
    NUMBERS,
    NUMBERS,
    st.none() | st.integers(0, 500),
    st.sampled_from(["all", "a", "b"]),
    st.sampled_from(["", "champion", "popularity"]),
)
REPORTS = st.builds(
    lambda figures, exposure: EvaluationReport("t", "p", "w", tuple(figures), None, exposure),
    st.lists(FIGURES, max_size=8),
    NUMBERS,
)


@given(REPORTS, st.sampled_from([None, "c"]), st.sampled_from([None, EQUAL, DIFFERENT]))
def test_whatever_is_missing_a_verdict_is_reached_and_says_why(
    candidate: EvaluationReport, champion: str | None, golden: GoldenCheck | None
) -> None:
    verdict = judge(GATES, Evidence(candidate, champion, golden))
    assert "could not judge" not in repr(verdict)
    assert not verdict.blessed, "it has no calibration"
    assert all(o.reason for o in verdict.outcomes)
    assert json.loads(json.dumps(verdict.to_json(), allow_nan=False))["reasons"] == list(verdict.reasons)
