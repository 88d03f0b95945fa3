"""Transforms are written once for both engines: no declared one uses what the engines do differently."""

from __future__ import annotations

import pytest

from feature_groups.store import FeatureGroup
from feature_groups.store.discovery import discover
from feature_groups.store.portability import differences

COMPUTED = [g for g in discover("feature_groups") if g.transform or g.derive]


@pytest.mark.parametrize("group", COMPUTED, ids=str)
def test_no_declared_transform_uses_what_engines_do_differently(group: FeatureGroup) -> None:
    assert differences(None if group.spark_transform else group.transform, group.derive) == []
