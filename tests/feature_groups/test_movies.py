from __future__ import annotations

import polars as pl
import pytest

from example import batch, made
from feature_groups import movies
from feature_groups.store import FeatureStore
from feature_groups.store.errors import ContractViolated

FILMS = {
    "Toy Story (1995)": "Animation|Children's|Comedy",
    "Seven (Se7en) (1995)": "Crime|Thriller",
    "Et Dieu... créa la femme (1956)": "Drama",
    "Alien(1979)": "Action|Horror|Sci-Fi|Thriller",
    "1900 (1976)": "War",
    "M (1931)": "Film-Noir",
    "Nobody Knows (2000)": "Crimean",
}


def raw(films: dict[str, str]) -> pl.DataFrame:
    rows = range(1, len(films) + 1)
    return pl.DataFrame(
        {"movie_id": rows, "title": list(films), "genres": list(films.values())},
        schema_overrides={"movie_id": pl.Int64()},
    )


def test_titles_years_and_genres_are_apart_on_every_engine(store: FeatureStore, engine: str) -> None:
    found = made(movies.v1, raw(FILMS), store, engine).sort("movie_id")

    assert found.select("title", "year").rows() == [
        ("Toy Story", 1995),
        ("Seven (Se7en)", 1995),
        ("Et Dieu... créa la femme", 1956),
        ("Alien", 1979),
        ("1900", 1976),
        ("M", 1931),
        ("Nobody Knows", 2000),
    ]
    assert found["genres"].to_list() == [genres.split("|") for genres in FILMS.values()]


def test_the_policy_keeps_whole_genres_from_minors_on_every_engine(store: FeatureStore, engine: str) -> None:
    found = made(movies.v1, raw(FILMS), store, engine).sort("movie_id")

    restricted = [bool(set(genres.split("|")) & set(movies.RESTRICTED_GENRES)) for genres in FILMS.values()]
    assert found["restricted"].to_list() == restricted == [False, True, False, True, True, True, False]


@pytest.mark.parametrize(
    ("film", "broken"),
    [
        ({"Metropolis (1826)": "Drama"}, "year in_range(1880, 2100"),
        ({"(1995)": "Drama"}, "title str_length"),
    ],
)
def test_films_that_cannot_be_are_refused(film: dict[str, str], broken: str, light_store: FeatureStore) -> None:
    rows = made(movies.v1, raw({"Toy Story (1995)": "Comedy"} | film), light_store)

    with pytest.raises(ContractViolated, match="1 of 2 rows") as caught:
        batch(movies.v1, rows, light_store)
    assert f"rows break {broken}" in caught.value.what
