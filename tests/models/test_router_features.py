"""What the under-18 router is made of can be said as a transform: tf-idf of rated films, alone or as 64 factors."""

from __future__ import annotations

import numpy as np
import polars as pl
from sklearn.decomposition import TruncatedSVD
from sklearn.feature_extraction.text import TfidfTransformer
from sklearn.linear_model import LogisticRegression
from sklearn.preprocessing import StandardScaler

from models.blocks_categories import Lists
from models.blocks_counts import Svd, TfIdf
from models.blocks_numbers import Numbers
from models.transform import Block, Transform
from models.transform_fit import fit

BEHAVIOUR = tuple(f"b{n}" for n in range(51))
RATED = pl.List(pl.Int64)

sparse_films = Transform(
    "router_films", 1, {"rated": RATED}, (Block("films", Lists("rated", other=False), then=(TfIdf(),)),)
)
dense_films = Transform(
    "router_features",
    1,
    {"rated": RATED, **dict.fromkeys(BEHAVIOUR, pl.Float64)},
    (
        Block("films", Lists("rated", other=False), then=(TfIdf(), Svd(64)), normalise="zscore"),
        Block("behaviour", Numbers(BEHAVIOUR), normalise="zscore"),
    ),
)


def users(n: int, seed: int) -> tuple[pl.DataFrame, np.ndarray, np.ndarray]:
    """Users, their binary user x film matrix, and a label that shows in what they rate."""
    draw = np.random.default_rng(seed)
    label = draw.random(n) < 0.3
    popular = draw.random((n, 300)) < np.where(label[:, None] & (np.arange(300) < 40), 0.25, 0.1)
    held = {"rated": pl.Series([np.flatnonzero(row).tolist() for row in popular], dtype=RATED)}
    numbers = dict(zip(BEHAVIOUR, draw.normal(loc=5, scale=3, size=(51, n)), strict=True))
    return pl.DataFrame(held | numbers), popular.astype(np.float64), label


TRAIN, SERVED = users(400, 0), users(200, 1)


def test_factors_beside_behaviour_are_standardised_as_one_matrix_would_be() -> None:
    idf = TfidfTransformer(sublinear_tf=True).fit(TRAIN[1])
    svd = TruncatedSVD(64, random_state=0).fit(idf.transform(TRAIN[1]))

    def whole(part: tuple[pl.DataFrame, np.ndarray, np.ndarray]) -> np.ndarray:
        return np.hstack([svd.transform(idf.transform(part[1])), part[0].select(BEHAVIOUR).to_numpy()])

    theirs = StandardScaler().fit(whole(TRAIN)).transform(whole(SERVED))
    ours = fit(dense_films, TRAIN[0]).apply(SERVED[0])

    assert ours.values.shape == (200, 64 + 51)
    assert np.allclose(ours.values, theirs, atol=1e-4)


def test_sparse_rows_train_a_linear_model() -> None:
    fitted = fit(sparse_films, TRAIN[0])
    theirs = TfidfTransformer(sublinear_tf=True).fit(TRAIN[1]).transform(SERVED[1])

    rows = fitted.apply_sparse(SERVED[0])

    assert np.allclose(rows.toarray(), theirs.toarray(), atol=1e-7)
    assert rows.nnz == theirs.nnz
    model = LogisticRegression(C=10, solver="liblinear").fit(fitted.apply_sparse(TRAIN[0]), TRAIN[2])
    assert model.score(rows, SERVED[2]) > 0.8
    alone = [fitted.apply_sparse(SERVED[0][n : n + 1]).toarray() for n in range(50)]
    assert np.concatenate(alone).tobytes() == rows[:50].toarray().tobytes()
