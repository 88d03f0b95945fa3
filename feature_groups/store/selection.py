"""Choosing steps by name: the grammar of ``--select`` and ``--exclude``.

    selection = term, more terms, separated by spaces or commas: whatever fits one of them
    term      = [+] what [+]          a + before adds all that it needs, a + behind all that needs it
    what      = name | pattern with * and ? | tag:word | tag:key=value

A group is named with its version or without (``ratings_v1``, ``ratings``), and so is a view's training dataset.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from typing import Literal

from feature_groups.store.errors import did_you_mean
from feature_groups.store.feature_group import FeatureGroup
from feature_groups.store.step_errors import NoSuchStep

Kind = Literal["group", "dataset", "training", "scoring"]


@dataclass(frozen=True)
class Node:
    """A step as it is chosen.

    Attributes:
        name: Unique among all steps.
        kind: What it makes, or which flow it belongs to.
        upstream: Names of what it needs.
        tags: Key and value; what is only a word has an empty value.
    """

    name: str
    kind: Kind
    upstream: tuple[str, ...] = ()
    tags: Mapping[str, str] = field(default_factory=dict)

    @classmethod
    def of(cls, group: FeatureGroup) -> Node:
        """The step that brings a feature group up to date."""
        return cls(group.id, "group", tuple(dict.fromkeys(other.id for other in group.upstream)), group.tags)

    @property
    def names(self) -> tuple[str, str]:
        """What it is called by: with its version and without."""
        return self.name, re.sub(r"_v\d+$", "", self.name)


def select(nodes: Sequence[Node], wanted: str = "", unwanted: str = "") -> list[Node]:
    """The steps that fit a selection and not the other, in their order; all steps where none is wanted by name.

    Args:
        nodes: Every step, each after those that it needs.
        wanted: A selection, see above; empty for everything.
        unwanted: A selection of what is left out.

    Raises:
        NoSuchStep: A term fits no step; says which there are.
    """
    left_out = {name for term in _terms(unwanted) for name in _fitting(nodes, term)}
    terms = _terms(wanted)
    taken = {name for term in terms for name in _fitting(nodes, term)} if terms else {node.name for node in nodes}
    return [node for node in nodes if node.name in taken - left_out]


def _terms(selection: str) -> list[str]:
    return [term for term in re.split(r"[\s,]+", selection) if term]


def _fitting(nodes: Sequence[Node], term: str) -> set[str]:
    what = term.removeprefix("+").removesuffix("+")
    found = {node.name for node in nodes if _fits(node, what)}
    if not found:
        raise _unknown(nodes, term, what)
    needs = {node.name: set(node.upstream) for node in nodes}
    needed = _reached(found, needs) if term.startswith("+") else set()
    feeds: dict[str, set[str]] = {node.name: set() for node in nodes}
    for name, upstream in needs.items():
        for other in upstream & feeds.keys():
            feeds[other].add(name)
    return found | needed | (_reached(found, feeds) if term.endswith("+") else set())


def _fits(node: Node, what: str) -> bool:
    if what.startswith("tag:"):
        key, _, value = what.removeprefix("tag:").partition("=")
        return node.tags.get(key) == value if value else key in {*node.tags, *node.tags.values()} - {""}
    return any(fnmatchcase(name, what) for name in node.names)


def _reached(start: Iterable[str], edges: Mapping[str, set[str]]) -> set[str]:
    found: set[str] = set()
    waiting = list(start)
    while waiting:
        for name in edges[waiting.pop()] & edges.keys() - found:
            found.add(name)
            waiting.append(name)
    return found


def _unknown(nodes: Sequence[Node], term: str, what: str) -> NoSuchStep:
    if what.startswith("tag:"):
        tags = {f"tag:{key}" + (f"={value}" if value else "") for node in nodes for key, value in node.tags.items()}
        hint = f"No step has that tag. {did_you_mean(what, tags)}"
    else:
        known = [name for node in nodes for name in node.names]
        hint = f"No step has a name that fits. {did_you_mean(what, dict.fromkeys(known))}"
    return NoSuchStep(
        f"selection {term[:80]!r}",
        what=hint,
        state="chose nothing; no step was run",
        next_step="correct the name; `alluvia plan` lists every step.",
    )
