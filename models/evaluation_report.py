"""An evaluation report: how good a candidate is, for whom, beside what; a value that prints, and that gates judge."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any, Protocol, Self

import polars as pl

from models.calibration_curve import CalibrationCurve
from models.errors import UnusableFigures
from models.parts import Json
from models.report_text import report_html, report_markdown, report_text

OVERALL = "all"
"""The segment of everybody."""


class _Interval(Protocol):
    @property
    def mean(self) -> float: ...
    @property
    def low(self) -> float: ...
    @property
    def high(self) -> float: ...
    @property
    def users(self) -> int: ...


@dataclass(frozen=True)
class Figure:
    """One measured number.

    Attributes:
        metric: What was measured, e.g. ``ndcg@10``, ``auc``.
        value: The number; finite.
        low: Lower end of its 95 % interval, or None.
        high: Upper end, or None.
        users: How many users it was measured on, or None.
        segment: Of whom: ``all``, or for example ``gender=F``.
        than: When it is a paired difference: ours less that of this one, ``champion`` or ``popularity``; else "".
    """

    metric: str
    value: float
    low: float | None = None
    high: float | None = None
    users: int | None = None
    segment: str = OVERALL
    than: str = ""

    def __post_init__(self) -> None:
        for name in ("value", "low", "high"):
            number = getattr(self, name)
            if number is not None and not math.isfinite(number):
                raise UnusableFigures(
                    f"figure {self.metric!r} of {self.segment!r}",
                    what=f"Its {name} is {number}.",
                    state="was not reported",
                    next_step="leave out what could not be measured; a gate that needs it says so.",
                )

    @classmethod
    def of(cls, metric: str, interval: _Interval, *, segment: str = OVERALL, than: str = "") -> Self:
        """From a bootstrap interval, see `models.bootstrap`."""
        return cls(metric, interval.mean, interval.low, interval.high, interval.users, segment, than)


@dataclass(frozen=True, repr=False)
class EvaluationReport:
    """How good a candidate is.

    Attributes:
        title: What was evaluated.
        protocol: How, in words: data, window, what was held out.
        window: Names the frozen window by content, so that two reports can be told to be of the same one.
        figures: Overall, per segment, and paired differences.
        calibration: Of the router, or None.
        exposure: Share of restricted items among those shown to whom they are restricted, 0 to 1, or None.
        curve: What each threshold costs and spares: one mapping per threshold, with ``threshold`` among the names.
        regret: What routing by prediction loses against routing by the truth, in the ranking metric, or None.
    """

    title: str
    protocol: str
    window: str
    figures: tuple[Figure, ...]
    calibration: CalibrationCurve | None = None
    exposure: float | None = None
    curve: tuple[Mapping[str, float], ...] = field(default=())
    regret: Figure | None = None

    def figure(self, metric: str, *, segment: str = OVERALL, than: str = "") -> Figure | None:
        """One figure, or None when it was not measured."""
        wanted = (metric, segment, than)
        return next((f for f in self.figures if (f.metric, f.segment, f.than) == wanted), None)

    @property
    def segments(self) -> tuple[str, ...]:
        """Every segment but everybody, in the order of the figures."""
        return tuple(dict.fromkeys(f.segment for f in self.figures if f.segment != OVERALL))

    @property
    def metrics(self) -> dict[str, float]:
        """The overall figures by name, for a release's manifest."""
        found = {f.metric: f.value for f in self.figures if f.segment == OVERALL and not f.than}
        found |= {"ece": self.calibration.ece, "brier": self.calibration.brier} if self.calibration else {}
        found |= {"exposure": self.exposure} if self.exposure is not None else {}
        return found | ({"regret": self.regret.value} if self.regret else {})

    def frame(self) -> pl.DataFrame:
        """Every figure as a row: metric, segment, than, value, low, high, users."""
        numbers = dict.fromkeys(("value", "low", "high"), pl.Float64)
        schema = {"metric": pl.String, "segment": pl.String, "than": pl.String, **numbers, "users": pl.Int64}
        return pl.DataFrame([asdict(f) for f in self.figures], schema=schema)

    def to_json(self) -> dict[str, Json]:
        """Plain JSON."""
        return asdict(self) | {
            "figures": [asdict(f) for f in self.figures],
            "calibration": self.calibration.to_json() if self.calibration else None,
            "curve": [dict(point) for point in self.curve],
        }

    @classmethod
    def from_json(cls, stored: Mapping[str, Any]) -> Self:
        """Back from JSON."""
        calibration, regret = stored["calibration"], stored["regret"]
        return cls(
            **{
                **stored,
                "figures": tuple(Figure(**f) for f in stored["figures"]),
                "calibration": CalibrationCurve.from_json(calibration) if calibration else None,
                "curve": tuple(stored["curve"]),
                "regret": Figure(**regret) if regret else None,
            }
        )

    def to_markdown(self) -> str:
        """As Markdown, for an artifact."""
        return report_markdown(self)

    def __repr__(self) -> str:
        return report_text(self)

    def _repr_html_(self) -> str:
        return report_html(self)
