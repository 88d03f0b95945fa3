"""What a block's chain is made of: encoders that make rows of columns, and steps that make rows of rows.

Each is declared as a frozen value. What has something to learn becomes, by fitting, another frozen value that holds
what was learnt; what has nothing to learn stays what it is. Only fitted ones are ever applied.
"""

from __future__ import annotations

from typing import Protocol

import polars as pl

from models.errors import InvalidTransform
from models.row_wise import Rows


class EncoderDeclaration(Protocol):
    """Declares which columns become rows, and how."""

    @property
    def reads(self) -> tuple[str, ...]:
        """The columns of the frame that it takes."""
        ...

    @property
    def takes(self) -> tuple[str, ...]:
        """The types these may have, by the store's names."""
        ...


class Encoder(EncoderDeclaration, Protocol):
    """A fitted encoder: makes rows of columns of a frame, each from its own row only."""

    @property
    def columns(self) -> tuple[str, ...]:
        """Names of the columns it makes, unique."""
        ...

    def encode(self, frame: pl.DataFrame) -> Rows:
        """Rows of shape (n, len(columns)); not finite only where a number is missing."""
        ...


class Step(Protocol):
    """A fitted step: makes rows of rows, each from its own row only."""

    def columns(self, before: tuple[str, ...]) -> tuple[str, ...]:
        """Names of the columns it makes of columns of these names."""
        ...

    def apply(self, rows: Rows) -> Rows:
        """Rows of shape (n, len(columns(before)))."""
        ...


NUMBERS = ("int8", "int16", "int32", "int64", "float32", "float64", "bool")
LEVELS = ("string", "int8", "int16", "int32", "int64", "bool")


def require(holds: object, declared: object, what: str, next_step: str) -> None:
    """Refuse a declaration of which something does not hold.

    Raises:
        InvalidTransform: It does not.
    """
    if not holds:
        where = f"step {type(declared).__name__}"
        raise InvalidTransform(where, what=what, state="was not declared", next_step=next_step)


def require_columns(declared: EncoderDeclaration) -> None:
    """Refuse an encoder that reads no column, one twice, or none by name.

    Raises:
        InvalidTransform: It does.
    """
    names = declared.reads
    named = isinstance(names, tuple) and bool(names) and all(isinstance(name, str) and name for name in names)
    what = f"It reads the columns {names!r:.120}."
    require(named and len(set(names)) == len(names), declared, what, "give a tuple of names, each once")
