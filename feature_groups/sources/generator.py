"""Made-up data in the MovieLens-1M format with known answers, for tests, demos and load.

The same arguments give the same bytes. What a model could know at best is returned beside the files as `Truth`.
Other arguments with the same seed keep what they do not name: `minors_share` or `taste_shift` leave the films alone.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

import numpy as np
import polars as pl
from numpy.typing import NDArray

from feature_groups.sources.generator_events import Clock, Streams, draw_counts, draw_events
from feature_groups.sources.generator_world import Films, Ints, Users, make_films, make_users
from feature_groups.sources.movielens_files import file_hash, write_movies, write_ratings, write_users
from feature_groups.store.errors import InvalidDeclaration, SourceMissing

START: Final = datetime(2000, 4, 26, tzinfo=UTC)
END: Final = datetime(2003, 3, 1, tzinfo=UTC)
MINORS_SHARE: Final = 0.037
FILES: Final = ("ratings.dat", "users.dat", "movies.dat")

# Raise it when the code below draws other bytes from the same arguments: folders are then made anew.
_RECIPE: Final = 2
_MANIFEST: Final = "generator.json"
# When users of the original joined: share per eighth of the first 24 % of the timeline.
_JOINING_PART: Final = 0.24
_JOINERS: Final = np.array([0.06, 0.06, 0.10, 0.20, 0.07, 0.06, 0.30, 0.15])


@dataclass(frozen=True)
class Recipe:
    """The arguments of `generate`, with every default filled in; times are seconds since 1970 UTC."""

    events: int
    seed: int
    users: int
    movies: int
    minors_share: float
    start: int
    end: int
    taste_shift: int | None
    title_signal: float


@dataclass(frozen=True)
class Truth:
    """What was planted, for metrics no model can beat.

    Attributes:
        recipe: What the files were made from.
        users: Per user: ``user_id``, ``age`` (code), ``is_under_18``, ``youth``, ``p_under_18`` (the probability
            given youth: the best score behaviour alone allows), ``joined_at`` (seconds since 1970 UTC), ``returns``,
            ``events``.
        taste: Liking of each film cluster, float32 [users, clusters], rows as in `users`.
        films: Per film: ``movie_id``, ``cluster``, ``page``, both again as ``cluster_after`` and ``page_after`` the
            taste shift, ``year``, ``weight`` (popularity, sums to 1), ``quality`` (stars), ``title_tells`` (its first
            word is its cluster's own), ``poster_hue`` (0..1, tells the cluster).
        sha256: Hash of each file by its name.
    """

    recipe: Recipe
    users: pl.DataFrame
    taste: NDArray[np.float32]
    films: pl.DataFrame
    sha256: dict[str, str]


def generate(
    folder: Path,
    *,
    events: int = 20_000,
    seed: int = 0,
    users: int | None = None,
    movies: int | None = None,
    minors_share: float = MINORS_SHARE,
    start: datetime = START,
    end: datetime = END,
    taste_shift: datetime | None = None,
    title_signal: float = 0.7,
) -> Truth:
    """Write ``ratings.dat``, ``users.dat`` and ``movies.dat``, unless the folder holds just these already.

    Args:
        folder: Where to write; made if absent. ``generator.json`` beside the files tells what they were made from.
        events: Rows of ``ratings.dat``; a user rates a film at most once.
        seed: Same arguments and NumPy version, same bytes.
        users: Users; default one per 163 events, in small data one per 40.
        movies: Films; default 3,883, in small data one per 20 events, at least 200.
        minors_share: Share of users under 18, 0..1.
        start: First instant of any event, with a zone.
        end: First instant after all events, with a zone.
        taste_shift: From this instant on, films sit with other clusters of the same genres: behaviour looks the
            same, but what was learned about neighbouring films no longer holds.
        title_signal: Share of films whose title tells their cluster; at 0 titles are worth nothing.

    Returns:
        The planted facts.

    Raises:
        InvalidDeclaration: The arguments contradict each other, with the reason.
    """
    recipe = Recipe(
        events=events,
        seed=seed,
        users=max(events // 163, min(events // 40, 600), 1) if users is None else users,
        movies=min(max(events // 20, 200), 3_883) if movies is None else movies,
        minors_share=minors_share,
        start=_seconds(start, "start"),
        end=_seconds(end, "end"),
        taste_shift=None if taste_shift is None else _seconds(taste_shift, "taste_shift"),
        title_signal=title_signal,
    )
    _check(recipe)
    films = make_films(recipe.movies, title_signal, _stream(seed, 0))
    population = make_users(recipe.users, minors_share, _joins(recipe), _stream(seed, 1), _stream(seed, 2))
    counts = draw_counts(recipe.users, events, recipe.movies, _stream(seed, 3))
    manifest: dict[str, Any] = {"recipe": asdict(recipe), "code": _RECIPE, "numpy": np.__version__}
    hashes = _held(folder, manifest)
    if hashes is None:
        hashes = _write(folder, recipe, films, population, counts)
        (folder / _MANIFEST).write_text(json.dumps({**manifest, "sha256": hashes}, indent=2) + "\n")
    return _truth(recipe, films, population, counts, hashes)


def _stream(seed: int, concern: int) -> np.random.Generator:
    """The random stream of one concern; numbers are never reused, so that a new concern moves no other."""
    return np.random.default_rng(np.random.SeedSequence(seed, spawn_key=(concern,)))


def _seconds(instant: datetime, name: str) -> int:
    if instant.tzinfo is None:
        raise _invalid(f"{name} has no time zone.", f"Write {name}=datetime(..., tzinfo=UTC).")
    return int(instant.timestamp())


def _check(recipe: Recipe) -> None:
    if min(recipe.events, recipe.users, recipe.movies) < 1 or recipe.users > recipe.events:
        raise _invalid("There must be films, users, and at least one event per user.", "Ask for more events.")
    if recipe.events > recipe.users * int(0.6 * recipe.movies):
        raise _invalid("Users would have to rate more than 60 % of all films.", "Ask for more users or movies.")
    if not 0 <= recipe.minors_share <= 1 or not 0 <= recipe.title_signal <= 1:
        raise _invalid("minors_share and title_signal are shares.", "Give numbers from 0 to 1.")
    if recipe.seed < 0:
        raise _invalid("The seed is negative.", "Give a seed from 0 up.")
    if not 0 <= recipe.start < recipe.end < 1 << 33:
        raise _invalid("The timeline is empty or outside 1970 to 2242.", "Give a start before the end.")


def _joins(recipe: Recipe) -> Ints:
    """Instants at which users joined, latest first: the original numbers its users backwards in time."""
    rng = _stream(recipe.seed, 4)
    eighth = rng.choice(len(_JOINERS), size=recipe.users, p=_JOINERS) + rng.random(recipe.users)
    span = _JOINING_PART * (recipe.end - recipe.start)
    return np.sort((recipe.start + span * eighth / len(_JOINERS)).astype(np.int64))[::-1].copy()


def _write(folder: Path, recipe: Recipe, films: Films, users: Users, counts: Ints) -> dict[str, str]:
    stretch = min(1.0, (recipe.end - recipe.start) / (END - START).total_seconds())
    shift = recipe.end if recipe.taste_shift is None else recipe.taste_shift
    streams = Streams(*(_stream(recipe.seed, concern) for concern in range(5, 10)))
    blocks = draw_events(films, users, counts, Clock(recipe.end, shift, stretch), streams)
    write_ratings(pl.concat(blocks), folder / "ratings.dat")
    write_users(users.table, folder / "users.dat")
    write_movies(films.table, folder / "movies.dat")
    return {name: file_hash(folder / name) for name in FILES}


def _held(folder: Path, manifest: dict[str, Any]) -> dict[str, str] | None:
    """The hashes of the files when the folder holds what `manifest` describes, unchanged."""
    try:
        found = json.loads((folder / _MANIFEST).read_text())
        hashes = {name: file_hash(folder / name) for name in FILES}
    except (OSError, ValueError, SourceMissing):
        return None
    return hashes if found == {**manifest, "sha256": hashes} else None


def _truth(recipe: Recipe, films: Films, users: Users, counts: Ints, hashes: dict[str, str]) -> Truth:
    people = users.table.select("user_id", "age", "is_under_18", "youth", "p_under_18", "joined_at", "returns")
    catalogue = films.table.select(
        "movie_id",
        "cluster",
        pl.Series("page", films.page[0]),
        pl.Series("cluster_after", films.cluster[1]),
        pl.Series("page_after", films.page[1]),
        "year",
        "weight",
        "quality",
        "title_tells",
        "poster_hue",
    )
    return Truth(recipe, people.with_columns(pl.Series("events", counts)), users.taste, catalogue, hashes)


def _invalid(what: str, next_step: str) -> InvalidDeclaration:
    return InvalidDeclaration("generated data", what=what, state="was not made", next_step=next_step)
