"""The example's cascade: who may be under 18 gets recommendations from a catalogue without restricted films.

Both branches rank with the same statistics: a policy decides what minors see, not a belief that they need other
models. That an age is inferred is no assurance of it.
"""

from __future__ import annotations

from collections.abc import Mapping
from fractions import Fraction

from models import router
from models.cascade import Branch, Cascade
from models.ranker_choice import Grid, RankerKind
from models.ranker_tuning import EASE_GRID
from models.ranking_branch_fit import MostLiked, SharedRanker
from models.threshold import RoutingPolicy

ADULTS, MINORS, POPULAR = "adults", "minors", "popular"

RANKERS: Mapping[RankerKind, Grid] = {
    "ease": EASE_GRID,
    "history_ridge": {"tau": (50.0, 5.0), "length": (50, 20), "penalty": (20_000.0, 1000.0)},
}
"""What ranks in the branches: validation chooses one of these kinds, and one of its settings, for all of them."""

v1 = Cascade(
    name="films",
    version=1,
    router=router.v1,
    branches=(
        Branch(ADULTS, SharedRanker(weights=(Fraction(1),)), on=False, fallback=POPULAR),
        Branch(MINORS, SharedRanker(policed=True), on=True, fallback=POPULAR),
        # Where a ranker fails, nobody is shown what a minor may not see.
        Branch(POPULAR, MostLiked(policed=True)),
    ),
    # To show a minor restricted films is seven times as bad as to keep them from an adult: from 1/8 on. A little
    # below that is too close to call, so that everybody from .10 on is treated as a minor.
    policy=RoutingPolicy(costs={ADULTS: 1, MINORS: 7}, safe_route=MINORS, band=0.025),
)
