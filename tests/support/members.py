"""Small members for tests of artefacts and releases."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar, Self

import numpy as np
from numpy.typing import NDArray

from models.parts import Parts


@dataclass(frozen=True)
class Bag:
    """Any parts at all."""

    kind: ClassVar[str] = "bag"
    held: Parts

    def parts(self) -> Parts:
        return self.held

    @classmethod
    def of(cls, parts: Parts) -> Self:
        return cls(parts)


@dataclass(frozen=True)
class Weights:
    """A linear model: an array and a name."""

    kind: ClassVar[str] = "weights"
    name: str
    weights: NDArray[np.float64]

    def parts(self) -> Parts:
        return Parts({"name": self.name}, {"weights": self.weights})

    @classmethod
    def of(cls, parts: Parts) -> Self:
        return cls(str(parts.state["name"]), parts.arrays["weights"])

    def answer(self, rows: NDArray[np.float64]) -> NDArray[np.float64]:
        return np.array([row @ self.weights for row in rows])


@dataclass(frozen=True)
class Gate:
    """A classifier of scikit-learn."""

    kind: ClassVar[str] = "gate"
    model: Any

    def parts(self) -> Parts:
        return Parts(estimators={"model": self.model})

    @classmethod
    def of(cls, parts: Parts) -> Self:
        return cls(parts.estimators["model"])

    @classmethod
    def fitted(cls, seed: int = 0) -> Self:
        from sklearn.linear_model import LogisticRegression  # a second, which most children do without

        random = np.random.default_rng(seed)
        rows = random.normal(size=(80, 3))
        return cls(LogisticRegression().fit(rows, rows[:, 0] + random.normal(size=80) > 0))


def weights(number: int, name: str = "ranker") -> Weights:
    """Ever the same for a number."""
    return Weights(name, np.random.default_rng(number).normal(size=4))
