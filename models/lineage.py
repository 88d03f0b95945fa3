"""Lineage in both directions: what something was made from, at which versions, and what was made from it since.

Read from records only: step records say which versions a version of a group was made from, manifests what a training
dataset pins, releases which datasets they were trained on, the log of predictions which release answered.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import polars as pl

from feature_groups.store.errors import NothingWritten
from models.errors import UnknownName, UnknownPrediction
from models.lake_map import PREDICTION, LakeMap, Thing

Json = Mapping[str, Any]


@dataclass(frozen=True)
class Branch:
    """A thing in a lineage, and what follows from it in the same direction.

    Attributes:
        thing: What.
        version: Delta version of a group's table; None for all else, and where no record says.
        note: What else is known, in a few words.
        following: What it was made from, or what was made from it.
        seen: Whether it stands above already, with what follows.
    """

    thing: Thing
    version: int | None = None
    note: str = ""
    following: tuple[Branch, ...] = ()
    seen: bool = False

    def walk(self) -> Iterator[Branch]:
        """It and everything that follows."""
        yield self
        for branch in self.following:
            yield from branch.walk()


@dataclass(frozen=True)
class Lineage:
    """The lineage of one thing.

    Attributes:
        made_from: Itself, and upwards what it was made from.
        made_of_it: Itself, and downwards what was made from it.
    """

    made_from: Branch
    made_of_it: Branch


def lineage(lake: LakeMap, name: str) -> Lineage:
    """The lineage of what has a name.

    Args:
        lake: The lake.
        name: As in `LakeMap.find`; a group's may end in ``@<version>`` of its table, the newest by default upwards and
            all of them downwards.

    Raises:
        UnknownName: Nothing has that name, or that version.
        UnknownPrediction: It looks like a prediction's id, and is none.
    """
    plain, at, text = name.partition("@")
    thing = lake.find(plain)
    version = None
    if at:
        version = _version(lake, thing, text, name)
    return _Tracer(lake).lineage(thing, version)


def _version(lake: LakeMap, thing: Thing, text: str, name: str) -> int:
    if thing.kind != "group" or not text.isdecimal():
        raise UnknownName(
            f"{name[:80]!r}",
            what="Only feature groups have versions of a table, and they are numbers.",
            state="was not looked up",
            next_step="name it without @, or as in ratings@3.",
        )
    declared = lake.groups[thing.name]
    group = lake.store.get_feature_group(declared["name"], declared["version"])
    return lake.store.reader.resolve(group.table, int(text))


@dataclass(frozen=True)
class _Link:
    thing: Thing
    version: int | None = None
    note: str = ""
    followed: bool = True


class _Tracer:
    def __init__(self, lake: LakeMap) -> None:
        self._lake = lake
        self._steps: dict[str, list[Json]] = {}

    def lineage(self, thing: Thing, version: int | None) -> Lineage:
        """Both directions."""
        newest = version
        if thing.kind == "group" and version is None:
            newest = self._newest(thing.name)
        up = self._grown(_Link(thing, newest), self._above, set())
        return Lineage(up, self._grown(_Link(thing, version), self._below, set()))

    def _grown(self, link: _Link, step: Any, seen: set[tuple[Thing, int | None]]) -> Branch:
        key = (link.thing, link.version)
        following = step(link.thing, link.version) if link.followed else []
        if key in seen and following:
            return Branch(link.thing, link.version, link.note, seen=True)
        seen.add(key)
        return Branch(link.thing, link.version, link.note, tuple(self._grown(n, step, seen) for n in following))

    def _above(self, thing: Thing, version: int | None) -> list[_Link]:
        match thing.kind:
            case "group":
                return self._group_made_from(thing.name, version)
            case "view":
                return [_Link(Thing("group", name)) for name in groups_of_view(self._lake.views[thing.name])]
            case "dataset":
                manifest = self._lake.datasets[thing.name]
                pins = [_Link(Thing("group", pin["group"]), pin["version"]) for pin in manifest["pins"]]
                return [
                    _Link(Thing("view", manifest["view"]), note=f"split {manifest['split_text']}", followed=False),
                    *pins,
                ]
            case "release":
                return self._release_made_from(thing.name)
            case "prediction":
                return self._prediction_made_from(thing.name)
        return []

    def _below(self, thing: Thing, version: int | None) -> list[_Link]:
        match thing.kind:
            case "group":
                return self._made_of_group(thing.name, version)
            case "view":
                of = [name for name, manifest in self._lake.datasets.items() if manifest["view"] == thing.name]
                return [_Link(Thing("dataset", name)) for name in of]
            case "dataset":
                view, _, number = thing.name.partition("/")
                used = {
                    name: it
                    for name, it in self._lake.releases.items()
                    if any((d.view, str(d.number)) == (view, number) for d in it.release.datasets)
                }
                return [_Link(Thing("release", name), note=it.role) for name, it in used.items()]
            case "release":
                return self._made_of_release(thing.name)
        return []

    def _group_made_from(self, name: str, version: int | None) -> list[_Link]:
        declared = self._lake.groups.get(name)
        record = self._record(name, version)
        if record is None:
            parents = declared["parents"] if declared else []
            return [_Link(Thing("group", parent), note="no record says which version") for parent in parents]
        links = []
        for other, found in record["inputs"].items():
            if found and "version" in found:
                links.append(_Link(Thing("group", other), found["version"]))
            elif found:
                links.append(_Link(Thing("source", other), note=f"sha256 {found['content'][:12]}"))
        return links

    def _made_of_group(self, name: str, version: int | None) -> list[_Link]:
        links = []
        for other in self._lake.groups:
            made = [r for r in self._records(other) if _used(r, name) is not None and version in (None, _used(r, name))]
            if version is None and made:
                # Of all versions together, so that what was made of older ones is not passed over.
                links.append(_Link(Thing("group", other), note=_told(made, name)))
            else:
                of = (_Link(Thing("group", other), r["output"]["version"], f"of version {version}") for r in made)
                links += {link.version: link for link in of}.values()
        for dataset, manifest in self._lake.datasets.items():
            for pin in manifest["pins"]:
                if pin["group"] == name and version in (None, pin["version"]):
                    links.append(_Link(Thing("dataset", dataset), note=f"of version {pin['version']}"))
        pinned = {link.thing.name for link in links if link.thing.kind == "dataset"}
        for release, it in self._lake.releases.items():
            through = {f"{d.view}/{d.number}" for d in it.release.datasets}
            for group in it.release.groups:
                if group.group == name and version in (None, group.version) and not through & pinned:
                    links.append(_Link(Thing("release", release), note=f"of version {group.version}"))
        if version is None:
            links += [
                _Link(Thing("view", v), followed=False)
                for v, view in self._lake.views.items()
                if name in groups_of_view(view)
            ]
        return links

    def _release_made_from(self, name: str) -> list[_Link]:
        release = self._lake.releases[name].release
        links = [_Link(Thing("dataset", f"{d.view}/{d.number}")) for d in release.datasets]
        pinned = {
            (pin["group"], pin["version"])
            for d in release.datasets
            for pin in self._lake.datasets.get(f"{d.view}/{d.number}", {}).get("pins", ())
        }
        others = [g for g in release.groups if (g.group, g.version) not in pinned]
        links += [_Link(Thing("group", g.group), g.version) for g in others]
        known = [link for link in links if link.thing.kind != "dataset" or link.thing.name in self._lake.datasets]
        if release.parent is not None:
            known.append(_Link(Thing("release", release.parent), note="the champion before it", followed=False))
        return known

    def _made_of_release(self, name: str) -> list[_Link]:
        later = [r for r, it in self._lake.releases.items() if it.release.parent == name]
        links = [_Link(Thing("release", release), note="followed it") for release in later]
        for group, log in self._lake.prediction_logs():
            count = log.filter(pl.col("release") == name).select(pl.len()).collect().item()
            if count:
                links.append(_Link(Thing("group", group), note=f"{count:,} predictions"))
        return links

    def _prediction_made_from(self, prediction: str) -> list[_Link]:
        for _, log in self._lake.prediction_logs():
            for row in log.filter(pl.col(PREDICTION) == prediction).collect().to_dicts():
                told = (
                    f"user {row['user_id']} at {row['asked_at']:%Y-%m-%d %H:%M:%S} UTC, {row['route']}: {row['reason']}"
                )
                read = sorted(json.loads(row["features"]).items())
                links = [_Link(Thing("release", row["release"]), note=told)]
                return links + [_Link(Thing("group", group), version) for group, (_, version) in read]
        raise UnknownPrediction(
            f"prediction {prediction[:12]}",
            what="It is neither in a log of predictions nor a release of this lake.",
            state="was not looked up",
            next_step="take a prediction_id of the group predictions, or see the releases: alluvia releases.",
        )

    def _newest(self, name: str) -> int | None:
        declared = self._lake.groups[name]
        group = self._lake.store.get_feature_group(declared["name"], declared["version"])
        try:
            return self._lake.store.reader.resolve(group.table, None)
        except NothingWritten:
            return None

    def _records(self, name: str) -> list[Json]:
        if name not in self._steps:
            self._steps[name] = list(self._lake.store.metadata.entries(f"steps/{name}"))
        return self._steps[name]

    def _record(self, name: str, version: int | None) -> Json | None:
        """The newest record of the step that left the group at this version, or at one before it."""
        fitting = (r for r in self._records(name)[::-1] if version is None or r["output"]["version"] <= version)
        return next(fitting, None)


def groups_of_view(view: Json) -> list[str]:
    """The groups that a stored view reads, each once, sorted."""

    def named(value: Any) -> Iterator[str]:
        if isinstance(value, Mapping):
            if isinstance(value.get("group"), str):
                yield value["group"]
            for item in value.values():
                yield from named(item)
        elif isinstance(value, list):
            for item in value:
                yield from named(item)

    return sorted(set(named(view)))


def _used(record: Json, name: str) -> int | None:
    """The version of a group that a step consumed; None where it consumed none of it."""
    used = record["inputs"].get(name)
    return int(used["version"]) if used and "version" in used else None


def _told(records: list[Json], name: str) -> str:
    newest = records[-1]
    earlier = f" ({len(records) - 1:,} earlier)" if len(records) > 1 else ""
    return f"version {newest['output']['version']} of version {_used(newest, name)}{earlier}"
