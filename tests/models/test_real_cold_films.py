"""Films nobody has rated, on the real ratings: what content is worth, and that validation finds it out."""

from __future__ import annotations

from pathlib import Path
from statistics import fmean

import narwhals as nw
import numpy as np
import polars as pl
import pytest
from scipy import sparse

from feature_groups import movies
from feature_groups.sources.movielens_files import read_movies, read_ratings
from models.ablation import ablation
from models.block_weights import Fold, Trials, choose_weights, shortfall
from models.cold_items_fit import cold_folds
from models.film_encoder import films

REAL = Path(__file__).parents[2].parent / "shared" / "data" / "ml-1m"
POSITIVE = 4

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not REAL.is_dir(), reason="the licensed MovieLens-1M files are not at ../shared/data/ml-1m"),
]


@pytest.fixture(scope="module")
def folds() -> list[Fold]:
    """Of the films that were rated; who liked them, in the files' users."""
    ratings = read_ratings(REAL / "ratings.dat")
    catalogue: pl.DataFrame = movies.transform(nw.from_native(read_movies(REAL / "movies.dat"))).to_native()
    rated = catalogue.join(ratings.select("movie_id").unique(), on="movie_id", how="semi").sort("movie_id")
    liked = ratings.filter(pl.col("rating") >= POSITIVE)
    users = ratings["user_id"].unique().sort()
    at = (
        users.search_sorted(liked["user_id"]).to_numpy(),
        rated["movie_id"].search_sorted(liked["movie_id"]).to_numpy(),
    )
    matrix = sparse.csr_array((np.ones(liked.height), at), shape=(len(users), rated.height))
    return list(cold_folds(films, rated, matrix))


def test_blind_concatenation_hurts_and_validation_switches_the_title_off(folds: list[Fold]) -> None:
    trials = Trials(folds)
    scores = {weight: trials.scores({"genre": 1, "year": 1, "title": weight}) for weight in (0, 0.1, 0.3, 1)}
    for weight, found in scores.items():
        lost, se = shortfall(scores[0], found)
        print(f"\ngenre, year and {weight} x title: AUC {fmean(found):.4f}, short by {lost:.4f} (se {se:.4f})")
    chosen = choose_weights(folds, {"genre": 1, "year": 1, "title": 1})
    report = ablation(folds, {"genre": 1, "year": 1, "title": 1})
    print(f"{chosen!r}\n{report.blocks}\n{chosen.trials}")

    content, blind = fmean(scores[0]), fmean(scores[1])
    assert 0.77 <= content <= 0.80, "above .81 the factors have seen the cold films"
    assert blind <= content - 0.004
    assert chosen.weights["title"] <= 0.1
    assert chosen.score >= content - 0.002
    worth = dict(report.blocks.select("block", "pays").iter_rows())
    assert worth == {"genre": True, "year": True, "title": False}
