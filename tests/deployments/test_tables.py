"""What `make run` shows of a scoring."""

from __future__ import annotations

from dataclasses import replace

from rich.console import Console
from rich.table import Table

from deployments.tables import outcomes_table, scoring_lines, scoring_table
from flows.scoring import Scored

SCORED = Scored(
    outcome="run",
    why="first run",
    release="a" * 64,
    asked_at="2003-02-28T17:49:50.000001+00:00",
    users=2_999,
    routes=[
        {"route": "adults", "users": 2_600, "score": 0.0178},
        {"route": "minors", "users": 398, "score": 0.2971},
        {"route": "popular", "users": 1, "score": None},
    ],
    reasons={"band": 101, "fallback": 1, "score": 2_897},
    score=0.0496,
    version=1,
    new=2_999,
    outcomes=[],
    seconds=5.04,
)
JUDGED = {"release": "b" * 64, "route": "adults", "predictions": 2_656, "judged": 46, "hit_rate": 0.2826}


def shown(table: Table) -> list[list[str]]:
    console = Console(width=120)
    with console.capture() as capture:
        console.print(table)
    return [line.split() for line in capture.get().splitlines()]


def test_scoring_shows_how_many_were_sent_where_with_what_mean_score() -> None:
    rows = shown(scoring_table(SCORED))

    assert ["adults", "2,600", "0.018"] in rows
    assert ["popular", "1", "-"] in rows
    assert ["all", "2,999", "0.050"] in rows
    said = scoring_lines(SCORED)
    assert said.splitlines() == [
        "Release aaaaaaaaaaaa was asked at 2003-02-28 17:49:50 UTC: 2,999 predictions written (run: first run; 5.0 s)",
        "There is no earlier prediction to judge yet.",
    ]


def test_scoring_that_had_nothing_to_do_says_so() -> None:
    idle = replace(SCORED, outcome="skipped", why="unchanged since 2003-03-01 00:00 UTC", new=0, seconds=0.1)

    assert "nothing new (skipped: unchanged since 2003-03-01 00:00 UTC; 0.1 s)" in scoring_lines(idle)


def test_outcomes_show_an_interval_where_something_was_judged() -> None:
    judged = JUDGED | {"ndcg": 0.0777, "low": 0.0378, "high": 0.1279}
    none = JUDGED | {"route": "minors", "judged": 0, "hit_rate": None, "ndcg": None, "low": None, "high": None}
    rows = shown(outcomes_table(replace(SCORED, outcomes=[judged, none])))

    assert ["bbbbbbbbbbbb", "adults", "2,656", "46", "0.283", "0.078", "0.038", "to", "0.128"] in rows
    assert ["bbbbbbbbbbbb", "minors", "2,656", "0", "-", "-", "-"] in rows
    assert "judge" not in scoring_lines(replace(SCORED, outcomes=[judged]))
