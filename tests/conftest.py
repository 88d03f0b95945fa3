"""What every test shares: one Spark session per process, lakes in temporary folders, the choice of engine."""

from __future__ import annotations

import os
import shutil
import sys
from pathlib import Path

import pytest
from xdist.remote import Producer
from xdist.scheduler import LoadFileScheduling

from feature_groups.store import FeatureStore, Settings, connect

ENGINES = ("polars", "spark")

# Children change their folder; the jars and the class-data archive are the project's.
os.environ.setdefault("ALLUVIA_HOME", str(Path(__file__).parents[1] / ".alluvia"))


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--engine", choices=ENGINES, help="run what runs on every engine on this one only")


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """A test that takes `engine` runs on every engine, or on the one asked for."""
    if "engine" in metafunc.fixturenames:
        chosen = metafunc.config.getoption("--engine")
        metafunc.parametrize("engine", [chosen] if chosen else ENGINES, scope="session")


class OneStory(LoadFileScheduling):
    """A file's tests stay together, and so do all that share the story of `conformance` and a warm Spark session."""

    def _split_scope(self, nodeid: str) -> str:
        scope = super()._split_scope(nodeid)
        return str(Path(scope).parent) if "conformance" in scope else scope


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Producer) -> OneStory:
    return OneStory(config, log)


def pytest_sessionfinish() -> None:
    session = sys.modules.get("feature_groups.store.engines.session")
    if session is not None:
        session.stop_session()


@pytest.fixture(scope="session")
def quick_lake(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A lake of groups, datasets, releases and predictions made without a JVM, not to be changed."""
    from quick_lake import quick_lake

    lake = tmp_path_factory.mktemp("quick") / "lake"
    quick_lake(lake)
    return lake


@pytest.fixture
def own_quick_lake(quick_lake: Path, tmp_path: Path) -> Path:
    """A copy of it for a test that changes it."""
    return Path(shutil.copytree(quick_lake, tmp_path / "quick"))


@pytest.fixture
def lake(tmp_path: Path) -> Path:
    """An empty lake, in a folder with every odd character that a lake's path may have."""
    return tmp_path / "lake-1_a.b~c+d@e,f:g"


@pytest.fixture
def store(lake: Path, engine: str) -> FeatureStore:
    """The feature store of the empty lake, computing with the engine."""
    return connect(lake, settings=Settings(engine=engine))


@pytest.fixture
def light_store(lake: Path) -> FeatureStore:
    """The feature store of the empty lake, computing with Polars: for what does not depend on the engine."""
    return connect(lake, settings=Settings(engine="polars"))
