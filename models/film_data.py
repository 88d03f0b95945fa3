"""What the example's models are trained on and judged by, made of its two training datasets and nothing else."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Self

import polars as pl

from feature_groups.store.names import ROW
from feature_groups.store.training_dataset import TrainingDataset
from models.catalogue import Catalogue
from models.holdout_evaluation import HoldOut
from models.rated_events import RatedEvents
from models.router import router_rows

FOLD = "fold"


@dataclass(frozen=True, eq=False)
class FilmData:
    """Training rows, and what is hidden from them.

    Attributes:
        rows: One per user, as the router and the branches take them, with label, helpers and `FOLD`; in the spine's
            order.
        events: What these users had rated when they were asked.
        test: What they liked later, of those who did.
    """

    rows: pl.DataFrame
    events: RatedEvents
    test: HoldOut

    @classmethod
    def of(cls, gate: TrainingDataset, ranking: TrainingDataset, movies: pl.DataFrame, ratings: pl.DataFrame) -> Self:
        """Put together what the datasets hold.

        Args:
            gate: Of the view `age_gate`, in folds; every user asked at the border of `ranking`.
            ranking: Of the view `ranking`; its test part begins at that border.
            movies: Rows of the group `movies` at the version that `gate` pins.
            ratings: Rows of the group `ratings` at the version that `gate` pins: histories tell no instants.

        Raises:
            NothingToLearn: Nobody in `gate` liked anything later.
        """
        parts = [gate.frame(name).with_columns(pl.lit(name).alias(FOLD)) for name in gate.parts]
        features = pl.concat(parts).sort(ROW)
        rows = router_rows(features, gate.history("rated"))
        rated = ratings.join(features.select("user_id", "asked_at"), on="user_id")
        events = RatedEvents.of(rated.filter(pl.col("rated_at") < pl.col("asked_at")), Catalogue.from_movies(movies))
        later = ranking.frame("test").join(features.select("user_id"), on="user_id", how="semi")
        return cls(rows, events, HoldOut.later(events, later))

    @property
    def test_rows(self) -> pl.DataFrame:
        """The rows of the users of whom something is hidden, in the order of `test.users`."""
        users = pl.DataFrame({"user_id": self.test.users})
        return users.join(self.rows, on="user_id", how="left", maintain_order="left")
