"""Every error that choosing, repeating and making up for steps raises: one class per code.

    AlluviaError
    └── steps   S001 NoSuchStep · S002 StepNotReady · S003 NothingToResume
                S004 CannotReplay · S005 CannotBackfill

The printed form is that of `feature_groups.store.errors`, which has `StepFailed`.
"""

from __future__ import annotations

from feature_groups.store.errors import AlluviaError


class NoSuchStep(AlluviaError):
    """No step of the pipeline has that name or tag."""

    code, title = "S001", "no such step"


class StepNotReady(AlluviaError):
    """What a step needs was never made, or not by the code as it is now."""

    code, title = "S002", "step not ready"


class NothingToResume(AlluviaError):
    """The run is not known, has not ended, or left nothing undone."""

    code, title = "S003", "nothing to resume"


class CannotReplay(AlluviaError):
    """A step was never recorded, or what it was made from is gone."""

    code, title = "S004", "cannot replay"


class CannotBackfill(AlluviaError):
    """A feature group cannot be made in parts, or the span is none."""

    code, title = "S005", "cannot backfill"
