"""The flows that train and score, in a process that may be killed: ``training_child.py LAKE``; and what they leave."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from feature_groups import movie_vectors, predictions
from film_lake import FilmLake
from flows.scoring import scoring
from flows.training import TRAINING, training
from models.film_parameters import FilmParameters
from models.model_steps import ModelSteps

LENIENT = FilmParameters(
    strengths=(0.03,),
    penalties=(100.0,),
    rankers=("ease",),
    segment_weights=False,
    margin=-1.0,
    ece=1.0,
    exposure=1.0,
)
"""So few ratings make no good model; here one has to serve."""

STEPS = (
    *("rated", "router", "rankings", "branch_adults", "branch_minors", "branch_popular"),
    *("film_vectors", "evaluation", "release"),
)


def run(lake: Path) -> None:
    """Train, and ask the champion about everybody."""
    training(lake=lake, parameters=LENIENT)
    scoring(lake=lake)


def left(made: FilmLake) -> Mapping[str, Any]:
    """Everything that a training and a scoring are to leave once, in plain values."""
    registry, store = made.registry, made.store
    champion = registry.champion()
    assert champion is not None
    groups = (movie_vectors.v1, predictions.v1)
    commits = {g.id: [c.version for c in store.get_or_create_feature_group(g).history()] for g in groups}
    log = made.predictions().drop("prediction_id", "release")
    return {
        "champion": dict(champion.members),
        "releases": len(registry.releases()),
        "manifests": len(registry.metadata.names(f"{registry.root}/manifests")),
        "switches": [switch.action for switch in registry.switches()],
        "cards": [path.name for path in (made.lake / "model_cards").iterdir()] == [f"{champion.id[:12]}.html"],
        "records": {step: len(ModelSteps(store.metadata, TRAINING).records(step)) for step in STEPS},
        "commits": commits,
        "vectors": made.rows(movie_vectors.v1).sort("movie_id").to_dicts(),
        "predictions": log.to_dicts(),
        # A dataset's folder has a name of its own each time.
        "datasets": {view.name: len(list(view.iterdir())) for view in (made.lake / "training_datasets").iterdir()},
    }


if __name__ == "__main__":
    run(Path(sys.argv[1]))
