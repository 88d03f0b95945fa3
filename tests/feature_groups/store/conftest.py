"""The shop: one lake for the tests of views, spines and training datasets, written once and copied where it changes."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

import shop as the_shop
from feature_groups.store import FeatureStore


@pytest.fixture(scope="session")
def shop_lake(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The shop's lake; its groups are never written again."""
    lake = tmp_path_factory.mktemp("shop") / "lake"
    the_shop.fill(lake)
    return lake


@pytest.fixture
def shop(shop_lake: Path) -> FeatureStore:
    """The shop, to be read from."""
    return the_shop.opened(shop_lake)


@pytest.fixture
def own_shop(shop_lake: Path, tmp_path: Path) -> FeatureStore:
    """A shop of the test's own, with no views yet."""
    lake = tmp_path / "lake"
    shutil.copytree(shop_lake, lake, ignore=shutil.ignore_patterns("views", "training_datasets", "pins"))
    return the_shop.opened(lake)
