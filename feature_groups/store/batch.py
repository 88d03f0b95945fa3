"""From a frame somebody hands over to a batch that may be written: conformed, checked, counted."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

import narwhals as nw
import polars as pl

from feature_groups.store.border import to_polars, unreadable
from feature_groups.store.checks import Finding, Report, check, failing, passing
from feature_groups.store.conforming import conform
from feature_groups.store.contract import ContractSpec
from feature_groups.store.engine import Engine, Frame
from feature_groups.store.errors import AlluviaError, ContractViolated, DuplicateKeys, TooManyRejected
from feature_groups.store.rules import Rule, partition_rule
from feature_groups.store.settings import EngineChoice
from feature_groups.store.spark_border import conform_spark
from feature_groups.store.statistics import Statistics
from feature_groups.store.table import REASON, Table


@dataclass(frozen=True)
class Rows:
    """Conformed rows on the engine that will compute with them.

    Attributes:
        engine: Polars or Spark.
        frame: The rows, with exactly the contract's columns and types.
        count: How many.
        why: Why this engine.
        casts: Values cast without loss.
    """

    engine: Engine
    frame: Frame
    count: int
    why: str
    casts: Mapping[str, int] = field(default_factory=dict)


@dataclass(frozen=True)
class Batch:
    """Rows that met the contract, and those that did not.

    Attributes:
        rows: The good rows, unique by key.
        received: Rows handed over.
        rejected: Bad rows with their ``reason``; None unless quarantined.
        rejected_count: How many.
        duplicates: Rows dropped for a later row of the same key.
        report: What the contract found.
        statistics: Statistics of the good rows.
        fingerprint: Content fingerprint of the good rows.
        content_hash: Identifies everything received, for the batch key.
    """

    rows: Rows
    received: int
    rejected: Frame | None
    rejected_count: int
    duplicates: int
    report: Report
    statistics: Statistics
    fingerprint: int
    content_hash: str


@dataclass(frozen=True)
class Workshop:
    """The engines a batch can be prepared with.

    Attributes:
        polars: The in-memory engine.
        spark: Starts Spark when called.
        choice: ``auto``, or the engine to use always.
        budget: Rows up to which ``auto`` takes Polars.
        spool: Makes an unused folder for rows that do not fit, or come from Spark.
    """

    polars: Engine
    spark: Callable[[], Engine]
    choice: EngineChoice
    budget: int
    spool: Callable[[], Path]


def conformed(data: object, spec: ContractSpec, where: str, shop: Workshop) -> Rows:
    """Bring a frame of any kind to the contract's columns and types, and choose the engine by its size.

    Raises:
        UnsupportedFrame: It is no frame.
        SchemaMismatch: Columns or values do not fit the contract; all problems at once.
        BatchUnreadable: A lazy plan failed while it ran.
    """
    if type(data).__module__.startswith("pyspark.sql"):
        engine = shop.spark()
        return _from_files(engine, conform_spark(data, spec, where), spec, where, shop)
    private = bool(spec.pii)
    if isinstance(data, pl.LazyFrame):
        try:
            same = dict(data.collect_schema()) == dict(spec.polars_schema)
        except Exception as error:
            raise unreadable(error, where, private=private) from (None if private else error)
        if same:
            return _from_files(shop.polars, nw.from_native(data), spec, where, shop)
    made = conform(to_polars(data, where, private=private), spec, where)
    frame = nw.from_native(made.frame.lazy())
    why = _choose(made.frame.height, shop)
    if why.startswith("spark"):
        spool = str(shop.spool())
        shop.polars.write_files(frame, spool)
        engine = shop.spark()
        return Rows(engine, engine.files(spool).select(*spec.names), made.frame.height, why, made.casts)
    return Rows(shop.polars, frame, made.frame.height, why, made.casts)


def checked(rows: Rows, table: Table, foreign: Mapping[str, Frame]) -> Batch:
    """Check rows against the group's contract, keys and foreign keys, as its policy says.

    Args:
        rows: Conformed rows.
        table: The feature group.
        foreign: For every foreign key column the referenced group's keys, as one column of that name.

    Raises:
        ContractViolated: Rows break rules under ``strict``, or rules that no policy waives.
        TooManyRejected: More rows are bad than ``quarantine`` accepts.
        DuplicateKeys: Rows share a key and the group declares ``keep="error"``.
    """
    group, spec, engine = table.group, table.spec, rows.engine
    frame, extra = rows.frame, [partition_rule(c) for c in group.partition_by if spec.by_name[c].type == "string"]
    for column, keys in foreign.items():
        frame, rule = _referenced(frame, column, keys, str(group.foreign_key[column]))
        extra.append(rule)
    report = check(frame, spec, group.where, extra)
    good, rejected = frame, None
    if not report.ok:
        _apply_policy(report, table)
        if group.policy == "quarantine":
            good, rejected = passing(frame, spec, extra), failing(frame, spec, extra)
    good = rows.frame if report.ok else _fixed(engine, good.select(*spec.names))
    bad_count = report.bad_rows if rejected is not None else 0
    kept, repeated, duplicates = _without_repeats(engine, good, table)
    if repeated is not None:
        rejected = repeated if rejected is None else nw.concat([rejected.select(*spec.names, REASON), repeated])
        bad_count += duplicates
        report = _with_repeats(report, table, duplicates)
        _refuse_too_many(report, table)
        duplicates = 0
    count, columns = engine.statistics(kept, spec)
    print_of_good = engine.fingerprint(kept, spec.polars_schema)
    print_of_bad = engine.fingerprint(rejected, spec.polars_schema) if rejected is not None else 0
    content_hash = hashlib.sha256(f"{print_of_good:032x}{print_of_bad:032x}{rows.count}".encode()).hexdigest()
    return Batch(
        rows=replace(rows, frame=kept, count=count),
        received=rows.count,
        rejected=rejected,
        rejected_count=bad_count,
        duplicates=duplicates,
        report=report,
        statistics=Statistics(group.where, count, columns),
        fingerprint=print_of_good,
        content_hash=content_hash,
    )


def _choose(rows: int, shop: Workshop) -> str:
    if shop.choice != "auto":
        return f"{shop.choice} (as set)"
    if rows <= shop.budget:
        return f"polars ({rows:,} rows fit the budget of {shop.budget:,})"
    return f"spark ({rows:,} rows exceed the budget of {shop.budget:,})"


def _from_files(engine: Engine, frame: Frame, spec: ContractSpec, where: str, shop: Workshop) -> Rows:
    """Compute a lazy frame exactly once, into the spool, and read it back on the engine its size asks for."""
    spool = str(shop.spool())
    try:
        count = engine.write_files(frame, spool)
    except AlluviaError:
        raise
    except Exception as error:
        private = bool(spec.pii)
        raise unreadable(error, where, private=private) from (None if private else error)
    why = _choose(count, shop)
    reader = shop.spark() if why.startswith("spark") else shop.polars
    lazy = reader.files(spool).select(*spec.names)
    if reader.name == "polars":
        # Polars takes a dict of types.
        lazy = nw.from_native(shop.polars.collect(lazy).cast(dict(spec.polars_schema)).lazy())  # type: ignore[arg-type]
    return Rows(reader, lazy, count, why)


def _referenced(frame: Frame, column: str, keys: Frame, target: str) -> tuple[Frame, Rule]:
    flag = f"__known_{column}"
    known = keys.unique().with_columns(nw.lit(1).alias(flag))
    joined = frame.join(known, on=column, how="left")
    rule = Rule(f"{column} exists in {target}", (column,), lambda: nw.col(flag).is_null() & ~nw.col(column).is_null())
    return joined, rule


def _apply_policy(report: Report, table: Table) -> None:
    group = table.group
    hard = [f for f in report.findings if f.hard]
    if group.policy == "strict" or (group.policy == "warn" and hard):
        shown = report if group.policy == "strict" else replace(report, findings=tuple(hard))
        raise ContractViolated(
            group.where,
            what=f"{report.bad_rows:,} of {report.rows:,} rows are bad:\n"
            + "\n".join(f"- {line}" for line in shown.lines()),
            state="was not written",
            next_step="correct the rows and insert again, or declare policy='quarantine' to write the others.",
        )
    if group.policy == "quarantine":
        _refuse_too_many(report, table)


def _refuse_too_many(report: Report, table: Table) -> None:
    if report.share > table.group.max_rejected:
        raise TooManyRejected(
            table.group.where,
            what=f"{report.bad_rows:,} of {report.rows:,} rows ({report.share:.1%}) are bad; "
            f"{table.group.max_rejected:.1%} is accepted:\n" + "\n".join(f"- {line}" for line in report.lines()),
            state="was not written, and nothing was set aside",
            next_step="look at the source: this many bad rows are rarely bad rows. Else raise max_rejected.",
        )


def _fixed(engine: Engine, frame: Frame) -> Frame:
    """Compute a small plan once where it is in memory anyway; on Spark it stays lazy over the spool."""
    return nw.from_native(engine.collect(frame).lazy()) if engine.name == "polars" else frame


def _without_repeats(engine: Engine, good: Frame, table: Table) -> tuple[Frame, Frame | None, int]:
    """(rows unique by key, rows to reject or None, how many rows were repeats)."""
    group, key = table.group, table.key
    counted = good.group_by(*key).agg(nw.len().alias("__n")).filter(nw.col("__n") > 1)
    worst = engine.collect(counted.sort("__n", descending=True).head(1000))
    if not worst.height:
        return good, None, 0
    total = engine.collect(counted.select(nw.len().alias("keys"), nw.col("__n").sum().alias("rows"))).row(0)
    keys, repeats = int(total[0]), int(total[1])
    if group.keep == "latest":
        return _fixed(engine, engine.latest(good, key, group.sequence)), None, repeats - keys
    if group.policy == "quarantine":
        flagged = good.join(counted.select(*key), on=key, how="semi").with_columns(
            nw.lit("key repeated in the batch").alias(REASON)
        )
        return _fixed(engine, good.join(counted.select(*key), on=key, how="anti")), _fixed(engine, flagged), repeats
    raise DuplicateKeys(
        group.where,
        what=f"{repeats:,} rows share {keys:,} keys ({', '.join(key)})" + _worst_keys(worst, table) + ".",
        state="was not written",
        next_step=f"df.unique({key}, keep='last'), or declare keep='latest' on the feature group.",
    )


def _worst_keys(worst: pl.DataFrame, table: Table) -> str:
    if table.spec.pii & set(table.key):
        return ""
    shown = [f"{tuple(str(v) for v in row[:-1])} x{row[-1]}" for row in worst.head(3).rows()]
    return f"; e.g. {', '.join(shown)}"


def _with_repeats(report: Report, table: Table, repeats: int) -> Report:
    finding = Finding(f"({', '.join(table.key)}) unique in the batch", repeats)
    return replace(report, bad_rows=report.bad_rows + repeats, findings=(*report.findings, finding))
