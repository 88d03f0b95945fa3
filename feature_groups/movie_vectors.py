"""Movie vectors: every film as numbers, by one encoder; rows arrive from the training flow."""

from __future__ import annotations

from typing import Annotated

import narwhals as nw
import pandera.polars as pa
import polars as pl

from feature_groups.store import FeatureGroup, invariant


class Contract(pa.DataFrameModel):
    """One row per film."""

    movie_id: int = pa.Field(ge=1, description="MovieLens' number of the film.")
    vector: Annotated[pl.List, pl.Float32] = pa.Field(
        str_length={"min_value": 1}, description="What the encoder makes of it; as long as all others of that encoder."
    )
    encoder: str = pa.Field(str_matches=r"^[0-9a-f]{64}$", description="sha256 of the fitted transform that made it.")

    @invariant
    def a_vector_points_somewhere(cls) -> nw.Expr:
        """Its length is not 0: cosines are defined."""
        return (nw.col("vector").list.max() > 0) | (nw.col("vector").list.min() < 0)


v1 = FeatureGroup(
    name="movie_vectors",
    version=1,
    description="Every film as a vector of numbers, for similar and for cold films.",
    primary_key=["movie_id"],
    static=True,
    contract=Contract,
    owner="recommendations",
    tags={"example": "movielens"},
)
