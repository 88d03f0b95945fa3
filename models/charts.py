"""Small pictures as SVG to stand inside HTML: bars with intervals, a calibration curve, lines."""

from __future__ import annotations

import html
import math
from collections.abc import Iterable, Mapping, Sequence

_TEXT, _NOTE, _GRID = "#2d3748", "#a0aec0", "#e2e8f0"
_COLORS = ("#2b6cb0", "#b7791f", "#6b46c1", "#2f855a", "#c05621", "#b83280")
_LABEL, _BAR, _ROW, _SIDE, _PAD, _LEFT = 190, 300, 20, 240, 12, 44

Bar = tuple[str, float, float | None, float | None]
"""Label, value, and the ends of its interval or None."""
Point = tuple[float, float]


def bars(title: str, rows: Sequence[Bar]) -> str:
    """Horizontal bars from zero, each with its interval.

    Args:
        title: Shown and read aloud.
        rows: From top to bottom; numbers are finite.
    """
    ends = [0.0, *(n for _, *numbers in rows for n in numbers if n is not None)]
    low, high = min(ends), max(ends)
    span = high - low or 1.0

    def x(value: float) -> float:
        return _LABEL + (value - low) / span * _BAR

    drawn = []
    for number, (label, value, lower, upper) in enumerate(rows):
        y = 24 + number * _ROW
        left, width = min(x(0), x(value)), abs(x(value) - x(0))
        drawn.append(
            f'<text x="{_LABEL - 6}" y="{y + 11}" text-anchor="end" fill="{_TEXT}">{_shown(label)}</text>'
            f'<rect x="{left:.1f}" y="{y + 1}" width="{width:.1f}" height="{_ROW - 6}" '
            f'fill="{_COLORS[0]}" opacity="0.7"/>'
        )
        if lower is not None and upper is not None:
            middle = y + _ROW // 2 - 2
            drawn.append(f'<path d="M{x(lower):.1f},{middle} H{x(upper):.1f}" stroke="{_TEXT}" stroke-width="2"/>')
        drawn.append(f'<text x="{_LABEL + _BAR + 8}" y="{y + 11}" fill="{_TEXT}">{value:.4g}</text>')
    return _svg(title, _LABEL + _BAR + 70, 30 + len(rows) * _ROW, drawn)


def calibration(title: str, points: Sequence[tuple[float, float, int]]) -> str:
    """Observed shares over predicted probabilities; on the diagonal they agree.

    Args:
        title: Shown and read aloud.
        points: Predicted, observed, count; from 0 to 1.
    """
    top = _nice(max((n for p in points for n in p[:2]), default=1.0))
    line = [(predicted, observed) for predicted, observed, _ in points]
    return _plot(title, "predicted", "observed", {"": line}, (0, top), (0, top), diagonal=True)


def lines(title: str, x_label: str, series: Mapping[str, Sequence[Point]]) -> str:
    """Lines over one axis.

    Args:
        title: Shown and read aloud.
        x_label: Of the horizontal axis.
        series: Points (x, y) by name, finite; each is sorted by x.
    """
    ordered = {name: sorted(points) for name, points in series.items() if points}
    xs = [x for points in ordered.values() for x, _ in points] or [0.0, 1.0]
    ys = [y for points in ordered.values() for _, y in points] or [0.0, 1.0]
    return _plot(title, x_label, "", ordered, (min(xs), max(xs)), (min(0.0, *ys), _nice(max(ys))))


def _plot(
    title: str,
    x_label: str,
    y_label: str,
    series: Mapping[str, Sequence[Point]],
    x_range: Point,
    y_range: Point,
    *,
    diagonal: bool = False,
) -> str:
    (x0, x1), (y0, y1) = x_range, y_range
    wide, tall = (x1 - x0) or 1.0, (y1 - y0) or 1.0

    def at(point: Point) -> str:
        return f"{_LEFT + (point[0] - x0) / wide * _SIDE:.1f},{24 + (y1 - point[1]) / tall * _SIDE:.1f}"

    drawn = [f'<rect x="{_LEFT}" y="24" width="{_SIDE}" height="{_SIDE}" fill="none" stroke="{_GRID}"/>']
    if diagonal:
        drawn.append(f'<path d="M{at((x0, y0))} L{at((x1, y1))}" stroke="{_NOTE}" stroke-dasharray="4"/>')
    for number, (name, points) in enumerate(series.items()):
        color = _COLORS[number % len(_COLORS)]
        path = " L".join(at(point) for point in points)
        drawn.append(f'<path d="M{path}" fill="none" stroke="{color}" stroke-width="2"/>')
        drawn += [f'<circle cx="{x}" cy="{y}" r="3" fill="{color}"/>' for x, y in (at(p).split(",") for p in points)]
        legend = 36 + number * 16
        drawn.append(f'<text x="{_LEFT + _SIDE + 10}" y="{legend}" fill="{color}">{_shown(name)}</text>')
    bottom, middle = 24 + _SIDE, _LEFT + _SIDE // 2
    drawn += [
        f'<text x="{_LEFT}" y="{bottom + 14}" fill="{_NOTE}">{x0:.3g}</text>',
        f'<text x="{_LEFT + _SIDE}" y="{bottom + 14}" text-anchor="end" fill="{_NOTE}">{x1:.3g}</text>',
        f'<text x="{middle}" y="{bottom + 14}" text-anchor="middle" fill="{_TEXT}">{_shown(x_label)}</text>',
        f'<text x="{_LEFT - 4}" y="{bottom}" text-anchor="end" fill="{_NOTE}">{y0:.3g}</text>',
        f'<text x="{_LEFT - 4}" y="34" text-anchor="end" fill="{_NOTE}">{y1:.3g}</text>',
        f'<text x="{_LEFT + 6}" y="38" fill="{_TEXT}">{_shown(y_label)}</text>',
    ]
    return _svg(title, _LEFT + _SIDE + 150, bottom + 22, drawn)


def _svg(title: str, width: int, height: int, drawn: Iterable[str]) -> str:
    name = html.escape(title)
    return (
        f'<svg width="{width}" height="{height}" style="font: 12px sans-serif" '
        f'role="img" aria-label="{name}"><title>{name}</title>'
        f'<text x="{_PAD}" y="14" fill="{_TEXT}" font-weight="bold">{name}</text>{"".join(drawn)}</svg>'
    )


def _nice(value: float) -> float:
    """The next number of one or two digits, at least as large."""
    if value <= 0:
        return 1.0
    unit = 10.0 ** math.floor(math.log10(value))
    return next(step * unit for step in (1, 1.5, 2, 3, 5, 7, 10) if step * unit >= value * (1 - 1e-12))


def _shown(text: str) -> str:
    return html.escape(text if len(text) <= 28 else text[:27] + "…")
