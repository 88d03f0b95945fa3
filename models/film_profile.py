"""What the example's release is watched by: its features, and its router's scores and routes, as they were in training.

Users that the router was trained on are known to it, and it is surer of them than of others. So there are two
references: of users it never saw, what it said out of fold; of those it was trained on, what it says now.
"""

from __future__ import annotations

from collections.abc import Sequence

import polars as pl

from models.drift_profile import DriftProfile, profiled
from models.film_release import FilmModel

FEATURES, NEW, KNOWN = "features", "new users", "known users"
"""Parts of the profile."""


def film_profile(rows: pl.DataFrame, features: Sequence[str], model: FilmModel) -> DriftProfile:
    """The profile of a release, of counts alone.

    Args:
        rows: That its router was trained on, with all features.
        features: Those of the view.
        model: The release.
    """
    routing, found = model.cascade.routing, model.out_of_fold
    routes, _ = routing.policy.chosen(found.probabilities, routing.routes)
    new = pl.DataFrame({"score": found.probabilities[:, 1], "route": routes.tolist()})
    known = model.cascade.routes(rows).select("score", "route")
    return DriftProfile({FEATURES: profiled(rows, features), NEW: profiled(new), KNOWN: profiled(known)})
