"""A branch that says a number: a transform and any scikit-learn regressor."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar, Self, cast

import numpy as np
import polars as pl
from numpy.typing import NDArray

from models.errors import ScoresNotFinite
from models.fitted_transform import FittedTransform
from models.parts import Parts
from models.row_wise import in_padded_blocks
from models.value_parts import nested, part


@dataclass(frozen=True, eq=False)
class RegressionBranch:
    """Answers with a number per row, which does not depend on the other rows.

    Attributes:
        transform: Fitted.
        regressor: Fitted.
        trained_on: Content hash of the router whose out-of-fold routes chose its rows, by role.
    """

    kind: ClassVar[str] = "regression_branch"

    transform: FittedTransform
    regressor: Any
    trained_on: Mapping[str, str] = field(default_factory=dict)

    def answers(self, rows: pl.DataFrame) -> pl.Series:
        """Float64, one per row.

        Raises:
            InputsMismatch, ValuesMissing, StepFailed: The transform refuses the rows.
            ScoresNotFinite: The regressor makes no finite number of one.
        """
        values = self.transform.apply(rows).values.astype(np.float64)
        found = in_padded_blocks(self._numbers, values) if len(values) else np.empty(0)
        if not np.isfinite(found).all():
            raise ScoresNotFinite(
                "regression branch",
                what=f"{np.count_nonzero(~np.isfinite(found))} of {len(found)} rows get no finite number.",
                state="did not answer",
                next_step="check the rows, or train it again.",
            )
        return pl.Series("answer", found)

    def _numbers(self, values: NDArray[np.float64]) -> NDArray[np.float64]:
        return np.asarray(self.regressor.predict(values), dtype=np.float64).reshape(len(values))

    def parts(self) -> Parts:
        """Transform, regressor, lineage."""
        inner = nested({"transform": self.transform.parts()})
        lineage: Any = dict(self.trained_on)
        return Parts(
            {**inner.state, "trained_on": lineage}, inner.arrays, {**inner.estimators, "regressor": self.regressor}
        )

    @classmethod
    def of(cls, parts: Parts) -> Self:
        """The branch of these parts."""
        lineage = cast("dict[str, str]", parts.state["trained_on"])
        return cls(FittedTransform.of(part(parts, "transform")), parts.estimators["regressor"], lineage)
