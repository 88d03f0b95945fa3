"""`alluvia lineage` and `alluvia graph`: what was made from what."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from deployments.cli.output import Answer
from deployments.cli.verb import Shared

if TYPE_CHECKING:
    from rich.tree import Tree

    from models.lineage import Branch


def lineage(
    shared: Shared,
    name: Annotated[
        str,
        typer.Argument(
            help="As for show; a group at a version of its table (ratings@3), or the id of a prediction.",
            show_default=False,
        ),
    ],
) -> Answer:
    """Both ways: what it was made from, at which versions; and which groups, datasets and releases were made of it."""
    from models.lake_map import LakeMap
    from models.lineage import lineage as traced

    found = traced(LakeMap(shared.store), name)
    document = {"made_from": _plain(found.made_from), "made_of_it": _plain(found.made_of_it)}
    shown: list[Any] = [_tree(found.made_from, "is made from", "nothing that is recorded")]
    if found.made_from.thing.kind != "prediction":
        shown += ["", _tree(found.made_of_it, "leads to", "nothing yet")]
    return Answer(document, shown)


def graph(
    shared: Shared,
    out: Annotated[Path | None, typer.Option("--out", "-o", help="Write it here, not to <lake>/graph.html.")] = None,
) -> Answer:
    """Draw sources, groups, views, models and releases as one HTML page that needs nothing else."""
    from models.graph_picture import page
    from models.lake_graph import lake_graph
    from models.lake_map import LakeMap

    store = shared.store
    found = lake_graph(LakeMap(store))
    path = (out or store.lake / "graph.html").expanduser().resolve()
    _write(path, page(f"What leads to what in {store.lake}", found))
    nodes, links = list(found.nodes.values()), [{"from": a, "to": b} for a, b in found.links]
    told = f"{len(nodes)} boxes and {len(links)} links: {path}"
    return Answer({"path": str(path), "nodes": nodes, "links": links}, [told])


def _write(path: Path, text: str) -> None:
    from feature_groups.store.errors import InvalidSettings

    try:
        path.write_text(text)
    except OSError as error:
        raise InvalidSettings(
            f"file {str(path)!r}",
            what=f"It cannot be written: {error.strerror}.",
            state="was not written",
            next_step="name another one: --out path/to/graph.html.",
        ) from error


def _tree(branch: Branch, verb: str, nothing: str) -> Tree | str:
    from rich.text import Text
    from rich.tree import Tree

    if not branch.following:
        return f"{_told(branch)} {verb} {nothing}."
    made = Tree(Text(f"{_told(branch)} {verb}"))

    def grow(tree: Tree, following: tuple[Branch, ...]) -> None:
        for one in following:
            grow(tree.add(Text(_told(one))), one.following)

    grow(made, branch.following)
    return made


def _told(branch: Branch) -> str:
    at = "" if branch.version is None else f" at version {branch.version}"
    note = f", {branch.note}" if branch.note else ""
    return f"{branch.thing}{at}{note}" + (" (see above)" if branch.seen else "")


def _plain(branch: Branch) -> dict[str, Any]:
    """A branch as JSON; what is empty is left out."""
    made: dict[str, Any] = {
        "kind": branch.thing.kind,
        "name": branch.thing.name,
        "version": branch.version,
        "note": branch.note,
    }
    made["seen"], made["following"] = branch.seen, [_plain(one) for one in branch.following]
    return {name: value for name, value in made.items() if value not in (None, "", False, [])}
