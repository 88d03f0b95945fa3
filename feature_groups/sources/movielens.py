"""MovieLens-1M: three files in their original format, real or generated, and the contract each must meet."""

from __future__ import annotations

import pandera.polars as pa

from feature_groups.sources.movielens_blocks import scan_ratings
from feature_groups.sources.movielens_files import read_movies, read_users
from feature_groups.store import Source

FIRST_SECOND = 788_918_400
"""1995-01-01 UTC: MovieLens has no older ratings."""

LAST_SECOND = 4_102_444_800
"""2100-01-01 UTC: times in milliseconds lie far beyond."""

GENRES = (
    "Action",
    "Adventure",
    "Animation",
    "Children's",
    "Comedy",
    "Crime",
    "Documentary",
    "Drama",
    "Fantasy",
    "Film-Noir",
    "Horror",
    "Musical",
    "Mystery",
    "Romance",
    "Sci-Fi",
    "Thriller",
    "War",
    "Western",
)
"""MovieLens' genres. Features have a column for each: a new one needs a decision, and a new version of these."""

_GENRE = "|".join(GENRES)


class RawRating(pa.DataFrameModel):
    """One row per line of ratings.dat."""

    user_id: int = pa.Field(ge=1, description="Number of the user.")
    movie_id: int = pa.Field(ge=1, description="Number of the film.")
    rating: int = pa.Field(description="Stars.", metadata={"unit": "stars"})
    timestamp: int = pa.Field(
        ge=FIRST_SECOND, lt=LAST_SECOND, description="When it was given.", metadata={"unit": "seconds since 1970 UTC"}
    )
    source_row_id: int = pa.Field(ge=0, description="Position in the whole archive, from 0.")


class RawUser(pa.DataFrameModel):
    """One row per line of users.dat."""

    user_id: int = pa.Field(ge=1, description="Number of the user.")
    gender: str = pa.Field(description="F or M.", metadata={"pii": True})
    age: int = pa.Field(
        isin=[1, 18, 25, 35, 45, 50, 56],
        description="Lower end of the age band; 1 is under 18.",
        metadata={"pii": True},
    )
    occupation: int = pa.Field(description="Code of the occupation.", metadata={"label_proxy": "is_under_18"})
    zip_code: str = pa.Field(description="Postal code as typed.", metadata={"pii": True})


class RawMovie(pa.DataFrameModel):
    """One row per line of movies.dat."""

    movie_id: int = pa.Field(ge=1, description="Number of the film.")
    title: str = pa.Field(str_matches=r".+\(\d{4}\)$", description="Title with the year in brackets.")
    genres: str = pa.Field(
        str_matches=rf"^({_GENRE})(\|({_GENRE}))*$", description="Genres, separated by |; none that is new."
    )


ratings = Source(
    name="movielens_ratings",
    path="ratings.dat",
    contract=RawRating,
    read=scan_ratings,
    description="Every rating ever given; a new delivery repeats the old rows and appends.",
)
users = Source(
    name="movielens_users",
    path="users.dat",
    contract=RawUser,
    read=read_users,
    description="Who the users say they are.",
)
movies = Source(
    name="movielens_movies",
    path="movies.dat",
    contract=RawMovie,
    read=read_movies,
    description="The catalogue of films.",
)
