"""Users: what people say about themselves, age left out."""

from __future__ import annotations

import narwhals as nw
import pandera.polars as pa

from feature_groups.sources import movielens
from feature_groups.store import FeatureGroup, Frame


class Contract(pa.DataFrameModel):
    """One row per user."""

    user_id: int = pa.Field(ge=1, description="MovieLens' number of the user.")
    gender: str = pa.Field(isin=["F", "M"], description="As stated.", metadata={"pii": True})
    occupation: int = pa.Field(
        in_range={"min_value": 0, "max_value": 20},
        description="MovieLens' code of the occupation; 10 is a pupil, which gives the age away.",
        metadata={"label_proxy": "is_under_18"},
    )
    zip3: str = pa.Field(
        str_length={"min_value": 1, "max_value": 3}, description="Start of the postal code.", metadata={"pii": True}
    )


def transform(raw: Frame) -> Frame:
    """Keep three characters of the postal code: whole ones with age and gender name a person."""
    return raw.select("user_id", "gender", "occupation", nw.col("zip_code").str.slice(0, 3).alias("zip3"))


v1 = FeatureGroup(
    name="users",
    version=1,
    description="Who the users say they are, without their age.",
    primary_key=["user_id"],
    static=True,
    source=movielens.users,
    transform=transform,
    contract=Contract,
    owner="trust and safety",
    tags={"example": "movielens"},
)
