"""What a fitted thing is made of: plain values, arrays and scikit-learn estimators; nothing else is ever stored."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar, Protocol, Self

import numpy as np
from numpy.typing import NDArray

Json = None | bool | int | float | str | list["Json"] | dict[str, "Json"]
"""What JSON can say; floats are finite."""


@dataclass(frozen=True)
class Parts:
    """What a member is restored from, bit for bit.

    Attributes:
        state: Plain values: settings, names, column orders.
        arrays: Of any shape, of a fixed-size dtype (never ``object``).
        estimators: Fitted scikit-learn estimators by name, of the types in our list of trusted ones.
    """

    state: Mapping[str, Json] = field(default_factory=dict)
    arrays: Mapping[str, NDArray[np.generic]] = field(default_factory=dict)
    estimators: Mapping[str, Any] = field(default_factory=dict)


class Member(Protocol):
    """A fitted thing that a release can hold: a transform, a router, a ranker, a policy."""

    kind: ClassVar[str]
    """Names the class in a release; never reused for something else."""

    def parts(self) -> Parts:
        """What it is restored from."""
        ...

    @classmethod
    def of(cls, parts: Parts) -> Self:
        """The member that these parts were taken from; it answers bit for bit as that one did."""
        ...
