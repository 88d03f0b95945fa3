"""Out-of-fold predictions: what a model says of rows that it was not fitted on, for every row.

What follows in a cascade must train on these. A model knows its own training rows too well: at serving time it is
never again that sure.

What a fold's own labels can reach, exactly: not `oof_raw` of that fold, whose model (transform included) is fitted on
the other folds alone. `oof_score` is `oof_raw` under a curve fitted on the other folds' raw scores; their models have
seen this fold's labels, so these reach its scores through the curve's parameters only (two of them for two classes),
which are the same for all rows of the fold.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import Any, ClassVar, Self, cast

import numpy as np
import polars as pl
from numpy.typing import NDArray

from feature_groups.store.digest import digest
from models.parts import Parts
from models.probability_model import Class

FOLDS = 5


@dataclass(frozen=True, eq=False)
class OutOfFold:
    """Predictions for n rows, each by a model that was fitted without the row's fold.

    Attributes:
        entity: Name of the column of ids.
        entities: The id of each row.
        folds: Name of the fold of each row.
        raw: Uncalibrated log-odds, float64 (n, K).
        probabilities: Calibrated, float64 (n, K).
        codes: The place of the true class among `classes`, int64 (n,).
        classes: K classes in ascending order.
    """

    entity: str
    entities: pl.Series
    folds: pl.Series
    raw: NDArray[np.float64]
    probabilities: NDArray[np.float64]
    codes: NDArray[np.int64]
    classes: tuple[Class, ...]
    kind: ClassVar[str] = "out_of_fold"

    @property
    def frame(self) -> pl.DataFrame:
        """One row per row, in their order: the entity, ``fold``, ``oof_score``, ``oof_raw``, ``label``.

        With two classes the scores are numbers, those of the second class; with more, lists with one per class.
        """
        scores = [self.probabilities, self.raw]
        shown = [pl.Series(s[:, 1]) if len(self.classes) == 2 else pl.Series(s).arr.to_list() for s in scores]
        labels = pl.Series(list(self.classes)).gather(pl.Series(self.codes))
        columns = {"fold": self.folds, "oof_score": shown[0], "oof_raw": shown[1], "label": labels}
        return pl.DataFrame({self.entity: self.entities, **columns})

    @property
    def content(self) -> str:
        """sha256 of all of it: equal for equal predictions, in every process."""
        arrays = [hashlib.sha256(np.ascontiguousarray(a).tobytes()).hexdigest() for a in self._arrays]
        return digest([self.entity, self.entities.to_list(), self.folds.to_list(), list(self.classes), arrays])

    def parts(self) -> Parts:
        """The predictions, and whose they are."""
        whole = self.entities.dtype.is_integer()
        arrays = {"raw": self.raw, "probabilities": self.probabilities, "codes": self.codes}
        if whole:
            arrays["entities"] = self.entities.cast(pl.Int64).to_numpy()
        state: Any = {
            "entity": self.entity,
            "entities": None if whole else self.entities.to_list(),
            "folds": self.folds.to_list(),
            "classes": list(self.classes),
        }
        return Parts(state, arrays)

    @classmethod
    def of(cls, parts: Parts) -> Self:
        """The predictions of these parts."""
        state, arrays = cast("dict[str, Any]", parts.state), {k: np.asarray(v) for k, v in parts.arrays.items()}
        entities = pl.Series(arrays["entities"]) if state["entities"] is None else pl.Series(state["entities"])
        folds, classes = pl.Series(state["folds"], dtype=pl.String()), tuple(state["classes"])
        predictions = arrays["raw"], arrays["probabilities"], arrays["codes"]
        return cls(state["entity"], entities, folds, *predictions, classes)

    @property
    def _arrays(self) -> tuple[NDArray[np.generic], ...]:
        return self.raw, self.probabilities, self.codes
