"""What a training of the example's cascade is asked for: everything that one may want to compare, with its default."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from models import film_cascade
from models.cascade import Branch, Cascade
from models.ranker_choice import Grid, RankerKind
from models.ranking_branch_fit import SharedRanker
from models.router import STRENGTHS


class FilmParameters(BaseModel):
    """One variant of the training; validated, so that a dashboard can make a form of it."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    strengths: tuple[float, ...] = Field(
        default=STRENGTHS,
        min_length=1,
        description="Inverse strengths of the router's penalty to choose from.",
    )
    rankers: tuple[RankerKind, ...] = Field(
        default=tuple(film_cascade.RANKERS),
        min_length=1,
        description="Kinds of rankers to choose from.",
    )
    penalties: tuple[float, ...] = Field(
        default=tuple(film_cascade.RANKERS["ease"]["penalty"]),
        min_length=1,
        description="Penalties of EASE to choose from.",
    )
    ridge: dict[Literal["tau", "length", "penalty"], tuple[float, ...]] = Field(
        default={},
        description="Settings of the history ridge to choose from; of what is not named, the declared ones.",
    )
    miss_cost: float = Field(
        default=7.0,
        gt=0,
        description="How much worse missing a minor is than restricting an adult.",
    )
    band: float = Field(
        default=0.025,
        ge=0,
        lt=1,
        description="Half the width of the band that takes the safe route.",
    )
    segment_weights: bool = Field(
        default=True, description="Whether validation may let the minors' own ratings weigh more in their branch."
    )
    margin: float = Field(default=0.0, description="Least gain in NDCG over popularity, its interval's lower end.")
    ece: float = Field(default=0.03, gt=0, le=1, description="Largest expected calibration error of the router.")
    exposure: float = Field(
        default=0.25,
        ge=0,
        le=1,
        description="Largest share of restricted films shown to minors.",
    )

    def cascade(self) -> Cascade:
        """The declared cascade with this variant's policy and branches."""
        declared = film_cascade.v1
        costs = {film_cascade.ADULTS: 1.0, film_cascade.MINORS: self.miss_cost}
        policy = type(declared.policy)(costs, film_cascade.MINORS, self.band)
        branches = tuple(self._branch(branch) for branch in declared.branches)
        return Cascade(declared.name, declared.version, declared.router, branches, policy)

    @property
    def grids(self) -> dict[RankerKind, Grid]:
        """What is tried of each kind of ranker."""
        tried: dict[RankerKind, Grid] = {
            "ease": {"penalty": self.penalties},
            "history_ridge": dict(film_cascade.RANKERS["history_ridge"]) | dict(self.ridge),
        }
        return {kind: tried[kind] for kind in self.rankers}

    def plain(self) -> dict[str, Any]:
        """As plain values."""
        return self.model_dump(mode="json")

    def _branch(self, branch: Branch) -> Branch:
        if self.segment_weights or not isinstance(branch.model, SharedRanker):
            return branch
        model = SharedRanker(branch.model.policed, branch.model.weights[:1], branch.model.k)
        return Branch(branch.name, model, branch.on, branch.fallback)
