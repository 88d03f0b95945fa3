"""What a candidate of the example's cascade must be to serve."""

from __future__ import annotations

from models.film_parameters import FilmParameters
from models.gates import (
    BetterThan,
    Calibrated,
    ExposureWithin,
    Gate,
    GoldenVectors,
    NoSegmentWorse,
    NotWorseThanChampion,
)

NDCG = "ndcg@10"


def gates(parameters: FilmParameters) -> tuple[Gate, ...]:
    """The gates, in the order in which they are asked."""
    return (
        BetterThan("popularity", NDCG, parameters.margin),
        NotWorseThanChampion(NDCG, eps=0.01),
        NoSegmentWorse(NDCG, eps=0.05, least_users=50),
        Calibrated(parameters.ece),
        ExposureWithin(parameters.exposure),
        GoldenVectors(),
    )
