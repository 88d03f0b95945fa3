from __future__ import annotations

from pathlib import Path

import pytest

from feature_groups.store.metadata import Metadata
from feature_groups.store.pins import Pins


@pytest.fixture
def pins(tmp_path: Path) -> Pins:
    return Pins(Metadata(tmp_path / "metadata"))


def test_a_version_is_pinned_by_each_of_its_owners_once(pins: Pins) -> None:
    for owner in ("training-dataset age_gate_v1/3", "release ../ü %2F 7", "training-dataset age_gate_v1/3"):
        pins.pin("visits_v1", "an-id", 10, owner)
    pins.pin("visits_v1", "an-id", 9, "me")
    pins.pin("visits_v1", "another", 2, "me")
    pins.pin("visits_v10", "an-id", 1, "me")
    assert pins.pinned("visits_v1") == {
        ("an-id", 9): ["me"],
        ("an-id", 10): ["release ../ü %2F 7", "training-dataset age_gate_v1/3"],
        ("another", 2): ["me"],
    }
    assert pins.pinned("ratings_v1") == {}


def test_an_owner_takes_away_its_own_pin_only(pins: Pins) -> None:
    for owner in ("a", "b"):
        pins.pin("visits_v1", "an-id", 1, owner)
    pins.unpin("visits_v1", "an-id", 1, "a")
    pins.unpin("visits_v1", "an-id", 1, "nobody")
    assert pins.pinned("visits_v1") == {("an-id", 1): ["b"]}
    pins.unpin("visits_v1", "an-id", 1, "b")
    assert pins.pinned("visits_v1") == {}
