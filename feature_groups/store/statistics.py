"""Statistics of a batch or a table: one value per column, printable, without personal values."""

from __future__ import annotations

import html
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any

from feature_groups.store.html_table import html_table

QUANTILES = (0.01, 0.05, 0.25, 0.5, 0.75, 0.95, 0.99)
TOP = 10


@dataclass(frozen=True)
class ColumnStatistics:
    """The statistics of one column.

    Attributes:
        name: Column.
        type: The store's type name.
        count: Values that are not NULL.
        nulls: NULLs.
        distinct: Distinct values, NULL not counted; None for lists and bytes.
        minimum: Smallest value; None for lists, bytes and personal columns. Timestamps in UTC.
        maximum: Largest value, likewise.
        mean: Arithmetic mean of numbers and truth values; for lists of their lengths.
        std: Sample standard deviation (n - 1) of the same.
        quantiles: Value by share, for numbers and times.
        top: The most frequent values with their counts, for text and truth values.
        approximate: Which of the figures are estimates, for example ``("distinct", "quantiles")``.
    """

    name: str
    type: str
    count: int
    nulls: int
    distinct: int | None = None
    minimum: Any = None
    maximum: Any = None
    mean: float | None = None
    std: float | None = None
    quantiles: Mapping[str, Any] = field(default_factory=dict)
    top: tuple[tuple[Any, int], ...] = ()
    approximate: tuple[str, ...] = ()

    def without_values(self) -> ColumnStatistics:
        """The same without any value of the column, for personal data."""
        return ColumnStatistics(
            self.name, self.type, self.count, self.nulls, self.distinct, approximate=self.approximate
        )


@dataclass(frozen=True)
class Statistics:
    """The statistics of a table's version, or of a batch.

    Attributes:
        where: What they are of.
        rows: Rows.
        columns: One value per column, in the contract's order.
        version: Delta version; None for a batch.
    """

    where: str
    rows: int
    columns: tuple[ColumnStatistics, ...]
    version: int | None = None

    def __getitem__(self, name: str) -> ColumnStatistics:
        return {c.name: c for c in self.columns}[name]

    def to_json(self) -> dict[str, Any]:
        """Plain JSON; times as ISO text in UTC."""
        return {
            "where": self.where,
            "rows": self.rows,
            "version": self.version,
            "columns": [_plain(asdict(c)) for c in self.columns],
        }

    @classmethod
    def from_json(cls, stored: Mapping[str, Any]) -> Statistics:
        """Back from JSON; times stay ISO text."""
        columns = tuple(
            ColumnStatistics(
                **{
                    **c,
                    "top": tuple((v, n) for v, n in c["top"]),
                    "approximate": tuple(c["approximate"]),
                }
            )
            for c in stored["columns"]
        )
        return cls(stored["where"], stored["rows"], columns, stored["version"])

    def _rows(self) -> list[list[str]]:
        return [
            [
                c.name,
                c.type,
                f"{c.nulls:,}",
                ("~" if "distinct" in c.approximate else "") + (f"{c.distinct:,}" if c.distinct is not None else ""),
                show(c.minimum),
                show(c.maximum),
                show(c.mean),
                show(c.std),
                ("~" if "quantiles" in c.approximate else "") + show(c.quantiles.get("0.5")),
                ", ".join(f"{show(v)} ({n:,})" for v, n in c.top[:3]),
            ]
            for c in self.columns
        ]

    def __repr__(self) -> str:
        rows = [list(_HEAD), *self._rows()]
        widths = [max(len(r[i]) for r in rows) for i in range(len(_HEAD))]
        lines = ["  ".join(cell.ljust(w) for cell, w in zip(r, widths, strict=True)).rstrip() for r in rows]
        version = "" if self.version is None else f" at version {self.version}"
        return "\n".join([f"{self.where}{version}: {self.rows:,} rows (~ marks estimates)", *lines])

    def _repr_html_(self) -> str:
        return f"<p>{html.escape(self.where)}: {self.rows:,} rows</p>{html_table(_HEAD, self._rows())}"


_HEAD = ("column", "type", "nulls", "distinct", "min", "max", "mean", "std", "median", "most frequent")


def show(value: Any) -> str:
    """A value in at most thirty characters."""
    if value is None:
        return ""
    if isinstance(value, float):
        return f"{value:.6g}"
    if isinstance(value, datetime):
        return value.astimezone(UTC).strftime("%Y-%m-%d %H:%M:%S")
    text = str(value)
    return text if len(text) <= 30 else text[:27] + "..."


def _plain(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {k: _plain(v) for k, v in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(v) for v in value]
    if isinstance(value, (datetime, date)):
        return value.isoformat()
    return str(value) if isinstance(value, Decimal) else value
