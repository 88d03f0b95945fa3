"""A release: which members answer together, what they were made from, how good they are; named by all of that."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields
from functools import cached_property
from typing import Any, Self

from feature_groups.store.digest import digest
from feature_groups.store.errors import did_you_mean
from feature_groups.store.training_dataset import TrainingDataset
from models.errors import InvalidRelease, MixedLineage, WrongView
from models.parts import Json
from models.release_tables import release_tables


@dataclass(frozen=True)
class Reference:
    """Where a registry keeps a member.

    Attributes:
        kind: Of the member.
        content: sha256 of what the member is; equal for the same member made again.
        sha256: Of the bytes it was first stored as.
        bytes: How many they are.
    """

    kind: str
    content: str
    sha256: str
    bytes: int


@dataclass(frozen=True)
class GroupUsed:
    """A version of a feature group that a release was made from.

    Attributes:
        group: ``<name>_v<version>`` of the feature group.
        table_id: Delta's id of its table.
        version: Delta version.
        fingerprint: Of the rows at that version.
    """

    group: str
    table_id: str
    version: int
    fingerprint: str


@dataclass(frozen=True)
class DatasetUsed:
    """A training dataset that a release was made from.

    Attributes:
        view: ``<name>_v<version>`` of the feature view.
        contract: sha256 of what the view gives: columns, their types, and where they come from.
        number: Of the dataset among the view's.
        content: Content hash per part and history.
        split: The split rule, as text.
        seed: Of the split.
    """

    view: str
    contract: str
    number: int
    content: Mapping[str, str]
    split: str
    seed: int

    @classmethod
    def of(cls, dataset: TrainingDataset) -> Self:
        """What a release keeps of a dataset's manifest."""
        manifest = dataset.manifest
        stored = {f"parts/{name}": part["content"] for name, part in manifest["parts"].items()}
        stored |= {f"histories/{name}": part["content"] for name, part in manifest["histories"].items()}
        contract, split = str(manifest["declaration"]), str(manifest["split_text"])
        return cls(str(manifest["view"]), contract, dataset.number, stored, split, int(manifest["seed"]))


def groups_of(*datasets: TrainingDataset) -> tuple[GroupUsed, ...]:
    """The versions of groups that training datasets pin, each once, sorted."""
    names = [f.name for f in fields(GroupUsed)]
    pins = {tuple(pin[name] for name in names) for dataset in datasets for pin in dataset.manifest["pins"]}
    return tuple(GroupUsed(*pin) for pin in sorted(pins))


@dataclass(frozen=True)
class Release:
    """Everything that answers together, and its whole lineage.

    Attributes:
        members: Reference by role: ``router``, a name per branch, transforms, ``policy``.
        trained_on: Per role the members whose predictions it was trained on, as content hash by role.
        thresholds: Decision thresholds by name, finite.
        groups: Versions of feature groups it was made from.
        datasets: Training datasets it was made from.
        code: sha256 of the code that made it.
        made_with: Versions, lock hash and CPU family it was made with, see `models.artefact.made_with`.
        verdict: Of the gates, see `models.gates.Verdict.to_json`; empty when none were asked.
        metrics: Figures by name, finite.
        report: Digest of its evaluation report in the registry; empty when there is none.
        golden: Reference of its golden vectors.
        flow_run: Id of the flow run that made it.
        parent: Id of the release that it followed.
    """

    members: Mapping[str, Reference]
    trained_on: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    thresholds: Mapping[str, float] = field(default_factory=dict)
    groups: tuple[GroupUsed, ...] = ()
    datasets: tuple[DatasetUsed, ...] = ()
    code: str = ""
    made_with: Mapping[str, str] = field(default_factory=dict)
    verdict: Mapping[str, Any] = field(default_factory=dict)
    metrics: Mapping[str, float] = field(default_factory=dict)
    report: str = ""
    golden: Reference | None = None
    flow_run: str = ""
    parent: str | None = None

    @cached_property
    def id(self) -> str:
        """sha256 of the canonical manifest."""
        return digest(self.to_json())

    @property
    def stored(self) -> dict[str, Reference]:
        """All that the registry keeps bytes of, the golden vectors included, by role."""
        return {**self.members, **({"golden vectors": self.golden} if self.golden else {})}

    @property
    def blessed(self) -> bool:
        """Whether it passed its gates."""
        return self.verdict.get("blessed") is True

    def _repr_html_(self) -> str:
        return release_tables(self)

    def check(self) -> None:
        """Whether it can be a release at all.

        Raises:
            InvalidRelease: It has no members, names some that it has not, or a figure that is not finite.
            MixedLineage: A member was trained on the predictions of another member than the one in here.
        """
        if not self.members:
            raise _invalid("It has no members.")
        for kind, figures in (("threshold", self.thresholds), ("metric", self.metrics)):
            if bad := sorted(name for name, value in figures.items() if not math.isfinite(value)):
                raise _invalid(f"The {kind} {bad[0]!r} is {figures[bad[0]]}, which is not finite.")
        for role, upstream in self.trained_on.items():
            for name in (role, *upstream):
                if name not in self.members:
                    raise _invalid(f"It has no member {name!r}. {did_you_mean(name, self.members)}")
        for role, upstream in sorted(self.trained_on.items()):
            for name, content in sorted(upstream.items()):
                if (here := self.members[name].content) != content:
                    raise MixedLineage(
                        f"release with {role!r}",
                        what=f"{role!r} was trained on the out-of-fold predictions of the {name!r} {content[:12]}, "
                        f"the release holds the {name!r} {here[:12]}.",
                        state="was not released",
                        next_step=f"train {role!r} again on the predictions of this {name!r}.",
                    )

    def require_view(self, view: str, contract: str) -> None:
        """Check that it was trained on a view as it gives its features now.

        Args:
            view: ``<name>_v<version>`` of the feature view.
            contract: As `DatasetUsed.contract`.

        Raises:
            WrongView: It was trained on others, or the view's contract has changed since.
        """
        known = {dataset.view: dataset for dataset in self.datasets}
        if view in known and known[view].contract == contract:
            return
        what = (
            f"It was trained on {view!r} with the contract {known[view].contract[:12]}, now that is {contract[:12]}."
            if view in known
            else f"It was not trained on {view!r}. {did_you_mean(view, known)}"
        )
        raise WrongView(
            f"release {self.id[:12]}",
            what=what,
            state="did not answer",
            next_step="ask it for the view it was trained on, or train it on this one and release that.",
        )

    def to_json(self) -> dict[str, Json]:
        """Its manifest as plain JSON."""
        return asdict(self) | {
            "groups": [asdict(group) for group in self.groups],
            "datasets": [asdict(dataset) for dataset in self.datasets],
        }

    @classmethod
    def from_json(cls, stored: Mapping[str, Any]) -> Self:
        """Back from its manifest."""
        return cls(
            **{
                **stored,
                "members": {role: Reference(**reference) for role, reference in stored["members"].items()},
                "groups": tuple(GroupUsed(**group) for group in stored["groups"]),
                "datasets": tuple(DatasetUsed(**dataset) for dataset in stored["datasets"]),
                "golden": Reference(**stored["golden"]) if stored["golden"] else None,
            }
        )


@dataclass(frozen=True)
class Recorded:
    """An entry of the log of releases.

    Attributes:
        id: Of the release.
        at: When it was released, as ISO text, UTC.
        who: By whom.
    """

    id: str
    at: str
    who: str


def _invalid(what: str) -> InvalidRelease:
    return InvalidRelease("release", what=what, state="was not released", next_step="correct that and release again.")
