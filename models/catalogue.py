"""Catalogue: which films a ranker knows, in which column each stands, and which the policy keeps from minors."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import ClassVar, Self

import numpy as np
import polars as pl
from numpy.typing import ArrayLike, NDArray

from feature_groups.movies import RESTRICTED_GENRES
from models.errors import CataloguesDiffer, RankerMisused
from models.parts import Parts

UNKNOWN = -1
"""Column of a film that is not in the catalogue."""


@dataclass(frozen=True, eq=False)
class Catalogue:
    """The films by column.

    A film that is not in it has no column: histories leave it out and count it; as a target it is never found.

    Attributes:
        items: int64 (m,), ids in ascending order, each once; the film of column j is ``items[j]``.
        restricted: bool (m,), whether the policy keeps the film from minors.
    """

    items: NDArray[np.int64]
    restricted: NDArray[np.bool_]
    kind: ClassVar[str] = "catalogue"

    def __post_init__(self) -> None:
        if self.items.dtype != np.int64 or self.restricted.dtype != np.bool_:
            raise _wrong(f"items are {self.items.dtype} and restricted {self.restricted.dtype}.")
        if self.items.ndim != 1 or self.items.shape != self.restricted.shape:
            raise _wrong(f"items have shape {self.items.shape}, restricted {self.restricted.shape}.")
        if not (self.items[1:] > self.items[:-1]).all():
            raise _wrong("the ids are not in ascending order, each once.")

    @classmethod
    def from_movies(cls, movies: pl.DataFrame, restricted_genres: Iterable[str] = RESTRICTED_GENRES) -> Self:
        """The films of the group `movies`.

        Args:
            movies: With ``movie_id`` (Int64, unique) and ``genres`` (List of String).
            restricted_genres: The policy: a film of any of these is restricted.
        """
        any_of = pl.col("genres").list.eval(pl.element().is_in(list(restricted_genres))).list.any()
        films = movies.select("movie_id", any_of.fill_null(value=False).alias("restricted")).sort("movie_id")
        return cls(films["movie_id"].to_numpy().astype(np.int64), films["restricted"].to_numpy().astype(np.bool_))

    def __len__(self) -> int:
        return len(self.items)

    def columns(self, items: ArrayLike) -> NDArray[np.int32]:
        """The column of each film, `UNKNOWN` for films that are not here; int32, of the shape of the ids."""
        ids = np.asarray(items, dtype=np.int64)
        if not len(self.items):
            return np.full(ids.shape, UNKNOWN, dtype=np.int32)
        places = np.minimum(np.searchsorted(self.items, ids), len(self.items) - 1)
        return np.where(self.items[places] == ids, places, UNKNOWN).astype(np.int32)

    def must_be(self, other: Catalogue, what: str) -> None:
        """Refuse to put together what was made over other films.

        Raises:
            CataloguesDiffer: The ids are not the same.
        """
        if not np.array_equal(self.items, other.items):
            common = len(np.intersect1d(self.items, other.items))
            raise CataloguesDiffer(
                what,
                what=f"{len(self.items)} films here, {len(other.items)} there, {common} in both.",
                state="was left as it is",
                next_step="make both over one Catalogue; statistics can be carried over with .over(catalogue).",
            )

    def parts(self) -> Parts:
        """Both arrays."""
        return Parts(arrays={"items": self.items, "restricted": self.restricted})

    @classmethod
    def of(cls, parts: Parts) -> Self:
        """The catalogue with these arrays."""
        return cls(np.asarray(parts.arrays["items"]), np.asarray(parts.arrays["restricted"]))


def _wrong(what: str) -> RankerMisused:
    return RankerMisused(
        "catalogue",
        what=what,
        state="was not made",
        next_step="give int64 ids in ascending order and a bool for each; Catalogue.from_movies does.",
    )
