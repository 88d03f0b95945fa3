"""Routing by what a mistake costs: which route a calibrated probability takes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import isfinite
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from models.errors import InvalidPolicy
from models.parts import Json

SCORE, BAND, FALLBACK = "score", "band", "fallback"
"""Why a route was taken: by the score, because it was too close to call, or because a member failed."""


@dataclass(frozen=True)
class RoutingPolicy:
    """Costs of mistakes, and which route is safe.

    Whoever belongs to a route and is sent elsewhere costs that route's price, so the cheapest route to expect is that
    of the largest ``cost * probability``. With two routes that is Bayes' threshold: the second from
    ``cost of the first / (cost of the first + cost of the second)`` on; of 1 to 7, from 1 / (1 + 7) on.

    Attributes:
        costs: What it costs to send somebody elsewhere who belongs to a route, for every route; above 0.
        safe_route: Where those go whose probability is too close to call, and everybody when the router fails.
        band: Half the width of what is too close to call, from 0 to below 1. With two routes: a probability of the
            second in ``[threshold - band, threshold + band)``. With more: the largest ``cost * probability``, as a
            share of their sum, is less than this above the second largest.
    """

    costs: Mapping[str, float]
    safe_route: str
    band: float = 0.0

    def __post_init__(self) -> None:
        object.__setattr__(self, "costs", dict(self.costs))
        wrong = {r: c for r, c in self.costs.items() if not (isfinite(c) and c > 0)}
        self._require(len(self.costs) >= 2, f"It has costs of {list(self.costs)}.", "two routes or more")
        self._require(not wrong, f"Costs are {wrong}.", "finite costs above 0")
        self._require(self.safe_route in self.costs, f"The safe route {self.safe_route!r} has no cost.", "one that has")
        self._require(0 <= self.band < 1, f"The band is {self.band}.", "a band from 0 to below 1")

    def __hash__(self) -> int:
        return hash((tuple(self.costs.items()), self.safe_route, self.band))

    def threshold(self, routes: Sequence[str]) -> float:
        """From which probability of the second of two routes on it is taken.

        Raises:
            InvalidPolicy: There are not two routes.
        """
        self._require(len(routes) == 2, f"{len(routes)} routes have no single threshold.", "two routes")
        first, second = (self.costs[route] for route in routes)
        return first / (first + second)

    def chosen(
        self, probabilities: NDArray[np.float64], routes: Sequence[str]
    ) -> tuple[NDArray[np.str_], NDArray[np.str_]]:
        """The route of each row, and whether by `SCORE` or by `BAND`.

        Args:
            probabilities: Calibrated, float64 (n, K), of belonging to each route.
            routes: K names, in that order.

        Returns:
            Two arrays of text, (n,).
        """
        if len(routes) == 2:
            border = self.threshold(routes)
            place = (probabilities[:, 1] >= border).astype(np.int64)
            low, high = border - self.band, border + self.band
            close = (probabilities[:, 1] >= low) & (probabilities[:, 1] < high)
        else:
            expected = probabilities * np.array([self.costs[route] for route in routes])
            place = expected.argmax(axis=1)
            largest = np.sort(expected, axis=1)[:, -2:]
            # Column by column: the order of a sum must not depend on the batch's shape.
            total = sum(expected.T, start=np.zeros(len(expected)))
            close = largest[:, 1] - largest[:, 0] < self.band * total
        names = np.array(list(routes))
        return np.where(close, self.safe_route, names[place]), np.where(close, BAND, SCORE)

    def state(self) -> dict[str, Json]:
        """As plain values."""
        return {"costs": dict(self.costs), "safe_route": self.safe_route, "band": self.band}

    @classmethod
    def of(cls, state: Mapping[str, Any]) -> Self:
        """The policy with this state."""
        return cls(state["costs"], state["safe_route"], state["band"])

    def _require(self, holds: object, what: str, want: str) -> None:
        if not holds:
            raise InvalidPolicy("routing policy", what=what, state="was not declared", next_step=f"give {want}.")
