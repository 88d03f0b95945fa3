"""Gates: what a candidate must be to be released, declared as values and judged to a verdict with reasons."""

from __future__ import annotations

import html
import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Literal, Protocol, Self

from feature_groups.store.html_table import html_table
from models.evaluation_report import EvaluationReport, Figure
from models.golden import GoldenCheck
from models.parts import Json
from models.report_text import markdown, markdown_table

CHAMPION = "champion"
State = Literal["passed", "refused", "not applicable"]
_HEAD = ("gate", "outcome", "figure", "limit", "why")


@dataclass(frozen=True)
class Evidence:
    """What gates look at.

    Attributes:
        report: Of the candidate; its differences from the champion are on one frozen window.
        champion: Id of the present champion; None for a first release.
        golden: What asking the golden vectors of the stored candidate gave, or None when they were not asked.
    """

    report: EvaluationReport
    champion: str | None = None
    golden: GoldenCheck | None = None


@dataclass(frozen=True)
class Outcome:
    """What one gate said.

    Attributes:
        gate: The gate as text.
        state: Whether it was passed.
        figure: The number that was judged, or None when there is none.
        limit: What it was compared with, or None.
        reason: Why, in one sentence.
    """

    gate: str
    state: State
    figure: float | None
    limit: float | None
    reason: str


class Gate(Protocol):
    """A condition that a candidate must meet."""

    def judge(self, evidence: Evidence) -> Outcome:
        """The outcome; a missing figure refuses."""
        ...


@dataclass(frozen=True)
class BetterThan:
    """Better than a baseline by a margin: the lower end of the paired interval is at least the margin."""

    other: str
    metric: str
    margin: float = 0.0

    def judge(self, evidence: Evidence) -> Outcome:
        """Compare the lower end of the paired difference with the margin."""
        gate = f"{self.metric} better than {self.other} by {self.margin:g}"
        return _lower_end(gate, evidence.report.figure(self.metric, than=self.other), self.margin, self.other)


@dataclass(frozen=True)
class NotWorseThanChampion:
    """Not worse than the champion on the same frozen window: the lower end of the paired interval is above -eps."""

    metric: str
    eps: float

    def judge(self, evidence: Evidence) -> Outcome:
        """Compare the lower end of the paired difference with -eps."""
        gate = f"{self.metric} not worse than the champion by {self.eps:g}"
        if evidence.champion is None:
            return _no_champion(gate, -self.eps)
        figure = evidence.report.figure(self.metric, than=CHAMPION)
        return _lower_end(gate, figure, -self.eps, "the champion", strictly=True)


@dataclass(frozen=True)
class NoSegmentWorse:
    """No segment's mean difference from the champion is below -eps.

    Attributes:
        metric: Of the differences.
        eps: How much worse a segment may be.
        least_users: Segments of fewer users are too noisy to judge; they are counted in the reason.
    """

    metric: str
    eps: float
    least_users: int = 1

    def judge(self, evidence: Evidence) -> Outcome:
        """Look for the segment that lost most."""
        gate = f"no segment's {self.metric} worse than the champion's by {self.eps:g}"
        if evidence.champion is None:
            return _no_champion(gate, -self.eps)
        segments = evidence.report.segments
        found = {s: evidence.report.figure(self.metric, segment=s, than=CHAMPION) for s in segments}
        missing = [s for s, figure in found.items() if figure is None]
        if missing or not found:
            what = f"of {', '.join(missing[:5])}" if missing else "of any segment"
            return _missing(gate, -self.eps, f"the difference of {self.metric} from the champion {what}")
        judged = [f for f in found.values() if f is not None and (f.users is None or f.users >= self.least_users)]
        small = len(found) - len(judged)
        aside = f"; {small} of fewer than {self.least_users} users are not judged" if small else ""
        if not judged:
            return _missing(gate, -self.eps, f"a segment of at least {self.least_users} users")
        worst = min(judged, key=lambda f: f.value)
        reason = f"worst of {len(judged)} segments is {worst.segment} with {worst.value:+.4f}{aside}"
        return Outcome(gate, _passed(worst.value >= -self.eps), worst.value, -self.eps, reason)


@dataclass(frozen=True)
class Calibrated:
    """Expected calibration error at most the limit."""

    limit: float

    def judge(self, evidence: Evidence) -> Outcome:
        """Compare the ECE with the limit."""
        curve = evidence.report.calibration
        return _at_most("expected calibration error", curve.ece if curve else None, self.limit)


@dataclass(frozen=True)
class ExposureWithin:
    """Share of restricted items among those shown to whom they are restricted, at most the budget."""

    budget: float

    def judge(self, evidence: Evidence) -> Outcome:
        """Compare the exposure with the budget."""
        return _at_most("restricted exposure", evidence.report.exposure, self.budget)


@dataclass(frozen=True)
class GoldenVectors:
    """The stored candidate answers its golden vectors as the one in memory did."""

    def judge(self, evidence: Evidence) -> Outcome:
        """Whether the check was passed."""
        gate, golden = "golden vectors", evidence.golden
        if golden is None:
            return _missing(gate, None, "the check of the golden vectors")
        figure = golden.largest if math.isfinite(golden.largest) else None
        return Outcome(gate, _passed(golden.passed), figure, None, golden.said)


@dataclass(frozen=True, repr=False)
class Verdict:
    """What the gates said together.

    Attributes:
        blessed: Whether every gate was passed or is not applicable, and one at least was passed.
        outcomes: Of every gate, in order.
    """

    blessed: bool
    outcomes: tuple[Outcome, ...]

    @property
    def reasons(self) -> tuple[str, ...]:
        """Why it was refused; empty when it was blessed."""
        if self.blessed:
            return ()
        refused = tuple(f"{o.gate}: {o.reason}" for o in self.outcomes if o.state == "refused")
        return refused or ("no gate that applies was declared",)

    def to_json(self) -> dict[str, Json]:
        """Plain JSON, as a release keeps it."""
        return {"blessed": self.blessed, "reasons": list(self.reasons), "gates": [asdict(o) for o in self.outcomes]}

    @classmethod
    def from_json(cls, stored: Mapping[str, Any]) -> Self:
        """Back from JSON."""
        return cls(bool(stored["blessed"]), tuple(Outcome(**o) for o in stored["gates"]))

    def to_markdown(self) -> str:
        """As Markdown, for an artifact."""
        return f"**{markdown(self._title())}**\n\n{markdown_table(_HEAD, self._rows())}"

    def __repr__(self) -> str:
        rows = [f"  {o.state:14}  {o.gate}: {o.reason}" for o in self.outcomes]
        return "\n".join([self._title(), *rows])

    def _repr_html_(self) -> str:
        return f"<p><b>{html.escape(self._title())}</b></p>{html_table(_HEAD, self._rows())}"

    def _title(self) -> str:
        return "blessed" if self.blessed else "refused: " + "; ".join(self.reasons)

    def _rows(self) -> list[list[str]]:
        return [[o.gate, o.state, _number(o.figure), _number(o.limit), o.reason] for o in self.outcomes]


def judge(gates: Sequence[Gate], evidence: Evidence) -> Verdict:
    """Ask every gate; one that fails to judge refuses."""
    outcomes = tuple(_asked(gate, evidence) for gate in gates)
    states = [o.state for o in outcomes]
    return Verdict("refused" not in states and "passed" in states, outcomes)


def _asked(gate: Gate, evidence: Evidence) -> Outcome:
    try:
        return gate.judge(evidence)
    except Exception as error:  # a verdict is always reached, and a gate that cannot judge must not let pass
        return Outcome(repr(gate), "refused", None, None, f"it could not judge: {type(error).__name__}: {error}")


def _passed(yes: bool) -> State:  # noqa: FBT001  # reads as a sentence where it is called
    return "passed" if yes else "refused"


def _lower_end(gate: str, figure: Figure | None, limit: float, other: str, *, strictly: bool = False) -> Outcome:
    if figure is None or figure.low is None:
        return _missing(gate, limit, f"a paired interval of the difference from {other}")
    enough = figure.low > limit if strictly else figure.low >= limit
    sign = ">" if strictly else ">="
    reason = f"lower end {figure.low:+.4f} of {figure.value:+.4f} is {'' if enough else 'not '}{sign} {limit:g}"
    return Outcome(gate, _passed(enough), figure.low, limit, reason)


def _at_most(what: str, figure: float | None, limit: float) -> Outcome:
    gate = f"{what} at most {limit:g}"
    if figure is None or not math.isfinite(figure):
        return _missing(gate, limit, f"the {what}")
    return Outcome(gate, _passed(figure <= limit), figure, limit, f"{figure:.4f} against {limit:g}")


def _missing(gate: str, limit: float | None, what: str) -> Outcome:
    return Outcome(gate, "refused", None, limit, f"{what} was not measured")


def _no_champion(gate: str, limit: float) -> Outcome:
    return Outcome(gate, "not applicable", None, limit, "there is no champion yet")


def _number(value: float | None) -> str:
    return "" if value is None else f"{value:.4g}"
