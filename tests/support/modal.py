"""Random rows of every modality, and a transform that uses every encoder and step on them."""

from __future__ import annotations

import io

import numpy as np
import polars as pl
from PIL import Image
from sklearn.decomposition import PCA

from models.blocks_categories import Categories, Frequencies, Lists
from models.blocks_counts import Svd, TfIdf
from models.blocks_embeddings import Embedding
from models.blocks_estimators import Estimator
from models.blocks_images import Images
from models.blocks_numbers import Buckets, Impute, Numbers, Scale
from models.blocks_text import HashedWords, Sentiment, Words
from models.transform import Block, Transform

WORDS = ["good", "bad", "film", "dog", "cat", "house", "river", "Été", "東京", "night"]


def png(image: Image.Image) -> bytes:
    file = io.BytesIO()
    image.save(file, "PNG")
    return file.getvalue()


def rows(n: int, seed: int = 0) -> pl.DataFrame:
    """Rows with something missing in every column that may miss."""
    draw = np.random.default_rng(seed)
    colours = draw.integers(0, 256, (n, 4, 4, 3), dtype=np.uint8)

    def gaps(values: list[object], gap: object = None) -> list[object]:
        return [gap if draw.random() < 0.1 else value for value in values]

    held: dict[str, list[object]] = {
        "text": gaps([" ".join(draw.choice(WORDS, draw.integers(0, 6))) for _ in range(n)]),
        "genres": gaps([draw.choice(list("abcdef"), draw.integers(0, 4)).tolist() for _ in range(n)]),
        "seen": gaps([draw.integers(0, 80, draw.integers(0, 30)).tolist() for _ in range(n)]),
        "shop": gaps(draw.choice(list("xyz"), n).tolist()),
        "size": draw.normal(size=n).tolist(),
        "price": gaps(gaps(draw.lognormal(size=n).tolist()), float("nan")),
        "count": draw.integers(-5, 50, n).tolist(),
        "flag": (draw.random(n) < 0.5).tolist(),
        "vector": gaps(draw.normal(size=(n, 7)).tolist()),
        "picture": gaps(gaps([png(Image.fromarray(c).resize((16, 16))) for c in colours]), b"no image"),
    }
    return pl.DataFrame(held, schema=SCHEMA)


SCHEMA = {
    "text": pl.String(),
    "genres": pl.List(pl.String()),
    "seen": pl.List(pl.Int64()),
    "shop": pl.String(),
    "size": pl.Float64(),
    "price": pl.Float64(),
    "count": pl.Int64(),
    "flag": pl.Boolean(),
    "vector": pl.List(pl.Float32()),
    "picture": pl.Binary(),
}

EVERYTHING = Transform(
    name="everything",
    version=1,
    inputs=SCHEMA,
    blocks=(
        Block("words", Words("text", ngrams=(1, 2)), then=(TfIdf(), Svd(5)), normalise="unit", weight=0.3),
        Block("hashed", HashedWords("text", buckets=32), then=(TfIdf(sublinear=False), Svd(4))),
        Block("mood", Sentiment("text")),
        Block("genres", Lists("genres"), normalise="unit"),
        Block("seen", Lists("seen", other=False), then=(TfIdf(), Svd(16)), normalise="zscore", weight=2.0),
        Block("shop", (Categories("shop"), Frequencies("shop"))),
        Block("size", (Numbers(("size",), centre=1, scale=10, powers=(1, 2)), Buckets("size", (-1.0, 0.0, 1.0)))),
        Block("price", Numbers(("price",)), then=(Impute("median"), Scale("robust"))),
        Block("mixed", Numbers(("count", "flag", "size")), then=(Scale("quantile"),)),
        Block("bent", Numbers(("count", "size")), then=(Scale("power"),)),
        Block("vector", Embedding("vector", 7), then=(Estimator(PCA(4, random_state=0)),), weight=0.5),
        Block("picture", Images("picture"), then=(Svd(6),), normalise="unit"),
        Block("pixels", Images("picture", "pixels"), then=(Estimator(PCA(6, random_state=0)), Scale())),
    ),
)
