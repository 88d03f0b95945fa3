"""Contracts: what a frame must look like, written once with Pandera and checked on every engine.

A contract is a ``pandera.polars.DataFrameModel`` whose docstring states the grain. Its columns and checks are
translated here into data (`ContractSpec`): column types, and rules that are narwhals expressions, so that one
aggregation checks all of them on Polars and on Spark alike. A check with no such form is refused at once.
"""

from __future__ import annotations

import hashlib
import inspect
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any

import narwhals as nw
import polars as pl

from feature_groups.store.column_types import type_name
from feature_groups.store.errors import InvalidDeclaration, did_you_mean
from feature_groups.store.names import check_names
from feature_groups.store.pandera_checks import invariant_of, invariant_rule, prove, translate
from feature_groups.store.rules import ColumnSpec, Refuse, Rule, built_in_rules

if TYPE_CHECKING:
    import pandera.polars as pa

MAX_COLUMNS = 2000


@dataclass(frozen=True)
class ContractSpec:
    """A contract as data: what the store keeps, compares and checks with.

    Attributes:
        grain: What one row is, from the docstring.
        columns: The columns, in declared order.
        rules: Every condition on rows, column checks first.
        model: Qualified name of the Pandera class, empty when inferred from a frame.
        source_hash: sha256 of the Pandera class's grain, columns, checks and the source of its invariants.
    """

    grain: str
    columns: tuple[ColumnSpec, ...]
    rules: tuple[Rule, ...] = field(repr=False)
    model: str = ""
    source_hash: str = ""

    @cached_property
    def by_name(self) -> Mapping[str, ColumnSpec]:
        """The columns by name."""
        return {c.name: c for c in self.columns}

    @property
    def names(self) -> list[str]:
        """The column names in declared order."""
        return [c.name for c in self.columns]

    @property
    def pii(self) -> frozenset[str]:
        """The personal columns."""
        return frozenset(c.name for c in self.columns if c.pii)

    @property
    def polars_schema(self) -> pl.Schema:
        """The frame's schema in Polars."""
        return pl.Schema({c.name: c.polars for c in self.columns})

    def to_json(self) -> dict[str, Any]:
        """The columns, grain and rule names as plain JSON; expressions are not stored."""
        return {
            "grain": self.grain,
            "model": self.model,
            "source_hash": self.source_hash,
            "columns": [vars(c) for c in self.columns],
            "rules": [r.name for r in self.rules],
        }

    @classmethod
    def from_json(cls, stored: Mapping[str, Any]) -> ContractSpec:
        """A stored contract; the checks that stand in code raise when rows are checked with them."""
        columns = tuple(ColumnSpec(**c) for c in stored["columns"])
        known = {r.name: r for c in columns for r in built_in_rules(c)}
        names = dict.fromkeys([*stored["rules"], *known] if stored["model"] else known)
        rules = tuple(known.get(name) or _rule_in_code(name, stored["model"]) for name in names)
        return cls(stored["grain"], columns, rules, stored["model"], stored["source_hash"])

    def with_columns_added(self, added: tuple[ColumnSpec, ...]) -> ContractSpec:
        """The same contract with nullable columns appended."""
        rules = self.rules + tuple(r for c in added for r in built_in_rules(c))
        return ContractSpec(self.grain, self.columns + added, rules, self.model, self.source_hash)


def contract_spec(model: type[pa.DataFrameModel], where: str) -> ContractSpec:
    """Translate a Pandera class into data and rules.

    Raises:
        InvalidDeclaration: No grain, a type that is not storable, a column name that is not allowed, or a
            check that cannot run on every engine; names the column, the check and the file.
    """
    file = source_file(model) or model.__module__

    def refuse(what: str, next_step: str) -> InvalidDeclaration:
        return InvalidDeclaration(
            where,
            what=f"{what} (contract {model.__qualname__})",
            state="was not declared",
            next_step=next_step,
        )

    grain = inspect.cleandoc(model.__doc__ or "").strip()
    if not grain or grain == inspect.cleandoc(_pandera_base_doc()).strip():
        raise refuse(
            "The contract does not say what one row is.",
            f"begin its docstring with the grain, e.g. 'One row per user.', in {file}.",
        )
    try:
        schema = model.to_schema()
    except Exception as error:
        raise refuse(
            f"Pandera cannot build it: {type(error).__name__}: {str(error)[:300]}",
            f"correct the class in {file}.",
        ) from error
    if not schema.columns:
        raise refuse("It declares no column.", f"add columns to {file}.")
    if len(schema.columns) > MAX_COLUMNS:
        raise refuse(f"It declares {len(schema.columns):,} columns; {MAX_COLUMNS:,} is the limit.", "split the group.")
    if schema.parsers or any(c.parsers for c in schema.columns.values()):
        raise refuse("Parsers change data while it is checked.", f"move them into the transform, in {file}.")
    check_names(schema.columns, kind="column", where=where)

    if schema.drop_invalid_rows or schema.add_missing_columns:
        what = "drop_invalid_rows and add_missing_columns change data while it is checked."
        raise refuse(what, f"leave them out of Config, in {file}; policy='quarantine' sets bad rows aside.")

    columns: list[ColumnSpec] = []
    rules: list[Rule] = []
    for name, column in schema.columns.items():
        try:
            stored_type = type_name(column.dtype.type if column.dtype else None)
        except ValueError as error:
            raise refuse(f"Column {name!r}: {error}.", f"change its annotation in {file}.") from None
        _refuse_silent_changes(name, column, refuse, file)
        tags = dict(column.metadata or {})
        if unknown := sorted(set(tags) - {"unit", "pii", "label_proxy"}):
            hint = did_you_mean(unknown[0], ["unit", "pii", "label_proxy"])
            raise refuse(f"Column {name!r}: unknown tag {unknown[0]!r}.", f"use unit, pii or label_proxy. {hint}")
        if not column.required and not column.nullable:
            raise refuse(f"Column {name!r} may be missing but not NULL.", f"add nullable=True to it in {file}.")
        if column.unique:
            raise refuse(
                f"Column {name!r}: unique=True needs the whole table.",
                "make it part of the primary key instead.",
            )
        spec = ColumnSpec(
            name=name,
            type=stored_type,
            nullable=bool(column.nullable),
            required=bool(column.required),
            description=column.description or "",
            unit=str(tags.get("unit", "")),
            pii=bool(tags.get("pii", False)),
            label_proxy=str(tags.get("label_proxy", "")),
        )
        columns.append(spec)
        checks = [translate(name, stored_type, check, refuse, file) for check in column.checks]
        rules += [*built_in_rules(spec, checks), *checks]
    if schema.unique:
        raise refuse("Config.unique needs the whole table.", "declare primary_key on the feature group instead.")
    for check in schema.checks:
        expression = invariant_of(model, str(check.name))
        if expression is None:
            raise refuse(
                f"The check {check.name!r} has no form that runs on every engine.",
                f"write it as an @invariant that returns a narwhals expression, in {file}.",
            )
        rules.append(invariant_rule(model, str(check.name), expression, {c.name for c in columns}, refuse))
    empty = pl.DataFrame(schema={c.name: c.polars for c in columns})
    for rule in rules:
        if rule.detail:
            prove(rule, empty, refuse, file)
    described = {"grain": grain, "columns": [vars(c) for c in columns], "rules": [[r.name, r.detail] for r in rules]}
    digest = hashlib.sha256(json.dumps(described, sort_keys=True).encode()).hexdigest()
    return ContractSpec(grain, tuple(columns), tuple(rules), f"{model.__module__}.{model.__qualname__}", digest)


def source_file(model: type[Any]) -> str:
    """The file a class stands in; empty in a notebook."""
    try:
        return inspect.getsourcefile(model) or ""
    except (OSError, TypeError):
        return ""


def inferred_contract(schema: Mapping[str, pl.DataType], key: tuple[str, ...], where: str) -> ContractSpec:
    """The contract of a group declared without one: the first frame's columns, keys not NULL.

    Raises:
        InvalidDeclaration: A column's name or type cannot be stored; says which.
    """
    check_names(schema, kind="column", where=where)
    columns = []
    for name, dtype in schema.items():
        try:
            columns.append(ColumnSpec(name, type_name(dtype), nullable=name not in key))
        except ValueError as error:
            raise InvalidDeclaration(
                where,
                what=f"No contract can be inferred: column {name!r}: {error}.",
                state="was not declared",
                next_step=f"cast {name!r} before the first insert, or declare a contract.",
            ) from None
    rules = tuple(r for c in columns for r in built_in_rules(c))
    described = json.dumps([vars(c) for c in columns], sort_keys=True)
    grain = f"One row per {', '.join(key)} (inferred from the first frame)."
    return ContractSpec(grain, tuple(columns), rules, "", hashlib.sha256(described.encode()).hexdigest())


def _refuse_silent_changes(name: str, column: Any, refuse: Refuse, file: str) -> None:
    """Refuse what Pandera would do to a column beyond checking it, since the store would not."""
    if column.regex:
        raise refuse(f"Column {name!r}: regex=True stands for many columns.", f"declare each column, in {file}.")
    if column.default is not None:
        raise refuse(
            f"Column {name!r}: default= fills values while they are checked.", f"fill them in the transform, in {file}."
        )


def _rule_in_code(name: str, model: str) -> Rule:
    def fails() -> nw.Expr:
        raise InvalidDeclaration(
            f"contract {model!r}",
            what=f"The check {name!r} stands in code, and the group was opened by its name only.",
            state="was not applied; nothing was written",
            next_step="open the group by its declaration: fs.get_or_create_feature_group(<module>.v<version>).",
        )

    return Rule(name, (), fails)


def _pandera_base_doc() -> str:
    import pandera.polars as pa  # as above

    return pa.DataFrameModel.__doc__ or ""
