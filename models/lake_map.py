"""Everything of a lake that has a name, and finding it by that name: groups, views, datasets, releases, predictions."""

from __future__ import annotations

import contextlib
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Literal

import polars as pl

from feature_groups.store import FeatureStore
from feature_groups.store.dataset_log import every_manifest
from feature_groups.store.errors import NothingWritten, did_you_mean
from models.errors import UnknownName
from models.registry import Registry
from models.release import Recorded, Release
from models.switches import Switch

Kind = Literal["source", "group", "view", "dataset", "release", "prediction"]

PREDICTION = "prediction_id"
"""The key of groups that log predictions: to import the example's would cost seconds."""

_VERSIONED = re.compile(r"(.+)_v(\d+)")
_SHA256 = re.compile(r"[0-9a-f]{64}")
_LEAST = 6
"""Digits that a release's id is told apart by, at least."""


@dataclass(frozen=True)
class Thing:
    """Something of a lake.

    Attributes:
        kind: What it is.
        name: ``ratings_v1``, ``age_gate_v1``, ``age_gate_v1/3``; the id of a release or a prediction; a source's name.
    """

    kind: Kind
    name: str

    def __str__(self) -> str:
        words = {"group": "feature group", "view": "feature view", "dataset": "training dataset"}
        name = self.name[:12] if _SHA256.fullmatch(self.name) else self.name
        return f"{words.get(self.kind, self.kind)} {name}"


@dataclass(frozen=True)
class Released:
    """A release, and where it stands.

    Attributes:
        registry: Name of its registry.
        recorded: Its entry in the log of releases.
        release: The release.
        role: ``champion``, ``challenger`` or empty.
    """

    registry: str
    recorded: Recorded
    release: Release
    role: str


class LakeMap:
    """What a lake's metadata names, each part read when it is first asked for."""

    def __init__(self, store: FeatureStore) -> None:
        self.store = store

    @cached_property
    def groups(self) -> Mapping[str, Mapping[str, Any]]:
        """The newest stored declaration of every feature group, as JSON, by ``<name>_v<version>``."""
        return self.store.declarations()

    @cached_property
    def views(self) -> dict[str, dict[str, Any]]:
        """The newest stored declaration of every feature view, as JSON, by ``<name>_v<version>``."""
        metadata = self.store.metadata
        paths = (path.split("/") for path in metadata.names("views"))
        names = sorted({parts[1] for parts in paths if parts[2] == "declarations"})
        return {name: found for name in names if (found := metadata.last(f"views/{name}/declarations"))}

    @cached_property
    def datasets(self) -> dict[str, dict[str, Any]]:
        """The manifest of every training dataset by ``<view>/<number>``."""
        return {f"{m['view']}/{m['number']}": m for m in every_manifest(self.store.metadata)}

    @cached_property
    def registries(self) -> dict[str, Registry]:
        """Every registry by name."""
        names = sorted({path.split("/")[1] for path in self.store.metadata.names("registries")})
        return {name: Registry(self.store, name) for name in names}

    @cached_property
    def releases(self) -> dict[str, Released]:
        """Every release by id, oldest first."""
        found = {}
        for name, registry in self.registries.items():
            roles = _roles(registry.state())
            for entry in registry.releases():
                found[entry.id] = Released(name, entry, registry.get(entry.id), roles.get(entry.id, ""))
        return found

    @cached_property
    def logs(self) -> list[str]:
        """The ids of the groups that are logs of predictions."""
        return [name for name, declared in self.groups.items() if declared["primary_key"] == [PREDICTION]]

    def prediction_logs(self) -> Iterator[tuple[str, pl.LazyFrame]]:
        """The logs of predictions that are not empty: id of the group, and its rows."""
        for name in self.logs:
            declared = self.groups[name]
            group = self.store.get_feature_group(declared["name"], declared["version"])
            with contextlib.suppress(NothingWritten):
                yield name, group.read(engine="polars")

    def answered(self) -> list[str]:
        """Ids of the releases that made what is in a log of predictions, oldest release first."""
        logs = [log.select(pl.col("release").unique()).collect()["release"] for _, log in self.prediction_logs()]
        return [name for name in self.releases if any(name in log for log in logs)]

    def find(self, name: str, only: Kind | None = None) -> Thing:
        """What is meant by a name.

        Args:
            name: Of a group or view, with or without its version (the newest then), of a dataset
                (``<view>/<number>``), ``champion`` or ``challenger``, the first digits of a release's id, or the id
                of a prediction. ``group:`` or ``view:`` in front tells a group and a view of one name apart.
            only: The kind that is looked for; by default any.

        Raises:
            UnknownName: Nothing has that name, or several things have.
        """
        named, _, rest = name.rpartition(":")
        kinds = {named, only} - {"", None}
        found = [thing for thing in self._all(rest) if kinds <= {thing.kind}]
        if len(found) == 1:
            return found[0]
        if found:
            raise _unknown(name, f"It may be {' or '.join(map(str, found))}.", self._told_apart(found))
        if _SHA256.fullmatch(rest) and kinds <= {"prediction"}:
            return Thing("prediction", rest)
        names: dict[str, Iterable[str]] = {"group": self.groups, "view": self.views, "dataset": self.datasets}
        names["release"] = [n[:12] for n in self.releases]
        known = [one for kind, of_it in names.items() if (only or named) in ("", kind) for one in of_it]
        # A name is compared without its version as well: 'rating' is as near to 'ratings' as to nothing else.
        short = {m[1] for known_name in known if (m := _VERSIONED.fullmatch(known_name))}
        what = f"No {only}" if only else "Nothing"
        raise _unknown(name, f"{what} in this lake has that name. {did_you_mean(rest, {*known, *short})}")

    def _all(self, name: str) -> list[Thing]:
        found = [Thing("group", g) for g in _fitting(name, self.groups)]
        found += [Thing("view", v) for v in _fitting(name, self.views)]
        view, _, number = name.partition("/")
        found += [
            Thing("dataset", f"{v}/{number}") for v in _fitting(view, self.views) if f"{v}/{number}" in self.datasets
        ]
        if name in ("champion", "challenger"):
            return found + [Thing("release", r) for r, it in self.releases.items() if it.role == name]
        if len(name) >= _LEAST:
            found += [Thing("release", r) for r in self.releases if r.startswith(name)]
        return found

    def _told_apart(self, found: list[Thing]) -> str:
        return f"name it {' or '.join(f'{thing.kind}:{thing.name}' for thing in found)}."


def _fitting(name: str, known: Mapping[str, Any]) -> list[str]:
    """The one of these ids that a name means; without a version the newest."""
    if name in known:
        return [name]
    versions = [int(m[2]) for other in known if (m := _VERSIONED.fullmatch(other)) and m[1] == name]
    return [f"{name}_v{max(versions)}"] if versions else []


def _roles(state: Switch) -> dict[str, str]:
    roles = ((state.challenger, "challenger"), (state.champion, "champion"))
    return {name: role for name, role in roles if name is not None}


def _unknown(
    name: str, what: str, next_step: str = "correct it; alluvia groups and alluvia releases list names."
) -> UnknownName:
    return UnknownName(f"{name[:80]!r}", what=what, state="was not looked up", next_step=next_step)
