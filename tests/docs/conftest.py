"""One lake, one folder and one reader for all pages."""

from __future__ import annotations

import re
import shlex
import sys
from collections.abc import Iterator
from dataclasses import replace

import pytest
from typer.testing import CliRunner

import landing_files
from deployments.cli.app import app
from documents import Block, Reading
from feature_groups.store import Settings, connect
from feature_groups.store.discovery import discover
from film_lake import FilmLake, film_lake
from local_server import client, user_home
from small_world import refresh

__all__ = ["client", "user_home"]

READING_VERBS = ("groups", "show", "history", "releases", "lineage", "experiments")
"""Of `alluvia`: those that are run where a page shows them."""
PLACEHOLDER = re.compile(r"^[A-Z_]+$|[0-9a-f]{8}")
"""What a reader replaces: ``RELEASE``, or an id of the page's own lake."""
ERROR = re.compile(r"[A-Z]+\d{3} ")
"""What the first line of an error begins with, in an answer that a page shows."""


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> FilmLake:
    """The lake that `make run` would have made, with a champion before the champion."""
    made = film_lake(tmp_path_factory.getbasetemp()).copy(tmp_path_factory.mktemp("pages") / "run")
    champion = made.registry.champion()
    assert champion is not None
    made.registry.promote(made.registry.release(replace(champion, flow_run="the next one", parent=champion.id)))
    return made


@pytest.fixture(scope="module")
def reading(world: FilmLake, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Reading]:
    """Somebody in an empty folder, with that lake in the environment."""
    folder = tmp_path_factory.mktemp("reader")
    known, packages = set(sys.modules), {name: list(m.__path__) for name, m in sys.modules.items() if _ours(name, m)}
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        patch.setenv("ALLUVIA_LAKE", str(world.lake))
        patch.setenv("ALLUVIA_ENGINE", "polars")
        yield Reading(folder / "project", lambda block: run(block, world))
    for name, paths in packages.items():
        sys.modules[name].__path__[:] = paths
    for name in set(sys.modules) - known:
        if str(getattr(sys.modules[name], "__file__", "")).startswith(str(folder)):
            package, _, module = name.rpartition(".")
            vars(sys.modules[package]).pop(module, None)
            del sys.modules[name]


def run(block: Block, world: FilmLake) -> None:
    """Do what a command does, where that is cheap; the others were checked, and have tests of their own."""
    match shlex.split(block.text):
        case ["make", "run", "DATA=path/to/landing", chosen]:
            store, data = connect(world.lake, settings=Settings(engine="polars")), landing_files.write(world.folder)
            names = chosen.removeprefix("SELECT=").split(",")
            groups = [group for group in discover("feature_groups") if group.name in names]
            assert len(groups) == len(names)
            refresh(store, groups, data)
        case ["alluvia", verb, *rest] if verb in READING_VERBS and not any(map(PLACEHOLDER.search, rest)):
            done = CliRunner().invoke(app, [verb, *rest])
            if ERROR.match(block.answer):
                assert (done.exit_code, done.stderr.splitlines()[0]) == (1, block.answer)
            else:
                assert done.exit_code == 0, done.output


def _ours(name: str, module: object) -> bool:
    return name.partition(".")[0] in ("feature_groups", "models", "flows") and hasattr(module, "__path__")
