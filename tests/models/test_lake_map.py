"""Things of a lake are found by the names that people use."""

from __future__ import annotations

from pathlib import Path

import pytest

from models.errors import UnknownName
from models.lake_map import LakeMap, Thing
from quick_lake import opened


@pytest.fixture(scope="module")
def lake(quick_lake: Path) -> LakeMap:
    return LakeMap(opened(quick_lake))


@pytest.mark.parametrize(
    ("name", "thing"),
    [
        ("visits", Thing("group", "visits_v1")),
        ("visits_v1", Thing("group", "visits_v1")),
        ("gate", Thing("view", "gate_v1")),
        ("gate/2", Thing("dataset", "gate_v1/2")),
        ("gate_v1/1", Thing("dataset", "gate_v1/1")),
        ("group:visits", Thing("group", "visits_v1")),
        ("f" * 64, Thing("prediction", "f" * 64)),
    ],
)
def test_a_thing_is_found_by_its_name(name: str, thing: Thing, lake: LakeMap) -> None:
    assert lake.find(name) == thing


def test_a_release_is_found_by_its_role_and_by_its_first_digits(lake: LakeMap) -> None:
    champion, challenger = lake.releases

    assert lake.find("champion") == Thing("release", champion)
    assert lake.find("challenger") == Thing("release", challenger)
    assert lake.find(challenger[:8]) == Thing("release", challenger)
    assert lake.find(champion) == Thing("release", champion)


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("vists", "Did you mean 'visits'?"),
        ("gate/7", "Did you mean"),
        ("view:visits", "Nothing in this lake has that name."),
        ("", "There is: "),
    ],
)
def test_an_unknown_name_is_told_what_there_is(name: str, said: str, lake: LakeMap) -> None:
    with pytest.raises(UnknownName, match=r"Nothing in this lake") as raised:
        lake.find(name)
    assert said in raised.value.what


def test_a_name_without_version_means_the_newest(lake: LakeMap) -> None:
    known = {**lake.groups, "visits_v2": {}, "visits_v10": {}}
    several = LakeMap(lake.store)
    several.__dict__["groups"] = known

    assert several.find("visits") == Thing("group", "visits_v10")


def test_a_group_and_a_view_of_one_name_are_told_apart(lake: LakeMap) -> None:
    both = LakeMap(lake.store)
    both.__dict__["groups"] = {**lake.groups, "gate_v3": {}}

    with pytest.raises(UnknownName) as raised:
        both.find("gate")
    assert raised.value.what == "It may be feature group gate_v3 or feature view gate_v1."
    assert raised.value.next_step == "name it group:gate_v3 or view:gate_v1."
    assert both.find("view:gate") == Thing("view", "gate_v1")
    assert both.find("group:gate") == Thing("group", "gate_v3")
