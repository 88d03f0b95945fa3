"""What a training of the example's cascade is asked for: everything that one may want to compare, with its default."""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel, ConfigDict, Field

from models import film_cascade
from models.cascade import Branch, Cascade
from models.ranker_tuning import EASE_GRID
from models.ranking_branch_fit import SharedEase
from models.router import STRENGTHS


class FilmParameters(BaseModel):
    """One variant of the training; validated, so that a dashboard can make a form of it."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    strengths: tuple[float, ...] = Field(
        STRENGTHS, min_length=1, description="Inverse strengths of the router's penalty that validation chooses from."
    )
    penalties: tuple[float, ...] = Field(
        tuple(EASE_GRID["penalty"]), min_length=1, description="Penalties of the rankers that validation chooses from."
    )
    miss_cost: float = Field(
        7, gt=0, description="How much worse it is to miss a minor than to keep a restricted film from an adult."
    )
    band: float = Field(
        0.025, ge=0, lt=1, description="Half the width of the band around the threshold that takes the safe route."
    )
    segment_weights: bool = Field(
        True, description="Whether validation may let the minors' own ratings weigh more in their branch."
    )
    seed: int = Field(1_000, ge=0, description="Of the validation hold-out.")

    def cascade(self) -> Cascade:
        """The declared cascade with this variant's policy and branches."""
        declared = film_cascade.v1
        costs = {film_cascade.ADULTS: 1.0, film_cascade.MINORS: self.miss_cost}
        policy = type(declared.policy)(costs, film_cascade.MINORS, self.band)
        branches = tuple(self._branch(branch) for branch in declared.branches)
        return Cascade(declared.name, declared.version, declared.router, branches, policy)

    def plain(self) -> dict[str, Any]:
        """As plain values."""
        return self.model_dump(mode="json")

    def _branch(self, branch: Branch) -> Branch:
        if self.segment_weights or not isinstance(branch.model, SharedEase):
            return branch
        model = SharedEase(branch.model.policed, branch.model.weights[:1], branch.model.k)
        return Branch(branch.name, model, branch.on, branch.fallback)
