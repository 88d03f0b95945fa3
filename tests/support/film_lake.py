"""A small generated lake of the worked example with a champion, made once per run of the tests, and copies of it."""

from __future__ import annotations

import fcntl
import shutil
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from pathlib import Path

import polars as pl

from feature_groups import movie_stats, movies, predictions, ratings
from feature_groups.sources.generator import generate
from feature_groups.store import FeatureGroup, FeatureStore, Settings, connect
from feature_groups.store.discovery import discover
from feature_groups.views import age_gate, ranking
from models.film_names import NAME
from models.film_parameters import FilmParameters
from models.film_training import FilmTraining
from models.film_vectors import FilmVectors
from models.registry import Registry
from models.release import Release
from released import BLESSED
from small_world import refresh

EVENTS = 4_000
QUICK = FilmParameters(strengths=(0.03,), penalties=(100.0,), rankers=("ease",), segment_weights=False)
UNREAD = (movie_stats.v1,)
"""Groups that no view of the example reads."""


@dataclass(frozen=True)
class FilmLake:
    """A folder with raw files and a lake."""

    folder: Path

    @property
    def lake(self) -> Path:
        return self.folder / "lake"

    @property
    def data(self) -> Path:
        return self.folder / "data"

    @property
    def store(self) -> FeatureStore:
        return connect(self.lake, settings=Settings(engine="polars"))

    @property
    def registry(self) -> Registry:
        return Registry(self.store, NAME)

    def copy(self, folder: Path) -> FilmLake:
        """The same in another folder, for a test that changes it."""
        shutil.copytree(self.folder, folder)
        return FilmLake(folder)

    def rows(self, group: FeatureGroup, version: int | None = None) -> pl.DataFrame:
        made: pl.LazyFrame = self.store.get_or_create_feature_group(group).read(version, engine="polars")
        return made.collect()

    def predictions(self) -> pl.DataFrame:
        return self.rows(predictions.v1).sort("asked_at", "user_id")

    def restricted(self) -> list[int]:
        return self.rows(movies.v1).filter("restricted")["movie_id"].to_list()

    def rate(self, given: Sequence[tuple[int, int, int]], at: datetime) -> None:
        """Add ratings (user, film, stars), a second apart from an instant on."""
        first = self.rows(ratings.v1)["source_row_id"].max()
        assert isinstance(first, int)
        made = [
            {
                "user_id": user,
                "movie_id": film,
                "rated_at": at.replace(microsecond=0) + timedelta(seconds=place),
                "rating": stars,
                "source_row_id": first + 1 + place,
            }
            for place, (user, film, stars) in enumerate(given)
        ]
        self.store.get_or_create_feature_group(ratings.v1).insert(made)


def refreshed(folder: Path) -> FilmLake:
    """Raw files and the groups made of them; minors enough for five folds."""
    made = FilmLake(folder)
    generate(made.data, events=EVENTS, minors_share=0.2)
    groups = [group for group in discover("feature_groups") if group.source or group.parents]
    refresh(made.store, [group for group in groups if group not in UNREAD], made.data)
    return made


def trained(made: FilmLake) -> Release:
    """A release that every gate lets pass, as so few ratings alone would not make one; not yet champion."""
    gate, _ = age_gate.training.make(made.store)
    films, _ = ranking.training.make(made.store)
    training = FilmTraining(made.store, gate, films, QUICK)
    router, rated = training.router().work(), training.rankings.rated().work()
    FilmVectors(training).write()
    rankings = training.rankings.stage(rated).work()
    branches = {b.name: training.branch(b.name, router, rated, rankings).work() for b in training.cascade.branches}
    evaluation = training.evaluation(router, rankings, branches).work()
    judged = made.registry.get(training.release(router, branches, evaluation, "").work()["release"])
    release = replace(judged, verdict=BLESSED)
    made.registry.release(release)
    return release


def film_lake(root: Path) -> FilmLake:
    """The lake with a champion, not to be changed; made once in a run of the tests, whichever process asks first.

    Args:
        root: Base folder of this process's temporary folders; those of parallel processes lie side by side.
    """
    root = root.parent if root.name.startswith("popen-") else root
    made, ready = FilmLake(root / "film_lake"), root / "film_lake_is_made"
    with (root / "film_lake.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not ready.exists():
            refreshed(made.folder).registry.promote(trained(made).id)
            ready.touch()
    return made
