"""Every error that models raise: one class per code.

    AlluviaError
    └── transforms     M200 InvalidTransform · M201 InputsMismatch · M202 ValuesMissing · M203 NothingToFit
                       M204 UnknownStep · M205 InvalidWeights · M206 StepFailed · M207 UnknownItem

The printed form is that of `feature_groups.store.errors`.
"""

from __future__ import annotations

from feature_groups.store.errors import AlluviaError


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


class UnknownItem(AlluviaError):
    """An item of which nothing is known."""

    code, title = "M207", "unknown item"
