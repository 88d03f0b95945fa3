"""The example's films as vectors, and which films are similar."""

from __future__ import annotations

import numpy as np
import polars as pl

from models.blocks_categories import Lists
from models.blocks_counts import Svd, TfIdf
from models.blocks_numbers import Buckets, Numbers
from models.blocks_text import Words
from models.errors import UnknownItem
from models.fitted_transform import FittedTransform
from models.transform import Block, Transform

DECADES = tuple(float(year) for year in range(1920, 2001, 10))

films = Transform(
    name="films",
    version=1,
    description="What a film is: genres, year, and words of its title.",
    inputs={"title": pl.String, "genres": pl.List(pl.String), "year": pl.Int64},
    blocks=(
        Block("genre", Lists("genres"), normalise="unit"),
        Block(
            "year",
            (Numbers(("year",), centre=1990, scale=10, powers=(1, 2)), Buckets("year", DECADES)),
            normalise="unit",
        ),
        Block(
            "title",
            Words("title", min_rows=2, stop_words=True),
            then=(TfIdf(sublinear=False), Svd(64)),
            normalise="unit",
        ),
    ),
)


def film_vectors(fitted: FittedTransform, movies: pl.DataFrame, encoder: str) -> pl.DataFrame:
    """Rows for the group `movie_vectors`.

    Args:
        fitted: `films`, with the weights that validation chose.
        movies: Rows of the group `movies`.
        encoder: sha256 of the fitted transform.

    Returns:
        ``movie_id``, ``vector`` (list of float32) and ``encoder``, in the order of the films.
    """
    vectors = pl.Series("vector", fitted.apply(movies).values).cast(pl.List(pl.Float32))
    return movies.select("movie_id", vectors, pl.lit(encoder).alias("encoder"))


def similar_films(vectors: pl.DataFrame, movie_id: int, k: int = 10) -> pl.DataFrame:
    """The films whose vectors point the same way most.

    Args:
        vectors: Rows of the group `movie_vectors`; only films of the same encoder are compared.
        movie_id: The film.
        k: At most so many others.

    Returns:
        ``movie_id`` and ``similarity`` (the cosine, -1 to 1), the most similar first, ties by number.

    Raises:
        UnknownItem: The film has no vector.
    """
    own = vectors.filter(pl.col("movie_id") == movie_id)
    if own.is_empty():
        raise UnknownItem(
            f"film {movie_id}",
            what=f"None of {vectors.height:,} vectors is of it.",
            state="has no similar films",
            next_step="encode it and insert its vector into movie_vectors.",
        )
    others = vectors.filter(pl.col("encoder") == own["encoder"][0])
    found = np.array(others["vector"].to_list(), dtype=np.float64)
    found /= np.sqrt(np.sum(found * found, axis=1, keepdims=True))
    at = others["movie_id"].to_list().index(movie_id)
    cosine = pl.Series("similarity", np.sum(found * found[at], axis=1).clip(-1, 1))
    ranked = others.select("movie_id", cosine).filter(pl.col("movie_id") != movie_id)
    return ranked.sort("similarity", "movie_id", descending=[True, False]).head(k)
