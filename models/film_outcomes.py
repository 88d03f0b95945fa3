"""How good the example's predictions turned out to be: what was liked after them, per release and route."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Self

import polars as pl

from feature_groups import predictions, ratings
from feature_groups.store import FeatureStore
from feature_groups.store.point_in_time import Pin, pinned
from models.model_steps import Stage
from models.outcomes import WITHIN, quality, with_outcomes

WINDOW = timedelta(days=90)
"""How far back predictions are judged: a release that went bad must not hide behind how good it was a year ago."""

BY = ("release", "route")


@dataclass(frozen=True)
class FilmOutcomes:
    """Predictions before an instant, and the ratings until then.

    Attributes:
        store: The lake.
        until: The instant, aware, exclusive.
        predictions: Version that is read.
        ratings: Version that is read.
    """

    store: FeatureStore
    until: datetime
    predictions: Pin
    ratings: Pin

    @classmethod
    def of(cls, store: FeatureStore, until: datetime) -> Self:
        """The outcomes that are known at an instant; raises `NothingWritten` before the first prediction."""
        pins = pinned(store, [predictions.v1, ratings.v1], None)
        return cls(store, until, pins[predictions.v1.id], pins[ratings.v1.id])

    def stage(self) -> Stage:
        """The step of the flow that judges them."""
        inputs = {pin.group: {"content": pin.fingerprint, "version": pin.version} for pin in self._pins}
        spans = {"within": WITHIN.total_seconds(), "window": WINDOW.total_seconds()}
        parameters: dict[str, Any] = {"until": self.until.timestamp(), **spans}
        return Stage("outcomes", (FilmOutcomes,), parameters, inputs, lambda: {"rows": self.quality().to_dicts()})

    def outcomes(self) -> pl.DataFrame:
        """Each prediction of the window with what its user liked after it, see `with_outcomes`."""
        since = self.until - WINDOW
        made: pl.LazyFrame = self.store.get_or_create_feature_group(predictions.v1).read(
            self.predictions.version, engine="polars"
        )
        rated: pl.LazyFrame = self.store.get_or_create_feature_group(ratings.v1).read(
            self.ratings.version, engine="polars"
        )
        judged = made.filter(pl.col("asked_at") >= since, pl.col("asked_at") < self.until)
        later = rated.filter(pl.col("rated_at") >= since, pl.col("rated_at") < self.until)
        return with_outcomes(judged.collect(), later.collect())

    def quality(self) -> pl.DataFrame:
        """A row per release and route, see `models.outcomes.quality`."""
        return quality(self.outcomes(), BY)

    @property
    def _pins(self) -> tuple[Pin, Pin]:
        return self.predictions, self.ratings
