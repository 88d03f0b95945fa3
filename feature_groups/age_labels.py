"""Age labels: who is under 18. Restricted: a label or a training helper, never a feature."""

from __future__ import annotations

import narwhals as nw
import pandera.polars as pa

from feature_groups import users
from feature_groups.sources import movielens
from feature_groups.store import FeatureGroup, Frame, invariant

UNDER_18 = 1
"""MovieLens' code of the youngest age band."""


class Contract(pa.DataFrameModel):
    """One row per user."""

    user_id: int = pa.Field(ge=1, description="MovieLens' number of the user.")
    is_under_18: bool = pa.Field(description="The label: whether the user states an age under 18.")
    age_band: int = pa.Field(
        isin=[1, 18, 25, 35, 45, 50, 56],
        description="Lower end of the stated age band; 1 is under 18.",
        metadata={"pii": True, "unit": "years"},
    )

    @invariant
    def label_agrees_with_band(cls) -> nw.Expr:
        """The label is nothing but the youngest band."""
        return nw.col("is_under_18") == (nw.col("age_band") == UNDER_18)


def transform(raw: Frame) -> Frame:
    """Tell minors from adults by the stated age band."""
    return raw.select("user_id", (nw.col("age") == UNDER_18).alias("is_under_18"), nw.col("age").alias("age_band"))


v1 = FeatureGroup(
    name="age_labels",
    version=1,
    description="Which users state an age under 18.",
    primary_key=["user_id"],
    static=True,
    source=movielens.users,
    transform=transform,
    contract=Contract,
    foreign_key={"user_id": users.v1},
    restricted=True,
    owner="trust and safety",
    tags={"example": "movielens"},
)
