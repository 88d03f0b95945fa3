"""Every error a user of the models can meet: one class per code, of the form of `feature_groups.store.errors`.

AlluviaError
├── artefacts      M001 ArtefactDamaged · M002 UntrustedType · M003 LibraryDiffers · M004 InvalidParts
└── releases       M011 UnknownRelease · M012 InvalidRelease · M013 MixedLineage · M014 MemberMissing
                   M015 SwitchConflict · M016 NotBlessed · M017 GoldenDiffers · M018 WrongView
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
