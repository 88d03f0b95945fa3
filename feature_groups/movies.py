"""Movies: the catalogue, with genres apart and films that minors are not shown."""

from __future__ import annotations

import narwhals as nw
import pandera.polars as pa

from feature_groups.sources import movielens
from feature_groups.store import FeatureGroup, Frame

RESTRICTED_GENRES = ("Crime", "Film-Noir", "Horror", "Thriller", "War")
"""The example's policy: a film of any of these genres is not recommended to minors."""


class Contract(pa.DataFrameModel):
    """One row per film."""

    movie_id: int = pa.Field(ge=1, description="MovieLens' number of the film.")
    title: str = pa.Field(str_length={"min_value": 1}, description="Title without the year.")
    year: int = pa.Field(in_range={"min_value": 1880, "max_value": 2100}, description="Year of release.")
    genres: list[str] = pa.Field(str_length={"min_value": 1}, description="Genres, as MovieLens names them.")
    restricted: bool = pa.Field(description="Whether the policy keeps it from minors.")


def transform(raw: Frame) -> Frame:
    """Split title and year, genres, and mark what the policy restricts."""
    genres = nw.col("genres").str.replace_all("|", ",", literal=True)
    restricted = nw.col("genres").str.contains(rf"(^|\|)({'|'.join(RESTRICTED_GENRES)})(\||$)")
    return raw.select(
        "movie_id",
        nw.col("title").str.replace_all(r"\s*\(\d{4}\)$", "").alias("title"),
        nw.col("title").str.slice(-5, 4).cast(nw.Int64).alias("year"),
        genres.str.split(",").alias("genres"),
        restricted.alias("restricted"),
    )


v1 = FeatureGroup(
    name="movies",
    version=1,
    description="The catalogue of films: what they are and who may see them.",
    primary_key=["movie_id"],
    static=True,
    source=movielens.movies,
    transform=transform,
    contract=Contract,
    owner="recommendations",
    tags={"example": "movielens"},
)
