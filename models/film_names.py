"""What the example's training, its steps and its registry are called; nothing is imported for a name."""

from __future__ import annotations

NAME = "films"
"""Of the registry, and of what is released there."""

TRAINING, SCORING = f"training/{NAME}", f"scoring/{NAME}"
"""Under which names the steps of training and scoring are recorded."""

BRANCH = "branch_"
"""How the names of the steps begin that train a branch."""

RATED, VECTORS, RANKINGS = "rated", "film_vectors", "rankings"
RELEASE, EVALUATION, PREDICTIONS, OUTCOMES = "release", "evaluation", "predictions", "outcomes"
JUDGING = (EVALUATION, RELEASE)
"""The steps that are not needed where the champion is what the others made."""
