"""Vectors of films in a small lake: made by the training's step, and what they are for."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
from scipy import sparse

from feature_groups import movie_vectors, movies, ratings
from feature_groups.store import connect
from feature_groups.store.errors import NothingWritten
from feature_groups.views import age_gate, ranking
from film_lake import QUICK, FilmLake, film_lake
from models.cold_films import FilmEncoder, cold_films, encoders_used, similar_films
from models.errors import CannotBeAsked, MemberMissing, UnknownItem
from models.film_training import FilmTraining
from models.film_vectors import UNVALIDATED, FilmVectors, _weighted
from models.matrix import Matrix


@pytest.fixture(scope="module")
def lake(tmp_path_factory: pytest.TempPathFactory) -> FilmLake:
    return film_lake(tmp_path_factory.getbasetemp())


@pytest.fixture(scope="module")
def grown(lake: FilmLake, tmp_path_factory: pytest.TempPathFactory) -> tuple[FilmLake, dict[str, Any]]:
    """A copy to which three films came after the training, and what the next one's step said of them."""
    made = lake.copy(tmp_path_factory.mktemp("grown") / "copy")
    old = made.rows(movies.v1).sort("restricted", "movie_id")
    new = pl.concat([old.head(2), old.tail(1)]).with_columns(movie_id=pl.Series(NEW), title=pl.lit("Unheard of"))
    made.store.get_or_create_feature_group(movies.v1).insert(new)
    return made, vectors_of(made).write()


NEW = [20_001, 20_002, 20_003]
RESTRICTED = 20_003


def vectors_of(made: FilmLake) -> FilmVectors:
    store = made.store
    gate, _ = age_gate.training.make(store)
    films, _ = ranking.training.make(store)
    return FilmVectors(FilmTraining(store, gate, films, QUICK))


def encoder_of(made: FilmLake) -> FilmEncoder:
    (content,) = encoders_used(made.store)
    encoder = made.registry.member(content, [FilmEncoder])
    assert isinstance(encoder, FilmEncoder)
    return encoder


def test_every_film_has_the_vector_of_an_encoder_that_is_found_by_the_name_in_its_row(lake: FilmLake) -> None:
    vectors, films = lake.rows(movie_vectors.v1).sort("movie_id"), lake.rows(movies.v1).sort("movie_id")
    encoder = encoder_of(lake)

    assert vectors["movie_id"].to_list() == films["movie_id"].to_list()
    assert np.array_equal(np.array(vectors["vector"].to_list(), np.float32), encoder.transform.apply(films).values)
    assert set(encoder.items) <= set(lake.rows(ratings.v1)["movie_id"])
    assert FilmEncoder.of(encoder.parts()).scores(encoder.items[:3], encoder.transform.apply(films).values).any()


def test_made_again_the_vectors_are_what_they_were_and_no_commit_is_made(lake: FilmLake) -> None:
    vectors = vectors_of(lake)
    group = lake.store.get_or_create_feature_group(movie_vectors.v1)
    before = [commit.version for commit in group.history()]
    output = vectors.write()

    assert not output["receipt"]["committed"]
    assert [commit.version for commit in group.history()] == before
    assert vectors.lost(output) == []


def test_vectors_and_encoders_that_went_are_missed(lake: FilmLake, tmp_path: Path) -> None:
    made = lake.copy(tmp_path / "copy")
    vectors = vectors_of(made)
    output = vectors.write()
    for path in (made.lake / "metadata" / made.registry.root / "objects").iterdir():
        if path.name == output["encoder"]["sha256"]:
            path.unlink()
    group = made.store.get_or_create_feature_group(movie_vectors.v1)
    group.delete_rows(group.read().select("movie_id").head(1).collect())

    gone = ["its vectors are gone or were made by another encoder since", "its encoder is gone"]
    assert vectors.training.gone(output) == gone
    with pytest.raises(MemberMissing):
        cold_films(made.store, 1)


def test_films_that_came_later_get_vectors_and_the_others_keep_theirs(grown: tuple[FilmLake, dict[str, Any]]) -> None:
    _, output = grown
    assert (output["receipt"]["inserted"], output["receipt"]["updated"]) == (3, 0)


def test_similar_films_have_titles_and_need_no_rating(grown: tuple[FilmLake, dict[str, Any]]) -> None:
    store = grown[0].store
    found = similar_films(store, NEW[0], 5)

    assert found.columns == ["movie_id", "title", "year", "similarity"]
    assert found["similarity"].is_sorted(descending=True)
    assert found["similarity"][0] == pytest.approx(1)  # the film whose genres and year it has
    assert (found.height, found["title"].null_count()) == (5, 0)
    with pytest.raises(UnknownItem):
        similar_films(store, 99_999)


def test_films_that_nobody_has_rated_are_scored_by_what_somebody_liked(
    grown: tuple[FilmLake, dict[str, Any]],
) -> None:
    lake, _ = grown
    films, rated, encoder = lake.rows(movies.v1), lake.rows(ratings.v1), encoder_of(lake)
    liked = rated.filter(pl.col("rating") >= 4).join(pl.DataFrame({"movie_id": encoder.items}), on="movie_id")
    user = int(liked["user_id"].mode().min())  # type: ignore[arg-type]  # a number here
    found = cold_films(lake.store, user, restricted=True)

    assert set(found["movie_id"]) == set(NEW)
    own = np.isin(encoder.items, liked.filter(user_id=user)["movie_id"])
    content = encoder.transform.apply(found.select("movie_id").join(films, on="movie_id", maintain_order="left"))
    ones = sparse.csr_array(own[None].astype(float))
    assert found["score"].to_list() == encoder.cold.scores(ones, Matrix(content.values, content.names))[0].tolist()
    assert found.equals(found.sort("score", "movie_id", descending=[True, False]))
    allowed = cold_films(lake.store, user)
    assert allowed.equals(found.filter(pl.col("movie_id") != RESTRICTED))
    assert cold_films(lake.store, user, 1).equals(allowed.head(1))


def test_who_liked_nothing_that_is_known_cannot_be_asked_for(lake: FilmLake) -> None:
    with pytest.raises(CannotBeAsked, match="They liked 0 films"):
        cold_films(lake.store, 10_000)


def test_before_the_first_training_there_are_none(tmp_path: Path) -> None:
    empty = connect(tmp_path / "lake")
    for ask in (similar_films, cold_films):
        with pytest.raises(NothingWritten):
            ask(empty, 1)
    assert encoders_used(empty) == []


def test_where_too_few_films_are_rated_to_validate_weights_are_as_measured_elsewhere(lake: FilmLake) -> None:
    films = lake.rows(movies.v1).sort("movie_id")
    for few in (2, 6):
        transform, chosen = _weighted(films.head(few), sparse.csr_array(np.eye(few)))
        assert (transform.weights, chosen) == (UNVALIDATED, None)
