"""What of a lake leads to what: sources, feature groups, views, models and releases, as nodes and links."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Literal

from models.lake_map import LakeMap
from models.lineage import groups_of_view

NodeKind = Literal["source", "group", "view", "model", "release"]

NEWEST = 5
"""How many releases are shown besides the champion and the challenger."""


@dataclass(frozen=True)
class Node:
    """One box.

    Attributes:
        id: ``<kind>:<name>``.
        kind: What it is.
        title: Its name.
        lines: Its facts, short.
        told: What it is, in a sentence.
    """

    id: str
    kind: NodeKind
    title: str
    lines: tuple[str, ...] = ()
    told: str = ""


@dataclass(frozen=True)
class LakeGraph:
    """The boxes, and by id which leads to which; there is no way round in circles.

    Attributes:
        nodes: By id.
        links: Pairs of ids.
    """

    nodes: Mapping[str, Node]
    links: tuple[tuple[str, str], ...]


def lake_graph(lake: LakeMap) -> LakeGraph:
    """The graph of a lake: what is declared, the models that were trained, and the newest releases."""
    nodes = {node.id: node for part in (_sources, _groups, _views, _models, _releases) for node in part(lake)}
    links = dict.fromkeys(link for part in (_group_links, _view_links, _model_links) for link in part(lake))
    known = [(a, b) for a, b in links if a in nodes and b in nodes]
    return LakeGraph(nodes, tuple(known))


def _sources(lake: LakeMap) -> Iterator[Node]:
    for declared in lake.groups.values():
        if declared["source"]:
            yield Node(f"source:{declared['source']}", "source", declared["source"], told="Raw files.")


def _groups(lake: LakeMap) -> Iterator[Node]:
    for entry in lake.store.catalogue():
        state = (
            "nothing written" if entry.table_version is None else f"version {entry.table_version}, {entry.rows:,} rows"
        )
        lines = (
            state,
            *(["labels and helpers only"] if lake.groups[f"{entry.name}_v{entry.version}"]["restricted"] else []),
        )
        yield Node(
            f"group:{entry.name}_v{entry.version}", "group", f"{entry.name} v{entry.version}", lines, entry.description
        )


def _views(lake: LakeMap) -> Iterator[Node]:
    for name, view in lake.views.items():
        count = sum(manifest["view"] == name for manifest in lake.datasets.values())
        lines = (f"{count} training dataset{'' if count == 1 else 's'}",)
        yield Node(f"view:{name}", "view", f"{view['name']} v{view['version']}", lines, view["description"])


def _models(lake: LakeMap) -> Iterator[Node]:
    for training, steps in _trainings(lake).items():
        for step, record in steps.items():
            lines = (f"of {training}", f"trained {record['recorded_at'][:16].replace('T', ' ')}")
            yield Node(f"model:{training}/{step}", "model", step, lines, f"Fitted by the step {step} of {training}.")


def _releases(lake: LakeMap) -> Iterator[Node]:
    for name in _shown(lake):
        it = lake.releases[name]
        verdict = it.role or ("passed its gates" if it.release.blessed else "refused")
        lines = (verdict, f"released {it.recorded.at[:16].replace('T', ' ')}")
        told = f"Release {name} of {it.registry}."
        yield Node(f"release:{name}", "release", f"{it.registry} {name[:12]}", lines, told)


def _group_links(lake: LakeMap) -> Iterator[tuple[str, str]]:
    for name, declared in lake.groups.items():
        if declared["source"]:
            yield f"source:{declared['source']}", f"group:{name}"
        for parent in declared["parents"]:
            yield f"group:{parent}", f"group:{name}"


def _view_links(lake: LakeMap) -> Iterator[tuple[str, str]]:
    for name, view in lake.views.items():
        for group in groups_of_view(view):
            yield f"group:{group}", f"view:{name}"


def _model_links(lake: LakeMap) -> Iterator[tuple[str, str]]:
    """From views and models to models, by what the steps of trainings consumed; from models to releases that hold them.

    A release that holds no model of a record is led to by the views of its datasets.
    """
    contents: dict[str, str] = {}
    views = {view["name"]: f"view:{name}" for name, view in lake.views.items()}
    for training, steps in _trainings(lake).items():
        for step, record in steps.items():
            node = f"model:{training}/{step}"
            contents |= {member["content"]: node for member in _members(record)}
            # A branch consumes the router by the name of its step, a release a branch by its role.
            here = {name: f"model:{training}/{name}" for name in steps}
            for name in record["inputs"]:
                if (found := here.get(name) or views.get(name)) and found != node:
                    yield found, node
    answered = lake.answered()
    for name in _shown(lake):
        release = lake.releases[name].release
        held = {contents[m.content] for m in release.members.values() if m.content in contents}
        yield from ((node, f"release:{name}") for node in sorted(held))
        if not held:
            yield from ((f"view:{d.view}", f"release:{name}") for d in release.datasets)
        if name in answered:
            yield from ((f"release:{name}", f"group:{group}") for group in lake.logs)


def _shown(lake: LakeMap) -> list[str]:
    newest = list(lake.releases)[-NEWEST:]
    return [name for name, it in lake.releases.items() if it.role or name in newest]


def _trainings(lake: LakeMap) -> dict[str, dict[str, Mapping[str, Any]]]:
    """Per training the newest records of the steps that fitted something, by step."""
    metadata = lake.store.metadata
    found: dict[str, dict[str, Mapping[str, Any]]] = {}
    steps = {tuple(path.split("/")[2:4]) for path in metadata.names("steps/training") if path.count("/") > 4}
    for training, step in sorted(steps):
        record = metadata.last(f"steps/training/{training}/{step}/log")
        if record is not None and any(_members(record)):
            found.setdefault(training, {})[step] = record
    return found


def _members(record: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    return (value for value in record["output"].values() if isinstance(value, Mapping) and "sha256" in value)
