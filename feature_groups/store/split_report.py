"""What a split did: rows and entities per part, and in none."""

from __future__ import annotations

import html
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import polars as pl

from feature_groups.store.html_table import html_table
from feature_groups.store.split_rule import Split

_HEAD = ("part", "rows", "share", "entities")


@dataclass(frozen=True)
class Part:
    """One part of a split.

    Attributes:
        name: ``train``, ``validation``, ``test``, ``fold_0``, ...; ``in no part`` for the rest.
        rows: Rows in it.
        entities: Different entities among them.
    """

    name: str
    rows: int
    entities: int


@dataclass(frozen=True, repr=False)
class SplitReport:
    """Rows and entities per part; prints as a table.

    Attributes:
        split: The rule, as text.
        rows: Rows of the spine.
        entities: Different entities of the spine.
        parts: One value per part, in order.
        rest: The rows in no part.
        shared_entities: Entities with rows in two parts or more.
    """

    split: str
    rows: int
    entities: int
    parts: tuple[Part, ...]
    rest: Part
    shared_entities: int

    @classmethod
    def of(cls, split: Split, frame: pl.DataFrame, parts: pl.Series, *, entity: Sequence[str]) -> SplitReport:
        """Count what `split` made of `frame`.

        Args:
            split: The rule.
            frame: The rows that were split, shape (n, columns).
            parts: What ``split.assign`` gave for them, shape (n,).
            entity: Columns that name the entity.
        """
        keys = frame.select(pl.col(name).alias(f"key_{i}") for i, name in enumerate(entity))
        per = keys.with_columns(parts.alias("part")).group_by("part", *keys.columns).len()
        counted = per.group_by("part").agg(pl.col("len").sum(), pl.len().alias("entities")).rows()
        found = {name: (rows, entities) for name, rows, entities in counted}
        placed = per.drop_nulls("part").group_by(keys.columns).len()
        return cls(
            repr(split),
            frame.height,
            per.select(keys.columns).n_unique(),
            tuple(Part(name, *found.get(name, (0, 0))) for name in split.names),
            Part("in no part", *found.get(None, (0, 0))),
            placed.filter(pl.col("len") > 1).height,
        )

    def __getitem__(self, name: str) -> Part:
        return {part.name: part for part in self.parts}[name]

    def share(self, name: str) -> float:
        """The part's share of all rows, from 0 to 1; rows in no part count among all."""
        return self[name].rows / self.rows

    def to_json(self) -> dict[str, Any]:
        """Plain JSON."""
        return asdict(self) | {"parts": [asdict(part) for part in self.parts]}

    @classmethod
    def from_json(cls, stored: Mapping[str, Any]) -> SplitReport:
        """Back from JSON."""
        parts = tuple(Part(**part) for part in stored["parts"])
        return cls(**{**stored, "parts": parts, "rest": Part(**stored["rest"])})

    def _rows(self) -> list[list[str]]:
        shown = [*self.parts, self.rest] if self.rest.rows else self.parts
        return [[p.name, f"{p.rows:,}", f"{p.rows / self.rows:.1%}", f"{p.entities:,}"] for p in shown]

    def _title(self) -> str:
        shared = f", {self.shared_entities:,} of them in several parts" if self.shared_entities else ""
        return f"{self.split}: {self.rows:,} rows of {self.entities:,} entities{shared}"

    def __repr__(self) -> str:
        rows = [list(_HEAD), *self._rows()]
        widths = [max(len(r[i]) for r in rows) for i in range(len(_HEAD))]
        lines = [
            "  ".join([r[0].ljust(widths[0]), *(c.rjust(w) for c, w in zip(r[1:], widths[1:], strict=True))])
            for r in rows
        ]
        return "\n".join([self._title(), *lines])

    def _repr_html_(self) -> str:
        return f"<p>{html.escape(self._title())}</p>{html_table(_HEAD, self._rows())}"
