"""Each encoder and step makes what scikit-learn, or a line of NumPy, makes of the whole batch."""

from __future__ import annotations

from typing import Any

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.decomposition import PCA, TruncatedSVD
from sklearn.feature_extraction.text import TfidfTransformer, TfidfVectorizer
from sklearn.linear_model import LogisticRegression
from sklearn.neighbors import KNeighborsClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import PowerTransformer, QuantileTransformer, RobustScaler, StandardScaler
from sklearn.utils import check_array

from modal import EVERYTHING, rows
from models.blocks_categories import Frequencies, Lists
from models.blocks_counts import Svd, TfIdf
from models.blocks_estimators import Estimator
from models.blocks_numbers import Buckets, Numbers, Scale
from models.blocks_text import HashedWords, Sentiment, Words
from models.transform import Block, Transform
from models.transform_fit import fit

TRAIN, SERVED = rows(120, seed=3), rows(50, seed=4)


def made(block: Block, train: pl.DataFrame = TRAIN, served: pl.DataFrame = SERVED) -> np.ndarray:
    inputs = {name: train.schema[name] for encoder in block.encoders for name in encoder.reads}
    return fit(Transform("tested", 1, inputs, (block,)), train).apply(served).values


def texts(frame: pl.DataFrame) -> list[str]:
    return frame["text"].fill_null("").to_list()


@pytest.mark.parametrize("sublinear", [True, False])
def test_words_by_tf_idf(sublinear: bool) -> None:
    block = Block("t", Words("text", ngrams=(1, 2), min_rows=3), then=(TfIdf(sublinear),))
    theirs = TfidfVectorizer(ngram_range=(1, 2), min_df=3, sublinear_tf=sublinear).fit(texts(TRAIN))

    assert np.allclose(made(block), theirs.transform(texts(SERVED)).toarray(), atol=1e-7)


def test_at_most_so_many_words_those_that_occur_most() -> None:
    train = pl.DataFrame({"text": ["cc bb bb", "cc aa", "dd cc bb"]})
    inputs = {"text": pl.String}

    assert fit(Transform("t", 1, inputs, (Block("t", Words("text", max_words=2)),)), train).names == ("t.bb", "t.cc")


def test_lists_of_ids_by_tf_idf_and_svd() -> None:
    block = Block("s", Lists("seen", other=False), then=(TfIdf(), Svd(8)), normalise="zscore")

    def binary(frame: pl.DataFrame) -> np.ndarray:
        held = np.zeros((frame.height, 80))
        for row, ids in enumerate(frame["seen"]):
            held[row, [] if ids is None else ids.to_list()] = 1
        return held

    svd = TruncatedSVD(8, random_state=0)
    theirs = make_pipeline(TfidfTransformer(sublinear_tf=True), svd, StandardScaler()).fit(binary(TRAIN))
    assert np.allclose(made(block), theirs.transform(binary(SERVED)), atol=1e-5)


SCALERS: dict[str, Any] = {
    "standard": StandardScaler(),
    "robust": RobustScaler(),
    "quantile": QuantileTransformer(n_quantiles=120, output_distribution="normal", subsample=None),
    "power": PowerTransformer(),
}


@pytest.mark.parametrize("how", SCALERS)
def test_numbers_scaled(how: Any) -> None:
    columns = ["count", "flag", "size"]
    plain = [frame.select(pl.col(columns).cast(pl.Float64)).to_numpy() for frame in (TRAIN, SERVED)]

    found = made(Block("n", Numbers(("count", "flag", "size")), then=(Scale(how),)))

    assert np.allclose(found, SCALERS[how].fit(plain[0]).transform(plain[1]), atol=1e-6)


def test_any_transformer_of_scikit_learn() -> None:
    block = Block("n", Numbers(("count", "size")), then=(Scale(), Estimator(PCA(1, random_state=0))))
    plain = [frame.select(pl.col("count").cast(pl.Float64), "size").to_numpy() for frame in (TRAIN, SERVED)]
    theirs = make_pipeline(StandardScaler(), PCA(1, random_state=0)).fit(plain[0])

    assert np.allclose(made(block), theirs.transform(plain[1]), atol=1e-6)


@pytest.mark.parametrize("block", [b for b in EVERYTHING.blocks if b.normalise == "unit"], ids=lambda b: b.name)
def test_a_unit_block_is_centred_with_rows_of_mean_squared_length_one(block: Block) -> None:
    found = made(block, served=TRAIN).astype(np.float64) / block.weight

    assert np.allclose(found.mean(axis=0), 0, atol=1e-6)
    assert np.isclose(np.mean(np.sum(found**2, axis=1)), 1, atol=1e-5)


@settings(max_examples=25, deadline=None)
@given(st.lists(st.floats(-1e6, 1e6) | st.none(), min_size=1, max_size=8))
def test_buckets_are_half_open(values: list[float | None]) -> None:
    frame = pl.DataFrame({"x": values}, schema={"x": pl.Float64})
    found = made(Block("x", Buckets("x", (-10.0, 0.0, 10.0))), frame, frame)

    for value, row in zip(values, found.tolist(), strict=True):
        inside = [] if value is None else [value < -10, -10 <= value < 0, 0 <= value < 10, value >= 10]
        assert row == (inside or [0, 0, 0, 0])


@settings(max_examples=25, deadline=None)
@given(st.lists(st.floats(-50, 50, width=32), min_size=1, max_size=6))
def test_powers_of_shifted_numbers(values: list[float]) -> None:
    frame = pl.DataFrame({"x": values}, schema={"x": pl.Float64})
    found = made(Block("x", Numbers(("x",), centre=1, scale=10, powers=(1, 3))), frame, frame)

    z = (np.array(values) - 1) / 10
    assert np.allclose(found, np.stack([z, z**3], axis=1), rtol=1e-6)


def test_frequencies_are_shares_of_the_training_split() -> None:
    train = pl.DataFrame({"shop": ["a", "a", "b", None]})
    served = pl.DataFrame({"shop": ["b", "a", "new", None]})

    assert made(Block("f", Frequencies("shop")), train, served).tolist() == [[0.25], [0.5], [0], [0]]


def test_sentiment_counts_the_words_of_a_lexicon() -> None:
    frame = pl.DataFrame({"text": ["A GOOD, good bad film!", "it's awful", "", None, "2001"]})

    found = made(Block("m", Sentiment("text")), frame, frame)

    expected = [[0.4, 0.2, 0.2], [0, 0.5, -0.5], [0, 0, 0], [0, 0, 0], [0, 0, 0]]
    assert np.allclose(found, expected)


def test_hashed_words_know_every_word_without_having_seen_it() -> None:
    block = Block("h", HashedWords("text", buckets=1024))
    unseen = pl.DataFrame({"text": ["zebra zebra crossing", "crossing zebra zebra", "giraffe"]})

    found = made(block, TRAIN, unseen)

    assert found.sum(axis=1).tolist() == [3, 3, 1]
    assert np.array_equal(found[0], found[1])
    assert not np.array_equal(found[0], found[2])


def test_neighbours_and_linear_models_train_on_the_matrix() -> None:
    train, served = rows(300, seed=5), rows(200, seed=6)

    def label(frame: pl.DataFrame) -> np.ndarray:
        good = frame["text"].fill_null("").str.contains("good").to_numpy()
        return good ^ (frame["genres"].list.contains("a").fill_null(value=False).to_numpy() & ~good)

    weights = {name: 1.0 if name in ("words", "mood", "genres") else 0.0 for name in EVERYTHING.weights}
    fitted = fit(EVERYTHING.weighted(weights), train)
    matrix, y = fitted.apply(train), label(train)

    assert check_array(matrix.values, dtype=np.float32) is not None
    for model in (KNeighborsClassifier(5), LogisticRegression(C=10)):
        accuracy = model.fit(matrix.values, y).score(fitted.apply(served).values, label(served))
        assert accuracy > max(label(served).mean(), 1 - label(served).mean()) + 0.1
