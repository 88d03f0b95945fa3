"""Draws concepts.svg, the picture of docs/concepts.md.

.venv/bin/python docs/pictures/concepts.py
"""

from __future__ import annotations

import html
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

WIDTH, HEIGHT = 1010, 372
_TEXT, _NOTE, _LINE, _PAPER = "#2d3748", "#718096", "#a0aec0", "#f7fafc"
_BLUE, _BROWN, _PURPLE, _GREEN, _ORANGE = "#2b6cb0", "#b7791f", "#6b46c1", "#2f855a", "#c05621"


@dataclass(frozen=True)
class Box:
    """A noun: its name, what to know about it in a few lines, and where it stands."""

    name: str
    lines: tuple[str, ...]
    x: int
    y: int
    color: str
    width: int = 150

    @property
    def height(self) -> int:
        """In pixels."""
        return 32 + 16 * len(self.lines)


SOURCE = Box("source", ("raw files,", "their own contract"), 20, 130, _NOTE, 130)
EVENTS = Box("feature group", ("ratings", "Delta versions", "contract"), 190, 70, _BLUE)
DERIVED = Box("feature group", ("user_activity", "computed from ratings,", "only what changed"), 190, 190, _BLUE)
VIEW = Box("feature view", ("what a decision needs", "age_gate, ranking"), 390, 82, _PURPLE, 160)
SPINE = Box("spine", ("about whom, and when",), 390, 202, _PURPLE, 160)
DATASET = Box("training dataset", ("as it was then;", "pinned versions,", "can be made again"), 590, 130, _BROWN)
CASCADE = Box("cascade", ("router, branches;", "each a transform", "and a model"), 780, 62, _GREEN, 200)
RELEASE = Box("release", ("all members at once,", "if the gates agree"), 780, 198, _GREEN, 200)
BOXES = (SOURCE, EVENTS, DERIVED, VIEW, SPINE, DATASET, CASCADE, RELEASE)
FLOWS = (("refresh", 20, 340), ("training", 390, 980))


def drawn() -> str:
    """The picture as SVG."""
    title = "From raw files to a release and back: the nouns of alluvia"
    body = "".join([*map(_box, BOXES), *_arrows(), *_flows(), *_records()])
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{WIDTH}" height="{HEIGHT}" viewBox="0 0 {WIDTH} {HEIGHT}" '
        f'style="font: 12px sans-serif; background: white" role="img" aria-label="{title}"><title>{title}</title>'
        f'<defs><marker id="tip" viewBox="0 0 8 8" refX="7" refY="4" markerWidth="7" markerHeight="7" orient="auto">'
        f'<path d="M0,0 L8,4 L0,8 z" fill="{_LINE}"/></marker></defs>{body}</svg>\n'
    )


def _box(box: Box) -> str:
    lines = "".join(_words(box.x + 10, box.y + 36 + 16 * n, line, _TEXT) for n, line in enumerate(box.lines))
    return (
        f'<rect x="{box.x}" y="{box.y}" width="{box.width}" height="{box.height}" rx="6" fill="{_PAPER}" '
        f'stroke="{box.color}"/>{_words(box.x + 10, box.y + 18, box.name, box.color, bold=True)}{lines}'
    )


def _arrows() -> Iterator[str]:
    for start, end in ((SOURCE, EVENTS), (EVENTS, VIEW), (DERIVED, VIEW), (VIEW, DATASET), (SPINE, DATASET)):
        yield _arrow(start.x + start.width, _middle(start), end.x, _middle(end))
    yield _arrow(DATASET.x + DATASET.width, _middle(DATASET), CASCADE.x, _middle(CASCADE))
    for start, end in ((EVENTS, DERIVED), (CASCADE, RELEASE)):
        x = start.x + start.width // 2
        yield f'<path d="M{x},{start.y + start.height} V{end.y}" stroke="{_LINE}" fill="none" marker-end="url(#tip)"/>'
    # What a release says is a feature group again.
    x, below = RELEASE.x + RELEASE.width // 2, 290
    back = f"M{x},{RELEASE.y + RELEASE.height} V{below} H{DERIVED.x + 75} V{DERIVED.y + DERIVED.height}"
    yield f'<path d="{back}" stroke="{_ORANGE}" fill="none" stroke-dasharray="5 3" marker-end="url(#tip)"/>'
    yield _words(300, below - 6, "flow scoring", _ORANGE, bold=True)
    yield _words(385, below - 6, "its predictions are a feature group again, judged by what came of them", _ORANGE)


def _arrow(x0: int, y0: int, x1: int, y1: int) -> str:
    middle = (x0 + x1) // 2
    path = f"M{x0},{y0} C{middle},{y0} {middle},{y1} {x1},{y1}"
    return f'<path d="{path}" stroke="{_LINE}" fill="none" marker-end="url(#tip)"/>'


def _flows() -> Iterator[str]:
    for name, left, right in FLOWS:
        yield f'<path d="M{left},32 H{right}" stroke="{_NOTE}" stroke-width="2"/>'
        yield _words(left, 26, f"flow {name}", _NOTE, bold=True)


def _records() -> Iterator[str]:
    yield f'<rect x="20" y="312" width="960" height="44" rx="6" fill="{_PAPER}" stroke="{_LINE}"/>'
    yield _words(30, 330, "step records", _TEXT, bold=True)
    told = "every step writes which versions it read, by which code, and what it made. So nothing unchanged runs,"
    yield _words(120, 330, told, _TEXT)
    yield _words(120, 347, "and every number leads back to the rows that it came from", _TEXT)


def _middle(box: Box) -> int:
    return box.y + box.height // 2


def _words(x: int, y: int, text: str, color: str, *, bold: bool = False) -> str:
    weight = ' font-weight="bold"' if bold else ""
    return f'<text x="{x}" y="{y}" fill="{color}"{weight}>{html.escape(text)}</text>'


if __name__ == "__main__":
    Path(__file__).with_suffix(".svg").write_text(drawn())
