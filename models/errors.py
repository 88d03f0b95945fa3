<<<<<<< HEAD
"""Every error of models: one class per code, in the form of `feature_groups.store.errors`.

    AlluviaError
    └── rankers        M100 CataloguesDiffer · M101 StatisticsOverflow · M102 NothingToLearn · M103 RankerMisused

The printed form is the same as there.
=======
"""Every error that models raise: one class per code.

    AlluviaError
    └── transforms     M200 InvalidTransform · M201 InputsMismatch · M202 ValuesMissing · M203 NothingToFit
                       M204 UnknownStep · M205 InvalidWeights · M206 StepFailed

The printed form is that of `feature_groups.store.errors`.
>>>>>>> dt
"""

from __future__ import annotations

from feature_groups.store.errors import AlluviaError


<<<<<<< HEAD
class CataloguesDiffer(AlluviaError):
    """Things made over different films are put together."""

    code, title = "M100", "catalogues differ"


class StatisticsOverflow(AlluviaError):
    """Sums do not fit 64-bit integers."""

    code, title = "M101", "statistics overflow"


class NothingToLearn(AlluviaError):
    """No row is left to fit or to judge a ranker on."""

    code, title = "M102", "nothing to learn from"


class RankerMisused(AlluviaError):
    """A ranker is declared or asked in a way that cannot be meant."""

    code, title = "M103", "ranker misused"
=======
class InvalidTransform(AlluviaError):
    """A transform cannot mean what it says."""

    code, title = "M200", "invalid transform"


class InputsMismatch(AlluviaError):
    """A frame lacks columns that a transform takes, or has them in another type."""

    code, title = "M201", "inputs mismatch"


class ValuesMissing(AlluviaError):
    """Values are NULL, NaN or infinite where the transform does not say what that means."""

    code, title = "M202", "values missing"


class NothingToFit(AlluviaError):
    """The training split has no rows, or none from which a step could learn."""

    code, title = "M203", "nothing to fit"


class UnknownStep(AlluviaError):
    """A stored transform names a step or an image encoder that this code does not have."""

    code, title = "M204", "unknown step"


class InvalidWeights(AlluviaError):
    """Weights of blocks that there are none of, negative, not finite, or all zero."""

    code, title = "M205", "invalid weights"


class StepFailed(AlluviaError):
    """A step refused its rows, or made of them what no matrix holds."""

    code, title = "M206", "step failed"
>>>>>>> dt
