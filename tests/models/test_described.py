"""What is known of a group, a view, a dataset and a release, and of all releases."""

from __future__ import annotations

from pathlib import Path

import pytest

from models.described import described
from models.history_of import history_of
from models.lake_map import LakeMap, Thing
from models.releases_table import releases_table
from quick_lake import CUSTOMERS, opened


@pytest.fixture(scope="module")
def lake(quick_lake: Path) -> LakeMap:
    return LakeMap(opened(quick_lake))


def test_a_group_is_shown_with_its_contract_statistics_and_commits(lake: LakeMap) -> None:
    found = described(lake, "habits")

    assert found.title == "habits v1: habits."
    facts = dict(found.facts)
    assert facts["rows from"] == "parents visits_v1"
    assert facts["one row"] == "One row per customer."
    assert [column["name"] for column in found.columns] == ["customer", "pages"]
    assert found.statistics is not None
    assert found.statistics["pages"].maximum == 2 * (CUSTOMERS - 1)
    assert found.history["why"].to_list() == ["visits moved", "first run"]
    assert [branch.thing.name for branch in found.made_from] == ["visits_v1"]
    assert {branch.thing.name for branch in found.made_of_it} == {"gate_v1", "gate_v1/1", "gate_v1/2"}


def test_a_view_is_shown_with_what_it_reads_and_gives(lake: LakeMap) -> None:
    found = described(lake, "gate")

    assert dict(found.facts)["reads"] == "ages_v1, habits_v1"
    assert [column["name"] for column in found.columns] == ["pages", "is_minor"]
    assert found.history["dataset"].to_list() == ["gate_v1/2", "gate_v1/1"]


def test_a_dataset_is_shown_with_its_pins_and_the_statistics_of_its_first_part(lake: LakeMap) -> None:
    found = described(lake, "gate/2")

    facts = dict(found.facts)
    assert facts["pinned"] == "habits_v1 at 1, ages_v1 at 0"
    assert "seed 1" in facts["split"]
    assert found.statistics is not None
    assert "train" in facts["rows"]


def test_a_release_is_shown_with_its_verdict_and_figures(lake: LakeMap) -> None:
    champion, challenger = (described(lake, name) for name in ("champion", "challenger"))

    assert dict(champion.facts)["gates"] == "passed its gates"
    assert dict(challenger.facts)["gates"] == "refused: ECE .03 > .02"
    assert champion.figures == {"router auc": 0.81}
    assert champion.history["what"].to_list() == ["challenge", "promote"]


def test_a_prediction_is_shown_with_what_made_it(lake: LakeMap) -> None:
    found = described(lake, "2" * 64)

    assert found.facts == ()
    assert found.made_from[0].note == "user 2 at 2026-03-10 00:00:00 UTC, adults: band"


def test_a_history_can_be_cut_short(lake: LakeMap) -> None:
    newest = history_of(lake, Thing("group", "visits_v1"), 1)

    assert newest.select("version", "operation", "inserted", "who", "why").rows() == [
        (1, "insert", 5 * CUSTOMERS, "somebody", "more visits")
    ]
    assert history_of(lake, Thing("source", "visits.csv")).is_empty()


def test_releases_stand_in_one_table_with_every_figure(lake: LakeMap) -> None:
    found = releases_table(lake)

    assert found["role"].to_list() == ["champion", "challenger"]
    assert found["blessed"].to_list() == [True, False]
    assert found["datasets"].to_list() == ["gate_v1/1", "gate_v1/2"]
    assert found["router auc"].to_list() == pytest.approx([0.81, 0.82])
    assert found["parent"].to_list() == [None, found["release"][0]]


def test_a_lake_without_releases_has_an_empty_table(tmp_path: Path) -> None:
    assert releases_table(LakeMap(opened(tmp_path))).is_empty()
