from __future__ import annotations

import numpy as np
import polars as pl
import pytest

from models.catalogue import UNKNOWN, Catalogue
from models.errors import CataloguesDiffer, RankerMisused
from small_ratings import catalogue


def test_films_stand_in_the_order_of_their_ids() -> None:
    films = pl.DataFrame({"movie_id": [30, 10, 20], "genres": [["War"], ["Comedy"], ["Drama", "Crime"]]})
    made = Catalogue.from_movies(films)
    assert made.items.tolist() == [10, 20, 30]
    assert made.restricted.tolist() == [False, True, True]


def test_the_policy_can_name_other_genres_and_a_film_may_have_none() -> None:
    films = pl.DataFrame({"movie_id": [1, 2, 3], "genres": [["Comedy"], [], None]})
    assert Catalogue.from_movies(films, ["Comedy"]).restricted.tolist() == [True, False, False]


def test_an_unknown_film_has_no_column() -> None:
    assert catalogue().columns([10, 95, 90, -5, 11]).tolist() == [0, UNKNOWN, 8, UNKNOWN, UNKNOWN]
    empty = Catalogue(np.array([], dtype=np.int64), np.array([], dtype=np.bool_))
    assert empty.columns([[1], [2]]).tolist() == [[UNKNOWN], [UNKNOWN]]


@pytest.mark.parametrize("ids", [[2, 1], [1, 1], [1.0, 2.0], [[1, 2]]])
def test_ids_that_are_no_order_of_films_are_refused(ids: list[int]) -> None:
    with pytest.raises(RankerMisused, match="M103"):
        Catalogue(np.array(ids), np.zeros(np.shape(ids), dtype=np.bool_))


def test_what_is_made_over_other_films_is_refused() -> None:
    other = Catalogue(np.array([10, 20, 31]), np.zeros(3, dtype=np.bool_))
    with pytest.raises(CataloguesDiffer, match=r"9 films here, 3 there, 2 in both"):
        catalogue().must_be(other, "this")


def test_a_catalogue_is_the_same_after_a_round_trip() -> None:
    again = Catalogue.of(catalogue().parts())
    assert again.items.tobytes() == catalogue().items.tobytes()
    assert again.restricted.tobytes() == catalogue().restricted.tobytes()
