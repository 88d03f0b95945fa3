"""Every error that models raise: one class per code.

    AlluviaError
    ├── artefacts      M001 ArtefactDamaged · M002 UntrustedType · M003 LibraryDiffers
    │                  M004 InvalidParts · M011 UnknownRelease · M012 InvalidRelease
    │                  M013 MixedLineage · M014 MemberMissing · M015 SwitchConflict
    │                  M016 NotBlessed · M017 GoldenDiffers · M018 WrongView
    │                  M021 UnusableFigures
    ├── rankers        M100 CataloguesDiffer · M101 StatisticsOverflow · M102 NothingToLearn
    │                  M103 RankerMisused
    ├── transforms     M200 InvalidTransform · M201 InputsMismatch · M202 ValuesMissing
    │                  M203 NothingToFit · M204 UnknownStep · M205 InvalidWeights
    │                  M206 StepFailed · M207 UnknownItem
    ├── cascades       M300 InvalidProbabilityModel · M301 NothingToTellApart · M302 ScoresNotFinite
    │                  M303 FoldsMismatch · M304 InvalidPolicy · M305 InvalidCascade
    │                  M306 CascadeFailed
    ├── predictions    M400 NothingServes · M401 UnknownPrediction · M402 LineageGone
    │                  M403 PredictionDiffers · M404 CannotBeAsked
    └── monitoring     M500 NotWatched

The printed form is that of `feature_groups.store.errors`.
"""

from __future__ import annotations

from feature_groups.store.errors import AlluviaError


class ArtefactDamaged(AlluviaError):
    """Bytes are not the artefact that the registry knows by their reference."""

    code, title = "M001", "artefact damaged"


class UntrustedType(AlluviaError):
    """An estimator holds a type that is not in our list of trusted ones."""

    code, title = "M002", "untrusted type"


class LibraryDiffers(AlluviaError):
    """Estimators were made with another minor version of scikit-learn."""

    code, title = "M003", "other scikit-learn version"


class InvalidParts(AlluviaError):
    """The parts of a member are not what an artefact can hold."""

    code, title = "M004", "invalid parts"


class UnknownRelease(AlluviaError):
    """The registry has no release of that id, or none in that role."""

    code, title = "M011", "unknown release"


class InvalidRelease(AlluviaError):
    """What is to be released does not make a release."""

    code, title = "M012", "invalid release"


class MixedLineage(AlluviaError):
    """A member was trained on the predictions of another member than the one in the release."""

    code, title = "M013", "mixed lineage"


class MemberMissing(AlluviaError):
    """The bytes of a member are not in the registry."""

    code, title = "M014", "member missing"


class SwitchConflict(AlluviaError):
    """Another process switched releases meanwhile."""

    code, title = "M015", "switched meanwhile"


class NotBlessed(AlluviaError):
    """The release did not pass its gates."""

    code, title = "M016", "release not blessed"


class GoldenDiffers(AlluviaError):
    """A release does not answer its golden vectors as it did when it was made."""

    code, title = "M017", "golden vectors differ"


class WrongView(AlluviaError):
    """A release was asked to answer for a view, or a contract of it, that it was not trained on."""

    code, title = "M018", "wrong view"


class UnusableFigures(AlluviaError):
    """Numbers that are to be judged or reported are missing, not finite, or not what they should be."""

    code, title = "M021", "unusable figures"


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

    code, title = "M206", "transform step failed"


class UnknownItem(AlluviaError):
    """An item of which nothing is known."""

    code, title = "M207", "unknown item"


class InvalidProbabilityModel(AlluviaError):
    """A probability model is declared in a way that cannot be meant."""

    code, title = "M300", "invalid probability model"


class NothingToTellApart(AlluviaError):
    """The rows to fit on have one class, or none."""

    code, title = "M301", "nothing to tell apart"


class ScoresNotFinite(AlluviaError):
    """A classifier makes scores that are no finite numbers."""

    code, title = "M302", "scores not finite"


class FoldsMismatch(AlluviaError):
    """Folds do not go with the rows they were given for."""

    code, title = "M303", "folds mismatch"


class InvalidPolicy(AlluviaError):
    """A routing policy cannot mean what it says."""

    code, title = "M304", "invalid routing policy"


class InvalidCascade(AlluviaError):
    """A cascade is declared or put together in a way that cannot be meant."""

    code, title = "M305", "invalid cascade"


class CascadeFailed(AlluviaError):
    """No member of a cascade, nor what was declared to stand in, can answer a request."""

    code, title = "M306", "cascade failed"


class NothingServes(AlluviaError):
    """No release is champion, so that nothing can be predicted."""

    code, title = "M400", "nothing serves"


class UnknownPrediction(AlluviaError):
    """The log of predictions has none of that id."""

    code, title = "M401", "unknown prediction"


class LineageGone(AlluviaError):
    """A version that a prediction was made from cannot be read any more."""

    code, title = "M402", "lineage gone"


class PredictionDiffers(AlluviaError):
    """A prediction made again from its lineage is another one, by more than it may."""

    code, title = "M403", "prediction differs"


class CannotBeAsked(AlluviaError):
    """A scoring is asked for in a way that cannot be meant."""

    code, title = "M404", "scoring cannot be asked"


class NotWatched(AlluviaError):
    """A release cannot be monitored, or not in the way asked for."""

    code, title = "M500", "cannot be monitored"
