"""A picture of a feature view: the spine, the groups, and by which keys each is reached. Self-contained SVG."""

from __future__ import annotations

import html
from collections.abc import Iterator
from dataclasses import dataclass

from feature_groups.store.feature_view import FeatureView
from feature_groups.store.lookup_plan import Rules
from feature_groups.store.query import Join

_WIDTH, _LINE, _PAD, _GAP, _COLUMN = 230, 16, 10, 14, 330
_SHOWN = 8
_HALO = 'stroke="white" stroke-width="4" paint-order="stroke"'
_TEXT, _NOTE = "#2d3748", "#a0aec0"
_COLORS = {"features": "#2b6cb0", "labels": "#b7791f", "training_helpers": "#6b46c1", "inference_helpers": "#2f855a"}


@dataclass(frozen=True)
class _Box:
    title: str
    lines: tuple[str, ...]
    color: str
    depth: int
    parent: int | None
    edge: str

    @property
    def height(self) -> int:
        return _PAD * 2 + _LINE * (1 + len(self.lines))


def picture(view: FeatureView) -> str:
    """The view as an SVG element."""
    keys = ", ".join(view.spine_keys)
    boxes = [_Box("spine", (f"instants: {view.event_time}", keys), "#4a5568", 0, None, "")]
    for role, (joins, _) in view.roles.items():
        for join in joins:
            boxes += _boxes(join, role, view, parent=0, depth=1, number=len(boxes))
    for name, history in view.histories.items():
        edge = ", ".join(left for left, _ in history.keys)
        title = f"{history.query.group}: history {name}"
        lines = (f"at {history.query.group.event_time}", *_shown(history.query.columns))
        boxes.append(_Box(title, lines, "#c05621", 1, 0, f"{edge} (all before)"))
    return _drawn(view, boxes)


def _boxes(join: Join, role: str, view: FeatureView, *, parent: int, depth: int, number: int) -> Iterator[_Box]:
    group = join.query.group
    delay = Rules(source_delay={g.id: d for g, d in view.source_delay.items()}).delay(group)
    notes = [f"at {group.event_time}" if group.event_time else "static"]
    notes += [f"not older than {view.max_age[group]}"] if group in view.max_age else []
    notes += [f"visible {delay} later"] if delay else []
    lines = (", ".join(notes), *_shown(join.query.columns))
    title = str(group) if role == "features" else f"{group}: {role.removesuffix('s').replace('_', ' ')}"
    yield _Box(title, lines, _COLORS[role], depth, parent, ", ".join(left for left, _ in join.on))
    following = number + 1
    for child in join.query.joins:
        for box in _boxes(child, role, view, parent=number, depth=depth + 1, number=following):
            following += 1
            yield box


def _shown(columns: tuple[str, ...]) -> tuple[str, ...]:
    more = len(columns) - _SHOWN
    return columns if more <= 0 else (*columns[:_SHOWN], f"and {more} more")


def _drawn(view: FeatureView, boxes: list[_Box]) -> str:
    free: dict[int, int] = {}
    places: list[tuple[int, int]] = []
    for box in boxes:
        beside = places[box.parent][1] if box.parent else _PAD
        y = max(free.get(box.depth, _PAD), beside)
        free[box.depth] = y + box.height + _GAP
        places.append((_PAD + box.depth * _COLUMN, y))
    width = max(x for x, _ in places) + _WIDTH + _PAD
    height = max(free.values())
    drawn = [_edge(places, boxes, i) for i, box in enumerate(boxes) if box.parent is not None]
    drawn += [_box(box, *place) for box, place in zip(boxes, places, strict=True)]
    style = "font: 12px sans-serif"
    title = html.escape(f"{view.name} v{view.version}")
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="{height}" style="{style}" role="img" '
        f'aria-label="{title}"><title>{title}</title>{"".join(drawn)}</svg>'
    )


def _edge(places: list[tuple[int, int]], boxes: list[_Box], number: int) -> str:
    box = boxes[number]
    assert box.parent is not None
    (x0, y0), (x1, y1) = places[box.parent], places[number]
    x0, y0, y1 = x0 + _WIDTH, y0 + _PAD + _LINE // 2, y1 + _PAD + _LINE // 2
    middle = (x0 + x1) // 2
    return (
        f'<path d="M{x0},{y0} C{middle},{y0} {middle},{y1} {x1},{y1}" fill="none" stroke="#a0aec0"/>'
        f'<text x="{x1 - 6}" y="{y1 - 4}" text-anchor="end" fill="#718096" {_HALO}>'
        f"{html.escape(box.edge)}</text>"
    )


def _box(box: _Box, x: int, y: int) -> str:
    lines = "".join(
        f'<text x="{x + _PAD}" y="{y + _PAD + _LINE * i + 12}" fill="{_TEXT if i > 1 else _NOTE}">'
        f"{html.escape(line[:34])}</text>"
        for i, line in enumerate(box.lines, 1)
    )
    return (
        f'<rect x="{x}" y="{y}" width="{_WIDTH}" height="{box.height}" rx="6" fill="#f7fafc" stroke="{box.color}"/>'
        f'<text x="{x + _PAD}" y="{y + _PAD + 12}" fill="{box.color}" font-weight="bold">'
        f"{html.escape(box.title[:32])}</text>{lines}"
    )
