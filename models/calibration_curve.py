"""Calibration: whether things that are given a probability happen that often."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, Self

import numpy as np
from numpy.typing import ArrayLike

from models.errors import UnusableFigures
from models.parts import Json

BINS = 10


@dataclass(frozen=True)
class Bin:
    """Cases of similar probability.

    Attributes:
        predicted: Mean probability, 0 to 1.
        observed: Share that happened, 0 to 1.
        count: How many cases.
    """

    predicted: float
    observed: float
    count: int


@dataclass(frozen=True)
class CalibrationCurve:
    """Predicted against observed, in bins of equal mass.

    Attributes:
        bins: By rising probability; without empty ones.
        ece: Expected calibration error: mean distance of observed from predicted over the cases, 0 to 1.
        brier: Mean squared distance of the probability from what happened, 0 to 1.
    """

    bins: tuple[Bin, ...]
    ece: float
    brier: float

    @classmethod
    def of(cls, probabilities: ArrayLike, happened: ArrayLike, *, bins: int = BINS) -> Self:
        """The curve of probabilities and what happened.

        Equal probabilities share the mean of what happened to them, so that the order of the cases does not matter.

        Args:
            probabilities: Floats (n,), 0 to 1, both included.
            happened: Truth values (n,), or 0 and 1.
            bins: How many, of n / bins cases each.

        Raises:
            UnusableFigures: There is no case, a probability is none, or they are not equally many.
        """
        scores, labels = np.asarray(probabilities, np.float64), np.asarray(happened, np.float64)
        if not len(scores) or scores.shape != labels.shape or scores.ndim != 1:
            raise _unusable(f"There are probabilities of shape {scores.shape} and outcomes of shape {labels.shape}.")
        if bad := int(np.count_nonzero(~((scores >= 0) & (scores <= 1)))):
            raise _unusable(f"{bad} of {len(scores)} probabilities are not between 0 and 1.")
        if bad := int(np.count_nonzero((labels != 0) & (labels != 1))):
            raise _unusable(f"{bad} of {len(labels)} outcomes are neither 0 nor 1.")
        values, codes, counts = np.unique(scores, return_inverse=True, return_counts=True)
        shares = np.repeat(np.bincount(codes, weights=labels) / counts, counts)
        ordered = np.repeat(values, counts)
        parts = [part for part in np.array_split(np.arange(len(ordered)), bins) if len(part)]
        found = tuple(Bin(float(ordered[p].mean()), float(shares[p].mean()), len(p)) for p in parts)
        ece = sum(b.count * abs(b.predicted - b.observed) for b in found) / len(ordered)
        return cls(found, float(ece), float(np.mean((scores - labels) ** 2)))

    def to_json(self) -> dict[str, Json]:
        """Plain JSON."""
        return asdict(self) | {"bins": [asdict(b) for b in self.bins]}

    @classmethod
    def from_json(cls, stored: Mapping[str, Any]) -> Self:
        """Back from JSON."""
        return cls(tuple(Bin(**b) for b in stored["bins"]), stored["ece"], stored["brier"])


def _unusable(what: str) -> UnusableFigures:
    return UnusableFigures(
        "calibration curve",
        what=what,
        state="was not made",
        next_step="give one probability and one outcome per case.",
    )
