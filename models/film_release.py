"""A release of the example's cascade, put together to answer; no code here can fit."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from models.cascade_decision import FittedCascade, Routing
from models.drift_profile import DriftProfile
from models.loaded_release import Loaded, load
from models.out_of_fold import OutOfFold
from models.parts import Member
from models.probability_model import FittedProbabilityModel
from models.ranking_branch import RankingBranch
from models.ranking_metrics import padded
from models.registry import Registry
from models.release import Release

OUT_OF_FOLD = "out_of_fold"
"""Role of the router's predictions for the users that it was trained on."""

PROFILE = "profile"
"""Role of what its features and predictions were like in training, which monitoring compares with."""

MEMBERS = (FittedProbabilityModel, Routing, RankingBranch, OutOfFold, DriftProfile)


@dataclass(frozen=True)
class FilmModel:
    """What answers.

    Attributes:
        cascade: Router, branches, and what is decided by.
        out_of_fold: What the router said, out of fold, of the users that it was trained on.
    """

    cascade: FittedCascade
    out_of_fold: OutOfFold

    @property
    def members(self) -> dict[str, Member]:
        """Everything to release, by role."""
        return {**self.cascade.members(), OUT_OF_FOLD: self.out_of_fold}

    def decide(self, rows: pl.DataFrame) -> pl.DataFrame:
        """One route per row with score, reason and films, see `FittedCascade.decide`."""
        return self.cascade.decide(rows)

    def answer(self, rows: pl.DataFrame) -> Mapping[str, NDArray[Any]]:
        """What is decided, as arrays, for golden vectors; a score that there is not is NaN."""
        made = self.decide(rows)
        score = made["score"].cast(pl.Float64).fill_null(float("nan")).to_numpy()
        texts = {name: np.array(made[name].to_list(), dtype=np.str_) for name in ("route", "reason")}
        return {**texts, "score": score, "movies": padded(made["answer"])}


def put_together(members: Mapping[str, Member], _: Release) -> FilmModel:
    """The model of a release's members."""
    found = members[OUT_OF_FOLD]
    assert isinstance(found, OutOfFold)
    return FilmModel(FittedCascade.of_members(members), found)


def load_films(registry: Registry, release: Release) -> Loaded[FilmModel]:
    """A release in memory; raises as `models.loaded_release.load`."""
    return load(registry, release, MEMBERS, put_together)
