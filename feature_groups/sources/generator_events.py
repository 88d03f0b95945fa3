"""The planted events: who rates which film when, and how.

A user draws films by an exponential race, the weight of a film being its popularity times the liking of its cluster,
so no film is met twice. The draws are then put in runs of one cluster, within a run roughly in the order of the
site's pages: the last films say what the next will be. Time passes in sessions, where several rows share a second;
some users come back over the following years. Rows of a file go by user and page, hence not by time.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final, TypeAlias

import numpy as np
import polars as pl
from numpy.typing import NDArray

from feature_groups.sources.generator_world import CLUSTERS, Films, Ints, Users

_Taste: TypeAlias = NDArray[np.float32]

# Users are drawn in blocks of so many user x film cells: the memory needed does not grow with the events.
_CELLS: Final = 1 << 22
_TIE: Final = 0.545
_RUN_BREAK: Final = 1 / 4
_PAGE_NOISE: Final = 0.35
# Chance per row that a visit ends: in the first days, and later.
_EARLY_BREAK: Final = 1 / 500
_LATE_BREAK: Final = 1 / 14
_HOUR: Final = 3_600


@dataclass(frozen=True)
class Clock:
    """The timeline.

    Attributes:
        end: First instant after all events, in seconds since 1970 UTC.
        shift: From here on, same unit, users follow the films' second clusters and pages.
        stretch: Length of the timeline against the original's, at most 1; shortens the pauses.
    """

    end: int
    shift: int
    stretch: float


@dataclass(frozen=True)
class Streams:
    """One random stream per concern, so that a change to one leaves the draws of the others alone."""

    race: np.random.Generator
    race_after_shift: np.random.Generator
    order: np.random.Generator
    times: np.random.Generator
    ratings: np.random.Generator


def draw_counts(users: int, events: int, movies: int, rng: np.random.Generator) -> Ints:
    """Events of each user: skewed as in the original, at least 20 where that fits, summing to `events`.

    Args:
        users: Users, at most `events`.
        events: Events, at most 60 % of users x movies.
        movies: Films; nobody rates more than 60 % of them.
        rng: Stream of this concern.
    """
    least, most = min(20, events // users, int(0.6 * movies)), int(0.6 * movies)
    wish = rng.gamma(0.72, size=users) + 1e-3
    counts = np.full(users, least)
    while (rest := events - int(counts.sum())) > 0:
        free = np.flatnonzero(counts < most)
        share = np.floor(rest * wish[free] / wish[free].sum()).astype(np.int64)
        if not share.any():
            share[np.argsort(-wish[free], kind="stable")[:rest]] = 1
        counts[free] += np.minimum(share, most - counts[free])
    return counts


def draw_events(films: Films, users: Users, counts: Ints, clock: Clock, streams: Streams) -> Iterator[pl.DataFrame]:
    """Yield the rows of ``ratings.dat`` in file order, a block of users at a time.

    Args:
        films: The catalogue.
        users: The population.
        counts: Events of each user, int64 [users].
        clock: The timeline.
        streams: Used up block by block; the size of a block depends on the catalogue alone.

    Yields:
        ``user_id``, ``movie_id``, ``rating`` (1..5), ``timestamp`` (seconds since 1970 UTC), all Int64.
    """
    size = max(1, _CELLS // films.table.height)
    for first in range(0, len(counts), size):
        block = slice(first, min(first + size, len(counts)))
        yield _block(films, users.table[block], users.taste[block], counts[block], clock, streams)


def _block(films: Films, users: pl.DataFrame, taste: _Taste, counts: Ints, clock: Clock, draw: Streams) -> pl.DataFrame:
    user = np.repeat(np.arange(len(counts)), counts)
    place = np.arange(len(user)) - np.repeat(np.cumsum(counts) - counts, counts)
    timestamp = _times(user, place, counts, users, clock, draw.times)
    era = (timestamp >= clock.shift).astype(np.int64)
    film = _race(films, taste, user, era, counts, (draw.race, draw.race_after_shift))
    film = film[_sequence(films, user, era, film, draw.order)]
    rating = _ratings(films, taste, user, era, film, draw.ratings)
    rows = {
        "user_id": users["user_id"].to_numpy()[user],
        "movie_id": films.table["movie_id"].to_numpy()[film],
        "rating": rating,
        "timestamp": timestamp,
    }
    in_file = np.argsort(user << 32 | films.page[era, film], kind="stable")
    return pl.DataFrame({name: values[in_file] for name, values in rows.items()})


def _times(user: Ints, place: Ints, counts: Ints, users: pl.DataFrame, clock: Clock, rng: np.random.Generator) -> Ints:
    """Seconds since 1970 UTC of each event, never falling within a user; `place` is the event's number there."""
    late_share = rng.uniform(0.25, 0.95, len(counts)) * users["returns"].to_numpy()
    comes_back = np.maximum(1, counts - (counts * late_share).astype(np.int64))[user]
    chance, pause = rng.random((2, len(user)))
    visit = (place > comes_back) & (chance < _LATE_BREAK) | (place == comes_back)
    breaks = (place < comes_back) & (chance < _EARLY_BREAK)
    gap = 10 + np.exp(rng.normal(np.log(23), 1.1, len(user))).astype(np.int64)
    gap[rng.random(len(user)) < _TIE] = 0
    gap[breaks] = 0.6 * _HOUR + clock.stretch * 240 * _HOUR * pause[breaks] ** 3

    # Every visit of a returning user starts at its own share of the time left between the first days and the end.
    first = np.cumsum(counts) - counts
    passed = np.cumsum(gap)
    left = users["joined_at"].to_numpy() + passed[first + np.maximum(comes_back[first], 1) - 1] - passed[first] + _HOUR
    step = np.where(visit, rng.exponential(size=len(user)), 0.0)
    walked = np.cumsum(step)
    before = walked[first] - step[first]
    total = walked[first + counts - 1] - before + rng.exponential(size=len(counts))
    share = ((walked - before[user]) / total[user]) ** 2
    room = np.maximum(clock.end - 24 * _HOUR * clock.stretch - left, 1)

    anchor = np.where(place == 0, users["joined_at"].to_numpy()[user], 0)
    anchor = np.where(visit, (left[user] + share * room[user]).astype(np.int64), anchor)
    since = np.maximum.accumulate(np.where(visit | (place == 0), np.arange(len(user)), 0))
    timestamp = np.minimum(anchor[since] + passed - passed[since], clock.end - 1)
    # Two visits may overlap by some minutes; the order of the rows is what counts.
    return np.asarray(np.maximum.accumulate(timestamp + (user << 40)) - (user << 40), np.int64)


def _race(
    films: Films, taste: _Taste, user: Ints, era: Ints, counts: Ints, rngs: tuple[np.random.Generator, ...]
) -> Ints:
    """Film of each event: per user and era the winners of a race of all films, none twice for a user."""
    slowness = (1 / films.table["weight"].to_numpy()).astype(np.float32)
    film = np.empty(len(user), np.int64)
    gone = np.zeros((len(counts), len(slowness)), np.bool_)
    for now in range(2 if era.any() else 1):
        wanted = np.bincount(user[era == now], minlength=len(counts))
        finish = rngs[now].standard_exponential((len(counts), len(slowness)), dtype=np.float32)
        finish *= slowness
        finish /= np.take(taste, films.cluster[now], axis=1)
        finish[gone] = np.inf
        # Positive floats order as their bits do, so one fast sort of integers carries the film along.
        entries = finish.view(np.uint32).astype(np.uint64)
        entries <<= np.uint64(32)
        entries |= np.arange(len(slowness), dtype=np.uint64)
        entries.sort(axis=1)
        won = (entries & np.uint64(0xFFFFFFFF))[np.arange(len(slowness)) < wanted[:, None]].astype(np.int64)
        film[era == now] = won
        gone[user[era == now], won] = True
    return film


def _sequence(films: Films, user: Ints, era: Ints, film: Ints, rng: np.random.Generator) -> Ints:
    """The order in which a user meets the films won: runs of one cluster, roughly by page; a permutation."""
    owner = user << 1 | era
    group = owner * CLUSTERS + films.cluster[era, film]
    blur = rng.normal(0.0, _PAGE_NOISE * len(films.table), len(film)).astype(np.int64)
    page = np.clip(films.page[era, film] + blur + len(films.table), 0, (1 << 31) - 1)
    by_page = np.argsort(group << 31 | page, kind="stable")
    opens = rng.random(len(film)) < _RUN_BREAK
    opens[1:] |= np.diff(group[by_page]) != 0
    run = np.cumsum(opens)
    turn = rng.integers(1 << 31, size=len(film) + 1)[run]
    return np.asarray(by_page[np.argsort(owner[by_page] << 31 | turn, kind="stable")], np.int64)


def _ratings(films: Films, taste: _Taste, user: Ints, era: Ints, film: Ints, rng: np.random.Generator) -> Ints:
    """Stars 1..5: the film's quality, the user's mildness, the liking of the cluster, and chance."""
    mild = rng.normal(0.0, 0.42, len(taste))
    liking = np.log(taste.astype(np.float64))
    liking -= liking.mean(axis=1, keepdims=True)
    stars = 3.22 + films.table["quality"].to_numpy()[film] + mild[user] + 0.12 * liking[user, films.cluster[era, film]]
    return np.asarray(np.clip(np.rint(stars + rng.normal(0.0, 0.88, len(film))), 1, 5), np.int64)
