"""Checking a batch against its contract: one pass over the rows, and a closer look at those that may be bad."""

from __future__ import annotations

import contextlib
import html
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import narwhals as nw
import polars as pl

from feature_groups.store.contract import ContractSpec
from feature_groups.store.html_table import html_table
from feature_groups.store.rules import Rule

MAX_FINDINGS = 20
MAX_SAMPLES = 5
_SCANNED = 1000
_FEW = 100_000
_TEXT = 60


@dataclass(frozen=True)
class Finding:
    """One rule that rows break.

    Attributes:
        rule: The rule's name.
        count: Rows that break it.
        samples: Up to five distinct values of the rule's columns among the first bad rows; none for personal
            columns. A rare rule may have none.
        hard: No policy lets such a row into a table.
    """

    rule: str
    count: int
    samples: tuple[str, ...] = ()
    hard: bool = False


@dataclass(frozen=True)
class Report:
    """What a contract found in a batch; bounded and printable.

    Attributes:
        where: The batch's feature group or source.
        rows: Rows checked.
        bad_rows: Rows that break at least one rule.
        findings: The broken rules, most frequent first.
        rules: How many rules were checked.
    """

    where: str
    rows: int
    bad_rows: int
    findings: tuple[Finding, ...]
    rules: int

    @property
    def ok(self) -> bool:
        """Whether every row meets the contract."""
        return not self.findings

    @property
    def share(self) -> float:
        """Bad rows as a share of all, 0 to 1."""
        return self.bad_rows / self.rows if self.rows else 0.0

    def lines(self) -> list[str]:
        """One line per broken rule, at most twenty."""
        shown = [
            f"{f.count:,} of {self.rows:,} rows break {f.rule}"
            + (f", e.g. {', '.join(f.samples)}" if f.samples else "")
            for f in self.findings[:MAX_FINDINGS]
        ]
        if len(self.findings) > MAX_FINDINGS:
            shown.append(f"... and {len(self.findings) - MAX_FINDINGS} more rules.")
        return shown

    def to_json(self) -> dict[str, Any]:
        """The report as plain JSON, with at most twenty broken rules."""
        shown = self.findings[:MAX_FINDINGS]
        return {
            "where": self.where,
            "rows": self.rows,
            "bad_rows": self.bad_rows,
            "rules": self.rules,
            "findings": [{"rule": f.rule, "count": f.count, "samples": list(f.samples)} for f in shown],
            "more_findings": len(self.findings) - len(shown),
        }

    def __str__(self) -> str:
        if self.ok:
            return f"{self.where}: all {self.rows:,} rows meet {self.rules} rules"
        head = f"{self.where}: {self.bad_rows:,} of {self.rows:,} rows ({self.share:.2%}) are bad"
        return "\n".join([head, *(f"- {line}" for line in self.lines())])

    def _repr_html_(self) -> str:
        rows = [(f.rule, f"{f.count:,}", ", ".join(f.samples)) for f in self.findings[:MAX_FINDINGS]]
        table = html_table(("rule", "rows", "samples"), rows) if rows else ""
        return f"<p><b>{html.escape(self.where)}</b>: {self.bad_rows:,} of {self.rows:,} rows are bad</p>{table}"


def check(frame: nw.LazyFrame[Any], spec: ContractSpec, where: str, extra: Sequence[Rule] = ()) -> Report:
    """Check every rule on a lazy Polars or Spark frame in one pass.

    Args:
        frame: Rows that have the contract's columns and types already.
        spec: The contract.
        where: What the report is about.
        extra: Further rules, for example of foreign keys.
    """
    rules = [*spec.rules, *extra]
    if not rules:
        return Report(where, _height(frame), 0, (), 0)
    look = _in_memory if frame.implementation.is_polars() else _by_filter
    rows, bad_rows, broken, scanned = look(frame, rules)
    findings = [
        Finding(rule.name, count, _samples(scanned, flag, rule, spec), rule.hard)
        for flag, (rule, count) in broken.items()
    ]
    return Report(where, rows, bad_rows, tuple(sorted(findings, key=lambda f: -f.count)), len(rules))


_Found = tuple[int, int, dict[str, tuple[Rule, int]], pl.DataFrame]
"""(rows, bad rows, broken rules with their counts by flag column, the first bad rows with these columns)."""


def _in_memory(frame: nw.LazyFrame[Any], rules: Sequence[Rule]) -> _Found:
    """Look for rows that may be bad, and count in those; rules that whole columns are seen to meet cost nothing."""
    rows = frame.collect("polars")
    given = rows.to_native()
    doubtful = [r.fails() for r in rules if not r.implied and not (r.met_in_polars and r.met_in_polars(given))]
    if not doubtful:
        return len(rows), 0, {}, pl.DataFrame()
    odd = rows.filter(_any_of(doubtful))
    flags = {f"__r{i}": rule for i, rule in enumerate(rules)}
    flagged = odd.with_columns(*(rule.fails().alias(flag) for flag, rule in flags.items()))
    counts = flagged.select(nw.col(*flags).sum()).rows(named=True)[0]
    broken = {flag: (rule, int(counts[flag])) for flag, rule in flags.items() if counts[flag]}
    return len(rows), len(odd), broken, flagged.head(_SCANNED).to_native()


def _by_filter(frame: nw.LazyFrame[Any], rules: Sequence[Rule]) -> _Found:
    """Count the rows and those that may be bad, and look at nothing else again: most often there are none.

    One such count costs Spark half of what one sum per rule does.
    """
    may_fail = _any_of([(rule.quick_in_spark or rule.fails)() for rule in rules if not rule.implied])
    seen = frame.select(nw.len().alias("rows"), _count(may_fail).alias("odd")).collect("polars").rows(named=True)[0]
    rows, doubtful = int(seen["rows"]), int(seen["odd"])
    if not doubtful:
        return rows, 0, {}, pl.DataFrame()
    flags = {f"__r{i}": rule for i, rule in enumerate(rules)}
    counts = [_count(rule.fails()).alias(flag) for flag, rule in flags.items()]
    with _computed_once(frame.filter(may_fail), few=doubtful <= _FEW) as odd:
        found = odd.select(_count(_any(rules)).alias("bad"), *counts).collect("polars").rows(named=True)[0]
        broken = {flag: (rule, int(found[flag])) for flag, rule in flags.items() if found[flag]}
        if not broken:
            return rows, 0, {}, pl.DataFrame()
        needed = sorted({c for rule, _ in broken.values() for c in rule.columns})
        marks = [rule.fails().alias(flag) for flag, (rule, _) in broken.items()]
        some = odd.filter(_any([rule for rule, _ in broken.values()])).head(_SCANNED)
        shown = some.with_columns(*marks).select(*needed, *broken).collect("polars").to_native()
    return rows, int(found["bad"]), broken, shown


@contextlib.contextmanager
def _computed_once(frame: nw.LazyFrame[Any], *, few: bool) -> Iterator[nw.LazyFrame[Any]]:
    """A Spark frame that is kept while it is asked several things, if its rows are few."""
    if not few:
        yield frame
        return
    kept = frame.to_native().persist()
    try:
        yield nw.from_native(kept)
    finally:
        kept.unpersist()


def _height(frame: nw.LazyFrame[Any]) -> int:
    return int(frame.select(nw.len()).collect("polars").item())


def _count(condition: nw.Expr) -> nw.Expr:
    return nw.when(condition).then(nw.lit(1)).otherwise(nw.lit(0)).sum()


def passing(frame: nw.LazyFrame[Any], spec: ContractSpec, extra: Sequence[Rule] = ()) -> nw.LazyFrame[Any]:
    """The rows that break no rule."""
    bad = _any([*spec.rules, *extra])
    return frame.filter(~nw.when(bad).then(nw.lit(True)).otherwise(nw.lit(False)))


def failing(frame: nw.LazyFrame[Any], spec: ContractSpec, extra: Sequence[Rule] = ()) -> nw.LazyFrame[Any]:
    """The rows that break a rule, with a text column ``reason`` naming every rule they break."""
    rules = [*spec.rules, *extra]
    reasons = [nw.when(r.fails()).then(nw.lit(r.name + "; ")).otherwise(nw.lit("")) for r in rules]
    return frame.filter(_any(rules)).with_columns(nw.concat_str(*reasons).str.strip_chars("; ").alias("reason"))


def _any(rules: Sequence[Rule]) -> nw.Expr:
    """True for a row that breaks one of the rules; there is at least one."""
    return _any_of([rule.fails() for rule in rules])


def _any_of(conditions: Sequence[nw.Expr]) -> nw.Expr:
    return nw.any_horizontal(*conditions, ignore_nulls=False)


def _samples(scanned: pl.DataFrame, flag: str, rule: Rule, spec: ContractSpec) -> tuple[str, ...]:
    if not rule.columns or any(c in spec.pii for c in rule.columns):
        return ()
    bad = scanned.filter(pl.col(flag)).select(*rule.columns)
    found: dict[str, None] = {}
    for row in showable(bad).iter_rows():
        text = repr(row[0]) if len(row) == 1 else repr(tuple(row))
        found[text if len(text) <= _TEXT else text[: _TEXT - 3] + "..."] = None
        if len(found) == MAX_SAMPLES:
            break
    return tuple(found)


def showable(rows: pl.DataFrame) -> pl.DataFrame:
    """The rows without those whose times lie beyond Python's calendar: to show one ends the process."""
    years = [pl.col(n).dt.year() for n, t in rows.schema.items() if isinstance(t, (pl.Datetime, pl.Date))]
    kept = [year.is_between(1, 9999) | pl.col(year.meta.output_name()).is_null() for year in years]
    return rows.filter(*kept) if kept else rows
