"""Making a derived group again period by period of event time: one commit and one record for each that is missing.

Transforms never look ahead (a property test of every declared transform), so the rows before an instant are made of
parents' rows before it: a backfill of every period equals a rebuild.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, Literal

import narwhals as nw

from feature_groups.store.condition_values import FIRST_YEAR
from feature_groups.store.derived import made, parents
from feature_groups.store.digest import digest
from feature_groups.store.engine import Frame
from feature_groups.store.errors import NothingWritten
from feature_groups.store.faults import faultpoint
from feature_groups.store.feature_group import FeatureGroup
from feature_groups.store.materialize import in_memory
from feature_groups.store.receipts import Receipt
from feature_groups.store.scope import Span
from feature_groups.store.step_changes import changes
from feature_groups.store.step_errors import CannotBackfill
from feature_groups.store.steps import Steps

if TYPE_CHECKING:
    from feature_groups.store.feature_store import FeatureStore

By = Literal["day", "month", "year"]
"""Calendar periods in UTC."""

MAX_PERIODS, LAST_YEAR = 10_000, 9998

_NAMES = {"day": "%Y-%m-%d", "month": "%Y-%m", "year": "%Y"}


@dataclass(frozen=True)
class Period:
    """One calendar period of a backfill.

    Attributes:
        name: ``2001``, ``2001-03`` or ``2001-03-31``.
        span: Its instants.
        missing: Whether its rows are to be made.
        why: Why, or why not.
    """

    name: str
    span: Span
    missing: bool
    why: str


class Backfill:
    """A derived group's rows of some periods, to be made where they are missing.

    A period is there when it was made by the code as it is now, of the inputs as they are now, and its rows in the
    table are still those; or when the whole group is up to date.

    Args:
        store: The lake.
        group: A group with parents and an event time.
        start: First instant, aware; inclusive.
        end: Exclusive. Periods that overlap the span are made whole.
        by: How long a period is.
        again: Make also those that are there.

    Raises:
        CannotBackfill: The group is none that can be made in parts; the span is empty, naive, or has too many periods.
        NothingWritten: A parent has no rows.
    """

    def __init__(
        self, store: FeatureStore, group: FeatureGroup, start: datetime, end: datetime, by: By, *, again: bool = False
    ) -> None:
        spans = require_span(group, start, end, by)
        self._store, self.group, self._by = store, group, by
        self._decision = Steps(store).decide(group, None)
        self.periods = tuple(self._period(span, again=again) for span in spans)
        self._made: Frame | None = None

    @property
    def missing(self) -> tuple[Period, ...]:
        """The periods whose rows are to be made, oldest first."""
        return tuple(period for period in self.periods if period.missing)

    def compute(self) -> None:
        """Make the rows of every missing period, once, into the spool."""
        group, missing = self.group, self.missing
        frames, engine = parents(self._store, group)
        end = missing[-1].span.end
        known = [
            frame.filter(nw.col(parent.event_time) < end) if parent.event_time else frame
            for frame, parent in zip(frames, group.parents, strict=True)
        ]
        rows = Span(missing[0].span.start, end).keep(made(engine, group, known), group, engine)
        folder = str(self._store.shop.spool())
        engine.write_files(rows, folder)
        self._made = engine.files(folder)

    def fill(self, period: Period) -> Receipt:
        """Replace a period's rows by those that `compute` made, in one commit at most, and record it."""
        group, decision, stored = self.group, self._decision, self._store.get_or_create_feature_group(self.group)
        if self._made is None:
            self.compute()
        assert self._made is not None
        rows = in_memory(group, period.span.keep(self._made, group, self._store.shop.polars))
        at = Steps(self._store).output(group)
        before = f"{at['table_id']}@{at['version']}" if at else "new"
        asked = {"step": group.id, "fingerprint": decision.fingerprint, "inputs": decision.inputs, "at": before}
        key = f"{group.id}-{digest({**asked, 'period': period.name})[:40]}"
        receipt = stored.replace_within(
            rows, period.span, batch_key=key, reason=f"backfill of {period.name}: {period.why}"
        )
        faultpoint("step.before_record")
        self._store.metadata.append(
            self._log(period.name),
            {
                "step": group.id,
                "period": period.name,
                "recorded_at": datetime.now(UTC).isoformat(),
                "fingerprint": decision.fingerprint,
                "parts": decision.parts,
                "inputs": decision.inputs,
                "table_id": receipt.table_id,
                "content": self._content(period.span),
                "receipt": {k: v for k, v in receipt.to_json().items() if k != "statistics"},
            },
        )
        faultpoint("step.after_record")
        return receipt

    def records(self, period: str) -> list[dict[str, Any]]:
        """Every record of a period, by its name, oldest first."""
        return self._store.metadata.entries(self._log(period))

    def _period(self, span: Span, *, again: bool) -> Period:
        name = span.start.strftime(_NAMES[self._by])
        if again:
            return Period(name, span, True, "asked for again")
        if not self._decision.run:
            return Period(name, span, False, "the whole group is up to date")
        last = self._store.metadata.last(self._log(name))
        if last is None:
            return Period(name, span, True, "never made by a backfill")
        reasons = changes(last, self._decision.parts, self._decision.inputs)
        now = self._decision.output
        if now is None or now["table_id"] != last["table_id"]:
            reasons.append("its table was made anew" if now else "its table is gone")
        elif not reasons and self._content(span) != last["content"]:
            reasons.append("its rows were changed")
        since = f"unchanged since {last['recorded_at'][:16].replace('T', ' ')} UTC"
        return Period(name, span, bool(reasons), "; ".join(reasons) or since)

    def _content(self, span: Span) -> str:
        """The content fingerprint of a span's rows in the table."""
        table, reader = self._store.get_or_create_feature_group(self.group).table, self._store.reader
        try:
            frame, engine, _ = reader.read(table, None, None, ingested=False)
        except NothingWritten:
            return ""
        return f"{engine.fingerprint(span.keep(frame, self.group, engine), table.spec.polars_schema):032x}"

    def _log(self, name: str) -> str:
        return f"steps/{self.group.id}/backfill/{name}"


def require_span(group: FeatureGroup, start: datetime, end: datetime, by: By) -> list[Span]:
    """The periods that a backfill would look at, oldest first; the lake is not read.

    Args:
        group: What is to be filled.
        start: First instant, aware; inclusive.
        end: Exclusive. Periods that overlap the span are whole.
        by: How long a period is.

    Raises:
        CannotBackfill: The group cannot be made in parts, or the span is none.
    """
    _require_periods(group)
    return list(_spans(group, start, end, by))


def _require_periods(group: FeatureGroup) -> None:
    if not group.parents or group.event_time is None:
        kind = "has no event time" if group.parents else "is not made from other groups"
        raise _cannot(group, f"It {kind}.", "refresh it whole: alluvia run --select NAME.")


def _spans(group: FeatureGroup, start: datetime, end: datetime, by: By) -> Iterator[Span]:
    for name, at in (("start", start), ("end", end)):
        if at.tzinfo is None:
            raise _cannot(
                group, f"The {name} {at} has no time zone.", "give aware instants, such as 2001-01-01T00:00+00:00."
            )
    first, last = (at.astimezone(UTC) for at in (start, end))
    if first >= last or first.year < FIRST_YEAR or last.year > LAST_YEAR:
        what = f"The span from {first} to {last} is none, or not within {FIRST_YEAR} to {LAST_YEAR}."
        raise _cannot(group, what, "give --from before --to; --to is exclusive.")
    day = first.replace(hour=0, minute=0, second=0, microsecond=0)
    at = day if by == "day" else day.replace(day=1) if by == "month" else day.replace(month=1, day=1)
    count = 0
    while at < last:
        after = _next(at, by)
        yield Span(at, after)
        at, count = after, count + 1
        if count > MAX_PERIODS:
            raise _cannot(
                group, f"It has more than {MAX_PERIODS:,} periods.", "give longer periods: --by month or --by year."
            )


def _next(at: datetime, by: By) -> datetime:
    if by == "day":
        return at + timedelta(days=1)
    if by == "year" or at.month == 12:
        return at.replace(year=at.year + 1, month=1)
    return at.replace(month=at.month + 1)


def _cannot(group: FeatureGroup, what: str, next_step: str) -> CannotBackfill:
    return CannotBackfill(group.where, what=what, state="is as it was", next_step=next_step)
