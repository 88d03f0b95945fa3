"""Calibration: raw scores become probabilities that mean what they say."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.special import expit

Floats = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Platt:
    """A logistic curve per class (Platt 1999): ``1 / (1 + exp(-(slope * score + intercept)))``.

    Two classes share one curve, that of the second. With more, each has its own, one against the rest, and the
    probabilities are divided by their sum (Zadrozny & Elkan 2002, section 4). Slope 1 and intercept 0 leave log-odds
    as they are.

    Attributes:
        slopes: float64, (1,) for two classes, else (K,).
        intercepts: float64 of the same shape.
    """

    slopes: Floats
    intercepts: Floats

    @classmethod
    def none(cls, classes: int) -> Platt:
        """The one that changes nothing."""
        curves = 1 if classes == 2 else classes
        return cls(np.ones(curves), np.zeros(curves))

    def apply(self, scores: Floats) -> Floats:
        """Probabilities of scores, both (n, K), each row from its own scores only."""
        if len(self.slopes) == 1:
            return of_two(np.asarray(expit(self.slopes * scores[:, 1] + self.intercepts)))
        each = np.asarray(expit(self.slopes * scores + self.intercepts))
        # Column by column: the order of a sum must not depend on the batch's shape.
        total = np.zeros(len(each))
        for column in each.T:
            total = total + column
        return np.where(total[:, None] > 0, each / np.where(total > 0, total, 1)[:, None], 1 / each.shape[1])


@dataclass(frozen=True, eq=False)
class Isotonic:
    """A rising step line (Zadrozny & Elkan 2002), for two classes; ties of probabilities cost it ranking quality.

    Attributes:
        scores: float64 (m,), ascending.
        probabilities: float64 (m,), ascending; between the scores linear, beyond them constant.
    """

    scores: Floats
    probabilities: Floats

    def apply(self, scores: Floats) -> Floats:
        """Probabilities of scores, both (n, 2)."""
        return of_two(np.interp(scores[:, 1], self.scores, self.probabilities))


Calibrator = Platt | Isotonic
CALIBRATORS: dict[str, Any] = {kind.__name__: kind for kind in (Platt, Isotonic)}
"""By the name under which they are stored."""


def of_two(second: Floats) -> Floats:
    """The probabilities of two classes, (n, 2), from those of the second, (n,)."""
    return np.stack([1 - second, second], axis=1)
