"""Lineage answers both ways: which releases used this version; what made this prediction."""

from __future__ import annotations

from pathlib import Path

import pytest

from feature_groups.store.errors import NoSuchVersion
from models.errors import UnknownName, UnknownPrediction
from models.lake_map import LakeMap
from models.lineage import Branch, lineage
from quick_lake import opened


@pytest.fixture(scope="module")
def lake(quick_lake: Path) -> LakeMap:
    return LakeMap(opened(quick_lake))


def told(branch: Branch) -> set[str]:
    """Everything in a lineage but its root, as text."""
    return {_text(b) for b in branch.walk()} - {_text(branch)}


def _text(branch: Branch) -> str:
    name = branch.thing.name[:6] if branch.thing.kind == "release" else branch.thing.name
    return name if branch.version is None else f"{name}@{branch.version}"


def test_a_version_of_a_group_leads_to_the_releases_that_used_it(lake: LakeMap) -> None:
    champion, challenger = (name[:6] for name in lake.releases)

    old, new = (lineage(lake, f"visits@{version}").made_of_it for version in (0, 1))

    assert told(old) == {"habits_v1@0", "gate_v1/1", champion, challenger, "guesses_v1"}
    assert told(new) == {"habits_v1@1", "gate_v1/2", challenger}


def test_a_group_leads_to_what_was_made_of_any_version(lake: LakeMap) -> None:
    found = lineage(lake, "visits").made_of_it

    champion, challenger = (name[:6] for name in lake.releases)
    assert told(found) == {"habits_v1", "gate_v1/1", "gate_v1/2", "gate_v1", champion, challenger, "guesses_v1"}


def test_a_release_is_made_from_the_versions_that_its_datasets_pin(lake: LakeMap) -> None:
    champion, challenger = lake.releases

    first, second = (lineage(lake, name).made_from for name in (champion, challenger))

    assert told(first) == {"gate_v1/1", "gate_v1", "habits_v1@0", "visits_v1@0", "visits.csv", "ages_v1@0"}
    assert told(second) == {
        "gate_v1/2",
        "gate_v1",
        "habits_v1@1",
        "visits_v1@1",
        "visits.csv",
        "ages_v1@0",
        champion[:6],
    }


def test_a_prediction_is_made_by_a_release_from_the_versions_it_read(lake: LakeMap) -> None:
    found = lineage(lake, "1" * 64).made_from
    champion = next(iter(lake.releases))

    release, *groups = found.following
    assert release.thing.name == champion
    assert release.note == "user 1 at 2026-03-10 00:00:00 UTC, minors: score"
    assert {_text(group) for group in groups} == {"ages_v1@0", "habits_v1@0"}


def test_what_stands_above_already_is_not_told_again(lake: LakeMap) -> None:
    found = lineage(lake, "1" * 64).made_from

    habits = [branch for branch in found.walk() if branch.thing.name == "habits_v1"]
    assert [branch.seen for branch in habits] == [False, True]
    assert habits[1].following == ()


def test_predictions_are_counted_for_their_release(lake: LakeMap) -> None:
    found = lineage(lake, "champion").made_of_it

    assert ("guesses_v1", "2 predictions") in {(b.thing.name, b.note) for b in found.following}


@pytest.mark.parametrize(
    ("name", "error"),
    [
        ("visits@7", NoSuchVersion),
        ("visits@new", UnknownName),
        ("gate@1", UnknownName),
        ("vists@1", UnknownName),
        ("a" * 64, UnknownPrediction),
    ],
)
def test_what_is_not_there_is_refused(name: str, error: type[Exception], lake: LakeMap) -> None:
    with pytest.raises(error):
        lineage(lake, name)
