"""One fitted block: its encoders side by side, then its steps; and the errors of rows that it cannot take."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import polars as pl
from scipy import sparse

from feature_groups.store.column_types import type_name
from feature_groups.store.errors import did_you_mean
from models.blocks_numbers import Filled
from models.errors import InputsMismatch, StepFailed, ValuesMissing
from models.row_wise import Rows, dense
from models.steps import Encoder, Step


@dataclass(frozen=True)
class FittedBlock:
    """A fitted block, unweighted.

    Attributes:
        name: Of the block.
        encoders: Fitted; their columns stand side by side.
        steps: Fitted, one after the other; the last normalises, if the block is normalised.
    """

    name: str
    encoders: tuple[Encoder, ...]
    steps: tuple[Step, ...]

    @cached_property
    def reads(self) -> tuple[str, ...]:
        """The columns it takes, each once."""
        return tuple(dict.fromkeys(name for encoder in self.encoders for name in encoder.reads))

    @cached_property
    def columns(self) -> tuple[str, ...]:
        """Names of the columns it makes."""
        names = tuple(name for encoder in self.encoders for name in encoder.columns)
        for step in self.steps:
            names = step.columns(names)
        return names

    def rows(self, frame: pl.DataFrame, where: str) -> Rows:
        """What it makes of a checked frame of at least one row: shape (n, len(columns)).

        Raises:
            ValuesMissing: A number is missing, and nothing imputes it.
            StepFailed: An encoder or step refuses the rows.
        """
        rows = encoded(self.name, self.encoders, frame, where, may_miss=self._imputes)
        for step in self.steps:
            rows = applied(self.name, step, rows, where)
        return rows

    @property
    def _imputes(self) -> bool:
        return bool(self.steps) and isinstance(self.steps[0], Filled)


def encoded(block: str, encoders: tuple[Encoder, ...], frame: pl.DataFrame, where: str, *, may_miss: bool) -> Rows:
    """The rows of encoders side by side; sparse if all of them are.

    Raises:
        ValuesMissing: Some are not finite, unless they may miss.
        StepFailed: An encoder refuses the rows.
    """
    made = []
    for encoder in encoders:
        try:
            rows = encoder.encode(frame)
        except ValueError as error:
            raise failed(block, type(encoder).__name__, str(error), where) from error
        checked = not may_miss and not sparse.issparse(rows)
        missing = np.argwhere(~np.isfinite(rows)) if checked else np.empty((0, 2), dtype=np.int64)
        if len(missing):
            row, column = missing[0]
            name, n = encoder.columns[column], len({int(r) for r, _ in missing})
            raise ValuesMissing(
                where,
                what=f"{n:,} of {frame.height:,} rows miss a number of block {block!r}, e.g. {name!r} at row {row:,}.",
                state="made no matrix",
                next_step="declare Impute() as the first step of the block, or leave these rows out.",
            )
        made.append(rows)
    if len(made) == 1:
        return made[0]
    if all(sparse.issparse(rows) for rows in made):
        return sparse.csr_array(sparse.hstack(made, format="csr"))
    return np.concatenate([dense(rows) for rows in made], axis=1)


def applied(block: str, step: Step, rows: Rows, where: str) -> Rows:
    """The rows that a step makes.

    Raises:
        StepFailed: It refuses them.
    """
    try:
        return step.apply(rows)
    except ValueError as error:
        raise failed(block, type(step).__name__, str(error), where) from error


def failed(block: str, step: str, said: str, where: str) -> StepFailed:
    """The error of a step that refuses rows."""
    what = f"Block {block!r}, {step}: {said[:300]}."
    return StepFailed(where, what=what, state="made no matrix", next_step="correct the rows, or the declaration.")


def check_inputs(frame: object, inputs: Mapping[str, str], where: str) -> None:
    """Check that a frame has columns of these types; it may have others.

    Raises:
        InputsMismatch: It has not; names every column that is missing or of another type.
    """
    if not isinstance(frame, pl.DataFrame):
        problems, next_step = [f"It got a {type(frame).__name__}."], "give a polars.DataFrame."
    else:
        problems, next_step = list(_problems(frame, inputs)), "select or cast these columns."
    if problems:
        more = f" ({len(problems)} problems)" if len(problems) > 5 else ""
        raise InputsMismatch(where, what=" ".join(problems[:5]) + more, state="made no matrix", next_step=next_step)


def _problems(frame: pl.DataFrame, inputs: Mapping[str, str]) -> list[str]:
    found, schema = [], frame.schema
    for name, wanted in inputs.items():
        if name not in schema:
            found.append(f"{name!r} ({wanted}) is missing. {did_you_mean(name, schema)}")
            continue
        try:
            given = type_name(schema[name])
        except ValueError:
            given = str(schema[name])
        if given != wanted:
            found.append(f"{name!r} is {given}, not {wanted}.")
    return found
