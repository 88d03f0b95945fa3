"""The graph of a lake has what leads to what; its picture draws every link from left to right."""

from __future__ import annotations

import re
from itertools import pairwise
from pathlib import Path
from xml.etree import ElementTree

import pytest
from hypothesis import given
from hypothesis import strategies as st

from models.graph_picture import layered, page, picture
from models.lake_graph import LakeGraph, Node, lake_graph
from models.lake_map import LakeMap
from quick_lake import opened


@pytest.fixture(scope="module")
def lake(quick_lake: Path) -> LakeMap:
    return LakeMap(opened(quick_lake))


@st.composite
def graphs(draw: st.DrawFn) -> LakeGraph:
    """Any graph without a way round in circles."""
    count = draw(st.integers(0, 12))
    nodes = {f"group:{n}": Node(f"group:{n}", "group", f"g{n} <&>") for n in range(count)}
    pairs = [(a, b) for a in range(count) for b in range(a + 1, count)]
    chosen = draw(st.lists(st.sampled_from(pairs), unique=True)) if pairs else []
    return LakeGraph(nodes, tuple((f"group:{a}", f"group:{b}") for a, b in chosen))


def test_groups_lead_to_views_and_views_to_releases_and_these_to_predictions(lake: LakeMap) -> None:
    champion, challenger = (f"release:{name}" for name in lake.releases)

    assert set(lake_graph(lake).links) == {
        ("group:visits_v1", "group:habits_v1"),
        ("group:habits_v1", "view:gate_v1"),
        ("group:ages_v1", "view:gate_v1"),
        ("view:gate_v1", champion),
        ("view:gate_v1", challenger),
        (champion, "group:guesses_v1"),
    }


def test_a_release_hangs_on_the_models_it_holds(own_quick_lake: Path) -> None:
    store = opened(own_quick_lake)
    champion = LakeMap(store).find("champion").name
    member = vars(LakeMap(store).releases[champion].release.members["router"])
    record = {"inputs": {"gate": {"content": "c"}}, "output": {"router": member}, "recorded_at": "2026-04-01T10:00"}
    store.metadata.append("steps/training/gate/router/log", record)

    links = lake_graph(LakeMap(store)).links

    assert ("view:gate_v1", "model:gate/router") in links
    assert ("model:gate/router", f"release:{champion}") in links
    assert ("view:gate_v1", f"release:{champion}") not in links


@given(graphs())
def test_every_box_stands_once_and_every_link_goes_from_a_layer_to_the_next(graph: LakeGraph) -> None:
    layers, chains = layered(graph)

    at = {name: number for number, layer in enumerate(layers) for name in layer}
    assert sorted(name for layer in layers for name in layer if name in graph.nodes) == sorted(graph.nodes)
    assert [(chain[0], chain[-1]) for chain in chains] == list(graph.links)
    assert all(at[end] - at[start] == 1 for chain in chains for start, end in pairwise(chain))


@given(graphs())
def test_no_two_boxes_overlap_and_none_leaves_the_picture(graph: LakeGraph) -> None:
    root = ElementTree.fromstring(picture("any", graph))

    width, height = float(root.attrib["width"]), float(root.attrib["height"])
    boxes = [
        tuple(float(box.attrib[name]) for name in ("x", "y", "width", "height"))
        for box in root.iter("{http://www.w3.org/2000/svg}rect")
    ]
    assert len(boxes) == len(graph.nodes)
    for x, y, w, h in boxes:
        assert 0 <= x <= x + w <= width
        assert 0 <= y <= y + h <= height + 1
    columns = [sorted((y, y + h) for x, y, _, h in boxes if x == column) for column in {x for x, *_ in boxes}]
    assert all(above[1] <= below[0] for column in columns for above, below in pairwise(column))


def test_the_page_needs_nothing_else_and_names_everything(lake: LakeMap) -> None:
    made = page("A & B", lake_graph(lake))

    assert not re.search(r"(src|href)=|https?://(?!www\.w3\.org/2000/svg)", made)
    assert "<title>A &amp; B</title>" in made
    for name in ("visits v1", "gate v1", "champion", "challenger", "60 rows"):
        assert name in made
