"""Predictions: what was recommended to whom, by which release, and why; rows arrive from the scoring flow."""

from __future__ import annotations

import narwhals as nw
import pandera.polars as pa

from feature_groups.store import FeatureGroup, UtcDatetime, invariant

LENGTH = 10
"""How many films a user is recommended."""

_SHA256 = r"^[0-9a-f]{64}$"


class Contract(pa.DataFrameModel):
    """One row per prediction: what a release answered for a user at an instant."""

    prediction_id: str = pa.Field(str_matches=_SHA256, description="sha256 of release, user and instant.")
    asked_at: UtcDatetime = pa.Field(description="The instant: features and history are from before it.")
    user_id: int = pa.Field(ge=1, description="MovieLens' number of the user.")
    release: str = pa.Field(str_matches=_SHA256, description="The release that answered.")
    route: str = pa.Field(str_length={"min_value": 1, "max_value": 63}, description="The branch that answered.")
    score: float = pa.Field(
        ge=0, le=1, nullable=True, description="Probability of being under 18; NULL where the router could not say."
    )
    reason: str = pa.Field(
        str_length={"min_value": 1, "max_value": 200}, description="Why this route: score, band, or what failed."
    )
    movies: list[int] = pa.Field(
        str_length={"min_value": 0, "max_value": LENGTH}, description="Films recommended, best first."
    )
    features: str = pa.Field(
        str_length={"min_value": 2, "max_value": 4000}, description="Versions of the feature groups read, as JSON."
    )

    made_with: str = pa.Field(
        str_length={"min_value": 2, "max_value": 400}, description="Lock and CPU family it was made with, as JSON."
    )

    @invariant
    def a_score_is_missing_only_with_a_reason(cls) -> nw.Expr:
        """Whoever was routed without a score fell back."""
        return ~nw.col("score").is_null() | nw.col("reason").str.starts_with("fallback")


v1 = FeatureGroup(
    name="predictions",
    version=1,
    description="What was recommended to whom, by which release and route, from which features.",
    primary_key=["prediction_id"],
    event_time="asked_at",
    contract=Contract,
    owner="recommendations",
    tags={"example": "movielens"},
)
