"""A graph as one self-contained page: boxes in layers from left to right, with as few crossings as a few sweeps find.

The layers are those of Sugiyama, Tagawa and Toda, "Methods for visual understanding of hierarchical system structures"
(1981): longest paths, then barycentres back and forth; a link over several layers gets a place in each.
"""

from __future__ import annotations

import html
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise

from models.lake_graph import LakeGraph, Node

_WIDTH, _LINE, _PAD, _GAP, _COLUMN, _BEND = 216, 16, 9, 16, 300, 12
_SWEEPS = 8
_TEXT, _NOTE, _LINK = "#2d3748", "#718096", "#a0aec0"
_COLORS = {"source": "#4a5568", "group": "#2b6cb0", "view": "#b7791f", "model": "#6b46c1", "release": "#2f855a"}
_WORDS = {"source": "source", "group": "feature group", "view": "feature view", "model": "model", "release": "release"}
_PAGE = """<!DOCTYPE html>
<html lang="en"><head><meta charset="utf-8"><title>{title}</title><style>
body {{ font: 14px sans-serif; color: #2d3748; margin: 24px }}
h1 {{ font-size: 20px }} svg {{ max-width: none }}
.scroll {{ overflow-x: auto }} .legend span {{ margin-right: 18px; white-space: nowrap }}
.legend i {{ display: inline-block; width: 12px; height: 12px; border-radius: 3px; margin-right: 5px }}
table {{ border-collapse: collapse; margin-top: 20px }} td, th {{ text-align: left; padding: 3px 14px 3px 0 }}
</style></head><body><h1>{title}</h1><p class="legend">{legend} What is on the left leads to what is
on its right.</p><div class="scroll">{picture}</div>
<table><tr><th>what</th><th>name</th><th>state</th><th>description</th></tr>{rows}</table></body></html>
"""


def page(title: str, graph: LakeGraph) -> str:
    """The graph as an HTML page that needs nothing else: a picture, and a table of its boxes."""
    there = {node.kind for node in graph.nodes.values()}
    legend = "".join(
        f'<span><i style="background:{color}"></i>{_WORDS[kind]}</span>'
        for kind, color in _COLORS.items()
        if kind in there
    )
    rows = "".join(
        f"<tr><td>{_WORDS[node.kind]}</td><td>{html.escape(node.title)}</td>"
        f"<td>{html.escape(', '.join(node.lines))}</td><td>{html.escape(node.told)}</td></tr>"
        for node in graph.nodes.values()
    )
    return _PAGE.format(title=html.escape(title), legend=legend, picture=picture(title, graph), rows=rows)


@dataclass(frozen=True)
class _Place:
    """Where a box, or the bend of a link, is: left, top, height."""

    x: int
    y: float
    height: int

    @property
    def middle(self) -> float:
        return self.y + self.height / 2


def picture(title: str, graph: LakeGraph) -> str:
    """The graph as an SVG element; a box tells what it is where the pointer rests on it."""
    layers, chains = layered(graph)
    places = _placed(graph.nodes, layers, chains)
    width = max((p.x for p in places.values()), default=0) + _WIDTH + _PAD
    height = max((p.y + p.height for p in places.values()), default=0) + _PAD
    drawn = [_link([places[name] for name in chain], graph.nodes[chain[-1]]) for chain in chains]
    drawn += [_box(node, places[name]) for name, node in graph.nodes.items()]
    name = html.escape(title)
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="{height:.0f}" style="font: 12px sans-serif" '
        f'role="img" aria-label="{name}"><title>{name}</title>{"".join(drawn)}</svg>'
    )


def layered(graph: LakeGraph) -> tuple[list[list[str]], list[list[str]]]:
    """The boxes by layer, top to bottom, with places for links between; and each link as the names it goes along.

    Every link leads from a layer to the next one. Places are named ``<from> > <to> <layer>``.
    """
    depth = _depths(graph)
    layers: list[list[str]] = [[] for _ in range(max(depth.values(), default=-1) + 1)]
    for name in graph.nodes:
        layers[depth[name]].append(name)
    chains = []
    for start, end in graph.links:
        between = [(f"{start} > {end} {at}", at) for at in range(depth[start] + 1, depth[end])]
        for name, at in between:
            layers[at].append(name)
        chains.append([start, *(name for name, _ in between), end])
    pairs = [pair for chain in chains for pair in pairwise(chain)]
    for sweep in range(_SWEEPS):
        backwards = sweep % 2 == 1
        for at in range(len(layers) - 2, -1, -1) if backwards else range(1, len(layers)):
            beside = layers[at + 1 if backwards else at - 1]
            _sort(layers[at], beside, pairs, backwards=backwards)
    return layers, chains


def _depths(graph: LakeGraph) -> dict[str, int]:
    """The longest path to each box; one that nothing leads to stands just before what it leads to."""
    above: dict[str, list[str]] = {name: [] for name in graph.nodes}
    below: dict[str, list[str]] = {name: [] for name in graph.nodes}
    for start, end in graph.links:
        above[end].append(start)
        below[start].append(end)
    depth: dict[str, int] = {}

    def deep(name: str) -> int:
        if name not in depth:
            depth[name] = max((deep(other) + 1 for other in above[name]), default=0)
        return depth[name]

    for name in graph.nodes:
        deep(name)
    for name in graph.nodes:
        if not above[name] and below[name]:
            depth[name] = min(depth[other] for other in below[name]) - 1
    return depth


def _sort(layer: list[str], beside: Sequence[str], pairs: Sequence[tuple[str, str]], *, backwards: bool) -> None:
    rank = {name: number for number, name in enumerate(beside)}
    joined: dict[str, list[int]] = {}
    for start, end in pairs:
        own, other = (start, end) if backwards else (end, start)
        if other in rank:
            joined.setdefault(own, []).append(rank[other])
    own_rank = {name: number for number, name in enumerate(layer)}
    layer.sort(key=lambda name: sum(joined[name]) / len(joined[name]) if name in joined else own_rank[name])


def _placed(
    nodes: Mapping[str, Node], layers: Sequence[Sequence[str]], chains: Sequence[Sequence[str]]
) -> dict[str, _Place]:
    heights = {name: _height(nodes[name]) if name in nodes else _BEND for layer in layers for name in layer}
    tallest = max((sum(heights[n] + _GAP for n in layer) for layer in layers), default=0)
    places: dict[str, _Place] = {}
    before = {end: start for chain in chains for start, end in pairwise(chain)}
    for at, layer in enumerate(layers):
        spare = tallest - sum(heights[n] + _GAP for n in layer)
        y = _PAD + (0.0 if at else spare / 2)
        for name in layer:
            # Beside what leads to it, as far as those above it leave room and those below it need none.
            wanted = places[before[name]].middle - heights[name] / 2 if name in before else y
            left = sum(heights[n] + _GAP for n in layer[layer.index(name) :])
            y = max(y, min(wanted, _PAD + tallest - left))
            places[name] = _Place(_PAD + at * _COLUMN, y, heights[name])
            y += heights[name] + _GAP
    return places


def _height(node: Node) -> int:
    return _PAD * 2 + _LINE * (1 + len(node.lines))


def _link(along: Sequence[_Place], end: Node) -> str:
    x, y = along[0].x + _WIDTH, along[0].middle
    path = f"M{x},{y:.1f}"
    for place in along[1:]:
        half = (place.x - x) / 2
        path += f" C{x + half:.0f},{y:.1f} {x + half:.0f},{place.middle:.1f} {place.x},{place.middle:.1f}"
        x, y = place.x + _WIDTH, place.middle
        if place is not along[-1]:
            path += f" H{x}"
    return f'<path d="{path}" fill="none" stroke="{_LINK}" data-to="{html.escape(end.id)}"/>'


def _box(node: Node, place: _Place) -> str:
    color, x, y = _COLORS[node.kind], place.x, place.y
    lines = "".join(
        f'<text x="{x + _PAD}" y="{y + _PAD + _LINE * number + 12:.1f}" fill="{_NOTE}">{_short(line)}</text>'
        for number, line in enumerate(node.lines, 1)
    )
    return (
        f"<g><title>{html.escape(f'{_WORDS[node.kind]} {node.title}. {node.told}')}</title>"
        f'<rect x="{x}" y="{y:.1f}" width="{_WIDTH}" height="{place.height}" rx="6" fill="#f7fafc" stroke="{color}" '
        f'stroke-width="1.5"/><text x="{x + _PAD}" y="{y + _PAD + 12:.1f}" fill="{color}" font-weight="bold">'
        f"{_short(node.title)}</text>{lines}</g>"
    )


def _short(text: str) -> str:
    return html.escape(text if len(text) <= 32 else text[:31] + "…")
