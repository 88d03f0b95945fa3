"""Films by what they are: those similar to one, and those that nobody has rated, for somebody."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Self

import numpy as np
import polars as pl
from numpy.typing import NDArray
from scipy import sparse

from feature_groups import movie_vectors, movies, ratings
from feature_groups.store import FeatureGroup, FeatureStore
from feature_groups.store.errors import NothingWritten
from feature_groups.views.ranking import POSITIVE
from models import film_encoder
from models.catalogue import Catalogue
from models.cold_items import ColdItems
from models.errors import CannotBeAsked
from models.film_names import NAME
from models.fitted_transform import FittedTransform
from models.matrix import Matrix
from models.parts import Parts
from models.registry import Registry
from models.value_parts import nested, part


@dataclass(frozen=True, eq=False)
class FilmEncoder:
    """What makes vectors of films, and tells by a vector who will like a film; the rows of its vectors name it.

    Attributes:
        transform: Makes the vectors.
        cold: Maps a vector to the factors of what is rated.
        items: int64 (m,), ids of the films that were rated, in the order of the factors.
    """

    kind: ClassVar[str] = "film_encoder"

    transform: FittedTransform
    cold: ColdItems
    items: NDArray[np.int64]

    def scores(self, liked: NDArray[np.int64], vectors: NDArray[np.float32]) -> NDArray[np.float32]:
        """How well films suit somebody.

        Args:
            liked: int64, ids of films that they liked; those that are not in `items` say nothing.
            vectors: float32 (n, d), of the films.

        Returns:
            float32 (n,); more is better; all 0 where nothing that was liked is known.
        """
        known = np.isin(self.items, liked)
        ones = sparse.csr_array(known[None].astype(np.float64))
        scores: NDArray[np.float32] = self.cold.scores(ones, Matrix(vectors, self.transform.names))[0]
        return scores

    def parts(self) -> Parts:
        """The parts of all three."""
        own = Parts(arrays={"ids": self.items})
        return nested({"transform": self.transform.parts(), "cold": self.cold.parts(), "items": own})

    @classmethod
    def of(cls, parts: Parts) -> Self:
        """The encoder of these parts."""
        ids = np.asarray(part(parts, "items").arrays["ids"], dtype=np.int64)
        return cls(FittedTransform.of(part(parts, "transform")), ColdItems.of(part(parts, "cold")), ids)


def similar_films(store: FeatureStore, movie_id: int, k: int = 10) -> pl.DataFrame:
    """The films most similar to one, whether anybody has rated them or not.

    Args:
        store: The lake, with the vectors that the newest training made.
        movie_id: The film.
        k: At most so many others.

    Returns:
        ``movie_id``, ``title``, ``year`` and ``similarity`` (the cosine, -1 to 1), the most similar first.

    Raises:
        UnknownItem: The film has no vector.
        NothingWritten: No training has made vectors yet.
    """
    return _titled(store, film_encoder.similar_films(_rows(store, movie_vectors.v1), movie_id, k), "similarity")


def cold_films(store: FeatureStore, user_id: int, k: int = 10, *, restricted: bool = False) -> pl.DataFrame:
    """The films that nobody has rated, as far as they suit somebody who has rated others.

    Args:
        store: The lake, with the vectors that the newest training made.
        user_id: Whom to ask for.
        k: At most so many.
        restricted: Whether films of restricted genres may be among them; not for whoever may be a minor.

    Returns:
        ``movie_id``, ``title``, ``year`` and ``score``, the most suited first, ties by number.

    Raises:
        CannotBeAsked: The user liked no film that the encoder knows.
        NothingWritten: No training has made vectors yet.
        MemberMissing: The encoder that made them is gone.
    """
    vectors, rated = _rows(store, movie_vectors.v1), _rows(store, ratings.v1)
    newest = vectors["encoder"].mode().sort()[0]
    encoder = Registry(store, NAME).member(newest, [FilmEncoder])
    assert isinstance(encoder, FilmEncoder)
    liked = rated.filter(pl.col("user_id") == user_id, pl.col("rating") >= POSITIVE)["movie_id"].to_numpy()
    if not np.isin(liked, encoder.items).any():
        raise CannotBeAsked(
            f"cold films for user {user_id}",
            what=f"They liked {len(liked)} films, and the encoder knows none of these.",
            state="did nothing",
            next_step="ask for somebody who liked a film that was there when the newest training ran.",
        )
    unrated = vectors.filter(pl.col("encoder") == newest).join(rated, on="movie_id", how="anti").sort("movie_id")
    if not restricted:
        catalogue = Catalogue.from_movies(_rows(store, movies.v1))
        unrated = unrated.filter(~pl.col("movie_id").is_in(catalogue.items[catalogue.restricted]))
    shape = (unrated.height, len(encoder.transform.names))
    found = np.array(unrated["vector"].to_list(), dtype=np.float32).reshape(shape)
    scored = unrated.select("movie_id", pl.Series("score", encoder.scores(liked, found)))
    return _titled(store, scored.sort("score", "movie_id", descending=[True, False]).head(k), "score")


def encoders_used(store: FeatureStore) -> list[str]:
    """Contents of the encoders that made the vectors of films, sorted."""
    try:
        vectors = _rows(store, movie_vectors.v1)
    except NothingWritten:
        return []
    return vectors["encoder"].unique().sort().to_list()


def _titled(store: FeatureStore, found: pl.DataFrame, number: str) -> pl.DataFrame:
    titles = _rows(store, movies.v1).select("movie_id", "title", "year")
    joined = found.join(titles, on="movie_id", how="left", maintain_order="left")
    return joined.select("movie_id", "title", "year", number)


def _rows(store: FeatureStore, group: FeatureGroup) -> pl.DataFrame:
    rows: pl.LazyFrame = store.get_or_create_feature_group(group).read(engine="polars")
    return rows.collect()
