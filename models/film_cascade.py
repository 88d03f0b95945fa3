"""The example's cascade: who may be under 18 gets recommendations from a catalogue without restricted films.

Both branches rank with the same statistics: a policy decides what minors see, not a belief that they need other
models. That an age is inferred is no assurance of it.
"""

from __future__ import annotations

from fractions import Fraction

from models import router
from models.cascade import Branch, Cascade
from models.ranking_branch_fit import MostLiked, SharedEase
from models.threshold import RoutingPolicy

ADULTS, MINORS, POPULAR = "adults", "minors", "popular"

v1 = Cascade(
    name="films",
    version=1,
    router=router.v1,
    branches=(
        Branch(ADULTS, SharedEase(weights=(Fraction(1),)), on=False, fallback=POPULAR),
        Branch(MINORS, SharedEase(policed=True), on=True, fallback=POPULAR),
        # Where a ranker fails, nobody is shown what a minor may not see.
        Branch(POPULAR, MostLiked(policed=True)),
    ),
    # To show a minor restricted films is seven times as bad as to keep them from an adult: from 1/8 on. A little
    # below that is too close to call, so that everybody from .10 on is treated as a minor.
    policy=RoutingPolicy(costs={ADULTS: 1, MINORS: 7}, safe_route=MINORS, band=0.025),
)
