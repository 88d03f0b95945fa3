from __future__ import annotations

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import sparse
from sklearn.metrics import roc_auc_score

from models.artefact import pack, unpack
from models.block_weights import Trials, choose_weights
from models.cold_items import ColdItems
from models.cold_items_fit import cold_folds, fit_cold_items, mean_user_auc
from models.errors import UnknownItem
from models.film_encoder import film_vectors, films, similar_films
from models.transform_fit import fit

GENRES = ("Drama", "Horror", "Comedy", "War")
SHA = "a" * 64


def world(seed: int = 0, n_films: int = 160, n_users: int = 120) -> tuple[pl.DataFrame, sparse.csr_array]:
    """Users like genres and old or new films; a title's words say nothing."""
    draw = np.random.default_rng(seed)
    genre, year = draw.integers(0, 4, n_films), draw.integers(1920, 2001, n_films)
    taste, age = draw.normal(size=(n_users, 4)), draw.normal(size=n_users)
    pull = 1.5 * taste[:, genre] + age[:, None] * (year - 1960) / 25 - 1.5
    liked = draw.random(pull.shape) < 1 / (1 + np.exp(-pull))
    words = draw.choice(["night", "river", "house", "return", "king", "love"], (n_films, 2))
    movies = pl.DataFrame(
        {
            "movie_id": np.arange(1, n_films + 1),
            "title": [" ".join(pair) for pair in words],
            "genres": [[GENRES[g]] for g in genre],
            "year": year,
        }
    )
    return movies, sparse.csr_array(liked.astype(np.float64))


MOVIES, LIKED = world()


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 10_000), st.integers(2, 9), st.integers(1, 4))
def test_a_users_auc_is_scikit_learns(seed: int, n: int, least: int) -> None:
    draw = np.random.default_rng(seed)
    scores, liked = draw.integers(0, 4, (5, n)).astype(float), draw.random((5, n)) < 0.5
    both = [(y, s) for y, s in zip(liked, scores, strict=True) if least <= y.sum() < n]

    found = mean_user_auc(scores, sparse.csr_array(liked.astype(float)), least)

    if both:
        assert found == pytest.approx(np.mean([roc_auc_score(y, s) for y, s in both]))
    else:
        assert np.isnan(found)


def test_scores_that_are_no_numbers_are_not_taken_for_good_ones() -> None:
    liked = sparse.csr_array([[1.0, 1.0, 0.0]])

    assert mean_user_auc(np.array([[2.0, 3.0, 1.0]]), liked, least=1) == 1
    assert np.isnan(mean_user_auc(np.array([[2.0, np.nan, 1.0]]), liked, least=1))


def test_content_that_is_liked_pays_and_words_that_say_nothing_are_switched_off() -> None:
    folds = list(cold_folds(films, MOVIES, LIKED, seeds=(0,)))
    chosen = choose_weights(folds, {"genre": 1, "year": 1, "title": 1})

    assert chosen.weights["title"] == 0
    assert chosen.weights["genre"] > 0
    assert chosen.weights["year"] > 0
    assert chosen.score > 0.7
    assert np.mean(Trials(folds).scores({"genre": 0, "year": 0, "title": 1})) < 0.55


def test_cold_films_are_scored_bit_for_bit_also_one_by_one_and_after_storing() -> None:
    warm, cold = MOVIES.head(130), MOVIES.tail(30)
    fitted = fit(films, warm)
    model = fit_cold_items(LIKED[:, :130], fitted.apply(warm), components=8)
    seen, kept = LIKED[:, :130], LIKED[:, 130:]

    scores = model.scores(seen, fitted.apply(cold))

    assert scores.dtype == np.float32
    assert mean_user_auc(scores, kept) > 0.7
    alone = [model.scores(seen[u : u + 1], fitted.apply(cold[i : i + 1]))[0, 0] for u, i in ((0, 0), (7, 3), (119, 29))]
    assert alone == [scores[0, 0], scores[7, 3], scores[119, 29]]
    stored = pack(model)
    restored = ColdItems.of(unpack(stored.data, stored.sha256))
    assert restored.scores(seen, fitted.apply(cold)).tobytes() == scores.tobytes()
    again = fit_cold_items(LIKED[:, :130], fitted.apply(warm), components=8)
    assert pack(again).content == stored.content


def vectors() -> pl.DataFrame:
    fitted = fit(films.weighted({"genre": 1, "year": 1, "title": 0}), MOVIES)
    return film_vectors(fitted, MOVIES, SHA)


def test_vectors_of_films_are_rows_of_the_group() -> None:
    found = vectors()

    assert found.schema == {"movie_id": pl.Int64, "vector": pl.List(pl.Float32), "encoder": pl.String}
    assert found.height == MOVIES.height
    assert found["vector"].list.len().unique().to_list() == [5 + 12]


def test_similar_films_share_genre_and_time() -> None:
    found = similar_films(vectors(), 1, k=5)

    of = {row["movie_id"]: row for row in MOVIES.to_dicts()}
    assert found.height == 5
    assert 1 not in found["movie_id"].to_list()
    assert found["similarity"].to_list() == sorted(found["similarity"], reverse=True)
    assert {of[i]["genres"][0] for i in found["movie_id"]} == {of[1]["genres"][0]}
    assert all(abs(of[i]["year"] - of[1]["year"]) <= 20 for i in found["movie_id"])


def test_films_of_other_encoders_are_not_compared_and_unknown_ones_refused() -> None:
    other = vectors().with_columns(
        encoder=pl.when(pl.col("movie_id") == 3).then(pl.lit("b" * 64)).otherwise("encoder"),
    )

    assert 3 not in similar_films(other, 1, k=200)["movie_id"].to_list()
    assert similar_films(other, 3).is_empty()
    with pytest.raises(UnknownItem, match="film 999"):
        similar_films(other, 999)
