"""Lakes and children for the tests that interrupt writes."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from batches import batch, opened
from feature_groups.store import FeatureStore, Settings, connect


@pytest.fixture(scope="session")
def filled_lake(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A lake whose group has the first batch, under the key ``first``; to be copied, never written."""
    lake = tmp_path_factory.mktemp("faults") / "lake"
    batch("first", 0).write(opened(connect(lake, settings=Settings(engine="polars"))), "first")
    return lake


@pytest.fixture
def filled(filled_lake: Path, tmp_path: Path) -> FeatureStore:
    """A lake of the test's own with the first batch."""
    shutil.copytree(filled_lake, tmp_path / "lake")
    return connect(tmp_path / "lake", settings=Settings(engine="polars"))
