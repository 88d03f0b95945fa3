"""The planted world behind generated files: films in clusters, users with a latent age band and taste.

A film belongs to one of 54 clusters: 18 sets of genres, three clusters each. Genres tell the set; only the words
of the title (and the poster's hue, for who draws posters) tell the cluster, so text is worth more than genres here.
A user has a `youth` drawn from N(mean of the age band, 1), and a liking for each cluster which depends on youth and
on chance. Behaviour knows of age through youth alone, hence P(under 18 | youth) bounds every behaviour model.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, TypeAlias

import numpy as np
import polars as pl
from numpy.typing import NDArray

Floats: TypeAlias = NDArray[np.float64]
Ints: TypeAlias = NDArray[np.int64]
Bools: TypeAlias = NDArray[np.bool_]

GENRES: Final = (
    "Action", "Adventure", "Animation", "Children's", "Comedy", "Crime", "Documentary", "Drama", "Fantasy",
    "Film-Noir", "Horror", "Musical", "Mystery", "Romance", "Sci-Fi", "Thriller", "War", "Western",
)  # fmt: skip

# Genres; pull of youth on the liking; mean age of a film in 2000, in years; share of the catalogue.
_SETS: Final = (
    (("Animation", "Children's", "Musical"), 1.00, 14, 3),
    (("Adventure", "Children's"), 0.90, 12, 3),
    (("Children's", "Comedy"), 0.90, 8, 4),
    (("Adventure", "Fantasy"), 0.55, 12, 2),
    (("Action", "Sci-Fi"), 0.35, 8, 5),
    (("Action", "Adventure"), 0.30, 9, 5),
    (("Comedy",), 0.35, 8, 14),
    (("Horror",), 0.50, 16, 8),
    (("Comedy", "Romance"), 0.05, 9, 8),
    (("Action", "Crime", "Thriller"), -0.15, 7, 6),
    (("Comedy", "Drama"), -0.35, 8, 8),
    (("Drama", "Romance"), -0.35, 11, 8),
    (("Drama",), -0.60, 9, 14),
    (("Mystery", "Thriller"), -0.45, 14, 5),
    (("Drama", "War"), -0.60, 18, 3),
    (("Film-Noir", "Mystery"), -0.95, 45, 1),
    (("Western",), -0.60, 30, 1),
    (("Documentary",), -0.80, 5, 2),
)
_SISTERS: Final = 3
_SISTER_PULL: Final = (-0.35, 0.0, 0.35)
CLUSTERS: Final = len(_SETS) * _SISTERS
WORDS_PER_CLUSTER: Final = 4

_ONSETS = ("Ba", "Cor", "Del", "Fen", "Gal", "Hes", "Jor", "Kal", "Lum", "Mar", "Nor", "Pel", "Quin", "Ros", "Sal")
_ENDS = ("ado", "bury", "den", "eth", "far", "gate", "holm", "ion", "lyn", "mor", "nia", "ova", "stone", "tor", "ver")
_ACCENTED: Final = ("Café", "Señor", "Forêt", "Über", "Ängel", "Niño", "Façade", "Bjørn")
_COMMON: Final = ("Night", "River", "Return", "House", "Summer", "Letter", "Winter", "Road", "Secret", "Garden")

# The original's age codes, how many of 5,818 adults have each, and the mean youth of each band.
_ADULT_CODES: Final = np.array([18, 25, 35, 45, 50, 56])
_ADULT_SHARES: Final = np.array([1103, 2096, 1193, 550, 496, 380]) / 5818
_ADULT_YOUTH: Final = np.array([0.6, 0.05, -0.15, -0.3, -0.4, -0.5])
_MINOR_YOUTH: Final = 2.3
# Spread of a user's own liking of clusters (shape of a gamma), and strength of youth beside it.
_OWN_TASTE: Final = 0.15
_YOUTH_TASTE: Final = 0.8

K12_STUDENT: Final = 10
# P(occupation 10 | age) such that the code has precision 0.84 and recall 0.73 at 3.7 % minors.
_K12_OF_MINORS: Final = 0.73
_K12_OF_ADULTS: Final = 0.00535
_BASE_MOVIES: Final = 3_883


@dataclass(frozen=True)
class Films:
    """The catalogue; every array has one entry per film, in order of `movie_id`.

    Attributes:
        table: ``movie_id``, ``title``, ``genres`` as in ``movies.dat``, then the planted ``cluster``, ``year``,
            ``weight`` (Zipf with a cutoff, sums to 1), ``quality`` (added to ratings, in stars), ``title_tells``
            (its words are its cluster's) and ``poster_hue`` (0..1).
        cluster: Cluster (0..53) before and after the taste shift, int64 [2, films].
        page: Place on the site's pages before and after the shift, a permutation, int64 [2, films].
    """

    table: pl.DataFrame
    cluster: Ints
    page: Ints


@dataclass(frozen=True)
class Users:
    """The population; every array has one entry per user, in order of `user_id`, 1 being the last to join.

    Attributes:
        table: The columns of ``users.dat``, then the planted ``is_under_18``, ``youth``, ``p_under_18`` (given
            youth and the share of minors), ``joined_at`` (seconds since 1970 UTC) and ``returns``.
        taste: Liking of each cluster, mean near 1, float32 [users, 54].
    """

    table: pl.DataFrame
    taste: NDArray[np.float32]


def make_films(count: int, title_signal: float, rng: np.random.Generator) -> Films:
    """Draw the catalogue.

    Args:
        count: Films.
        title_signal: Share of films whose first title word comes from their cluster's own words, 0..1.
        rng: Used up by this catalogue alone.
    """
    shares = np.repeat([share for *_, share in _SETS], _SISTERS) / sum(share for *_, share in _SETS) / _SISTERS
    cluster = rng.choice(CLUSTERS, size=count, p=shares)
    age = rng.exponential([_SETS[c // _SISTERS][2] for c in cluster])
    year = (2000 - np.minimum(age, 81)).astype(np.int64)
    rank = rng.permutation(count)
    scale = count / _BASE_MOVIES
    weight = np.exp(-rank / (0.25 * count)) / (rank + 8 * scale) ** 0.6
    popularity = (np.log(weight) - np.log(weight).mean()) / np.log(weight).std()
    quality = 0.30 * popularity + rng.normal(0.0, 0.58, count)
    tells = rng.random(count) < title_signal
    title = _titles(np.where(tells, cluster, rng.integers(CLUSTERS, size=count)), year, rng)
    # After a shift a film sits with another cluster of its genres: genre shares stay, neighbours do not.
    moved = cluster // _SISTERS * _SISTERS + rng.integers(_SISTERS, size=count)
    ids = np.sort(rng.choice(np.arange(1, count + count // 56 + 2), size=count, replace=False))
    table = pl.DataFrame(
        {
            "movie_id": ids,
            "title": title,
            "genres": _genres(cluster, rng),
            "cluster": cluster,
            "year": year,
            "weight": weight / weight.sum(),
            "quality": quality,
            "title_tells": tells,
            "poster_hue": (cluster / CLUSTERS + rng.normal(0.0, 0.01, count)) % 1.0,
        }
    )
    pages = np.stack([rng.permutation(count), rng.permutation(count)])
    return Films(table, np.stack([cluster, moved]), pages)


def make_users(
    count: int, minors_share: float, joined_at: Ints, traits: np.random.Generator, tastes: np.random.Generator
) -> Users:
    """Draw the population, with exactly ``round(count * minors_share)`` users under 18.

    Args:
        count: Users.
        minors_share: Share of users under 18, 0..1.
        joined_at: Instants of joining, seconds since 1970 UTC, latest first.
        traits: Stream for what ``users.dat`` shows.
        tastes: Stream for what only behaviour shows.
    """
    minor = np.zeros(count, np.bool_)
    minor[traits.permutation(count)[: round(count * minors_share)]] = True
    band = traits.choice(len(_ADULT_CODES), size=count, p=_ADULT_SHARES)
    age = np.where(minor, 1, _ADULT_CODES[band])
    youth = tastes.normal(np.where(minor, _MINOR_YOUTH, _ADULT_YOUTH[band]), 1.0)
    pull = np.array([pull + sister for _, pull, _, _ in _SETS for sister in _SISTER_PULL])
    own = tastes.gamma(_OWN_TASTE, 1 / _OWN_TASTE, size=(count, CLUSTERS))
    taste = (own + 0.05) * np.exp(_YOUTH_TASTE * youth[:, None] * pull)
    zips = pl.Series(traits.integers(0, 100_000, count)).cast(pl.String).str.zfill(5)
    table = pl.DataFrame(
        {
            "user_id": np.arange(1, count + 1),
            "gender": np.where(traits.random(count) < np.where(minor, 0.65, 0.72), "M", "F"),
            "age": age,
            "occupation": _occupations(age, traits),
            "zip_code": zips,
            "is_under_18": minor,
            "youth": youth,
            "p_under_18": _posterior(youth, minors_share),
            "joined_at": joined_at,
            "returns": traits.random(count) < 0.23,
        }
    )
    return Users(table, taste.astype(np.float32))


def _posterior(youth: Floats, minors_share: float) -> Floats:
    """P(under 18 | youth) by Bayes' rule over the age bands' normal densities."""
    minors = minors_share * np.exp(-((youth - _MINOR_YOUTH) ** 2) / 2)
    adults = (1 - minors_share) * (np.exp(-((youth[:, None] - _ADULT_YOUTH) ** 2) / 2) * _ADULT_SHARES).sum(axis=1)
    return np.asarray(minors / (minors + adults), np.float64)


def _occupations(age: Ints, rng: np.random.Generator) -> Ints:
    """Occupation codes: the whole field betrays minors, as it does in the original, not code 10 alone."""
    others = np.array([code for code in range(21) if code != K12_STUDENT])
    common = {0: 6.0, 1: 5.0, 4: 3.0, 7: 7.0, 12: 4.0, 17: 5.0, 20: 3.0}
    tables = {
        1: {0: 40.0, 19: 16.0, 4: 3.0, 20: 2.0},
        18: {**common, 4: 60.0, 19: 2.0},
        56: {**common, 13: 45.0},
    }
    uniform, codes = rng.random(len(age)), np.empty(len(age), np.int64)
    for code in np.unique(age):
        table = tables.get(int(code), common)
        weights = np.array([table.get(int(other), 0.3 if code == 1 else 1.5) for other in others])
        rows = np.flatnonzero(age == code)
        codes[rows] = others[np.searchsorted(np.cumsum(weights / weights.sum())[:-1], uniform[rows])]
    return np.where(rng.random(len(age)) < np.where(age == 1, _K12_OF_MINORS, _K12_OF_ADULTS), K12_STUDENT, codes)


def _titles(said: Ints, year: Ints, rng: np.random.Generator) -> pl.Series:
    """Unique titles such as ``Corgate Winter 2 (1994)``; `said` is the cluster whose words open the title."""
    words = np.array([onset + end for onset in _ONSETS for end in _ENDS])[: CLUSTERS * WORDS_PER_CLUSTER]
    first = words[said + CLUSTERS * rng.integers(WORDS_PER_CLUSTER, size=len(said))]
    tails = np.array([*_COMMON * 50, *_ACCENTED])
    second = tails[rng.integers(len(tails), size=len(said))]
    # Even the smallest catalogue must show a reader bytes that are not ASCII.
    second[0] = _ACCENTED[0]
    draft = pl.DataFrame({"first": first, "second": second, "year": year})
    part = pl.int_range(1, pl.len() + 1).over("first", "second", "year")
    number = pl.when(part > 1).then(pl.format(" {}", part)).otherwise(pl.lit(""))
    return draft.select(title=pl.format("{} {}{} ({})", "first", "second", number, "year")).to_series()


def _genres(cluster: Ints, rng: np.random.Generator) -> list[str]:
    """The names of each cluster's genres; one is forgotten now and then, and sometimes a stray one joins."""
    keep, stray = rng.random((len(cluster), 4)), rng.integers(len(GENRES), size=len(cluster))
    rows = []
    for c, kept, other in zip(cluster, keep, stray, strict=True):
        names = _SETS[c // _SISTERS][0]
        some = {name for name, chance in zip(names, kept, strict=False) if chance < 0.8} or {names[0]}
        rows.append("|".join(sorted(some | ({GENRES[other]} if kept[3] < 0.12 else set()))))
    return rows
