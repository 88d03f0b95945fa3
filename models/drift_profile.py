"""What a feature looked like in training, in a few counts: enough for every measure of drift without a training row."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from typing import Any, ClassVar, Literal, Self, cast

import numpy as np
import polars as pl
from numpy.typing import NDArray

from models.parts import Parts

Kind = Literal["number", "category"]
BINS = 40
"""Bins of a number, of equal mass in training; every fourth edge is a decile."""

_DECILES = slice(BINS // 10 - 1, None, BINS // 10)

LABELS = 50
"""Categories that are counted by name; what is rarer counts as one."""

OTHER = "(other)"
"""The last category: what training had too rarely to name, or never."""


@dataclass(frozen=True)
class Seen:
    """What a window holds of a feature, in the bins of its profile.

    Attributes:
        counts: int64 (K,), values per bin.
        missing: How many are NULL or no numbers.
        mean: Of a number; 0 for a category.
        std: Of a number, the population's.
        unseen: Categories that training never had, the most frequent first, at most ten.
    """

    counts: NDArray[np.int64]
    missing: int
    mean: float = 0.0
    std: float = 0.0
    unseen: tuple[str, ...] = ()

    @property
    def rows(self) -> int:
        """Values and missing ones."""
        return int(self.counts.sum()) + self.missing


@dataclass(frozen=True)
class FeatureProfile:
    """A feature of a training dataset.

    Attributes:
        name: Of the feature.
        kind: ``number``, or ``category``: text, truth values, and the elements of lists of text.
        counts: Values per bin.
        missing: How many were NULL or no numbers.
        edges: Of a number, between its bins, ascending; a value on an edge belongs to the bin above.
        deciles: Of a number, those of its edges that are deciles.
        centres: Of a number, the mean of each bin.
        labels: Of a category, one per bin; the last is `OTHER`.
        mean: Of a number.
        std: Of a number, the population's.
    """

    name: str
    kind: Kind
    counts: tuple[int, ...]
    missing: int
    edges: tuple[float, ...] = ()
    deciles: tuple[float, ...] = ()
    centres: tuple[float, ...] = ()
    labels: tuple[str, ...] = ()
    mean: float = 0.0
    std: float = 0.0

    @classmethod
    def of(cls, values: pl.Series) -> Self:
        """The profile of a column: numbers as they are, lists of numbers by their lengths, the rest by category."""
        if (numbers := _numbers(values)) is None:
            return cls._of_categories(values.name, _categories(values))
        found, missing = numbers
        cuts = np.quantile(found, np.arange(1, BINS) / BINS) if len(found) else np.empty(0)
        # A value that is frequent enough to be several edges is a bin of its own.
        edges, deciles = (np.unique(c[c > found.min(initial=np.inf)]) for c in (cuts, cuts[_DECILES]))
        if len(found) and not len(edges):
            # Nearly all are one value: below it, it, and above it.
            edges = deciles = np.array([found.min(), np.nextafter(found.min(), np.inf)])
        counts = _counted(found, edges)
        sums = np.bincount(_places(found, edges), found, len(edges) + 1)
        lower = np.concatenate([edges[:1], edges]) if len(edges) else np.zeros(1)
        centres = np.where(counts > 0, sums / np.maximum(counts, 1), lower)
        return cls(
            values.name,
            "number",
            tuple(map(int, counts)),
            missing,
            edges=tuple(map(float, edges)),
            deciles=tuple(map(float, deciles)),
            centres=tuple(map(float, centres)),
            mean=float(found.mean()) if len(found) else 0.0,
            std=float(found.std()) if len(found) else 0.0,
        )

    @property
    def rows(self) -> int:
        """Values that were there."""
        return sum(self.counts)

    @property
    def coarse(self) -> NDArray[np.int64]:
        """Of each bin the number of the coarser one it is in: deciles of a number; a category's bins are coarse."""
        if self.kind == "category":
            return np.arange(len(self.counts))
        # No value lies below the lower edge of the first bin.
        return np.searchsorted(self.deciles, [-np.inf, *self.edges], side="right")

    def seen(self, values: pl.Series) -> Seen:
        """A window's values in these bins."""
        if self.kind == "number":
            found, missing = _numbers(values) or (np.empty(0), len(values))
            mean, std = (float(found.mean()), float(found.std())) if len(found) else (0.0, 0.0)
            return Seen(_counted(found, np.array(self.edges)), missing, mean, std)
        texts = _categories(values)
        known = {label: place for place, label in enumerate(self.labels)}
        counts = np.zeros(len(self.labels), dtype=np.int64)
        unseen = []
        for label, count in _frequent(texts):
            counts[known.get(label, len(counts) - 1)] += count
            unseen += [label] if label not in known else []
        # Labels that were too rare to be named are no news.
        few = tuple(unseen[:10]) if self.counts[-1] == 0 else ()
        return Seen(counts, texts.null_count(), unseen=few)

    def places(self, values: pl.Series) -> NDArray[np.float64]:
        """Of each number the bin it is in, as a share of all bins (0 to 1); NaN where it is missing."""
        numbers = _as_numbers(values)
        placed = _places(numbers, np.array(self.edges)) / max(1, len(self.edges))
        return np.where(np.isfinite(numbers), placed, np.nan)

    @classmethod
    def _of_categories(cls, name: str, texts: pl.Series) -> Self:
        frequent = _frequent(texts)
        named, rest = frequent[:LABELS], sum(count for _, count in frequent[LABELS:])
        labels, counts = tuple(label for label, _ in named), tuple(count for _, count in named)
        return cls(name, "category", (*counts, rest), texts.null_count(), labels=(*labels, OTHER))


@dataclass(frozen=True)
class DriftProfile:
    """Everything that a release is watched by; a member of the release.

    Attributes:
        parts: Features by name of each part, such as ``features`` and ``new users``.
    """

    parts_: Mapping[str, Mapping[str, FeatureProfile]]
    kind: ClassVar[str] = "drift_profile"

    def __getitem__(self, part: str) -> Mapping[str, FeatureProfile]:
        return self.parts_[part]

    def parts(self) -> Parts:
        """The counts, as plain values."""
        plain: Any = {
            part: [{k: list(v) if isinstance(v, tuple) else v for k, v in asdict(f).items()} for f in features.values()]
            for part, features in self.parts_.items()
        }
        return Parts(plain)

    @classmethod
    def of(cls, parts: Parts) -> Self:
        """The profile of these parts."""
        stored = cast("dict[str, list[dict[str, Any]]]", parts.state)
        return cls({part: {f["name"]: _restored(f) for f in features} for part, features in stored.items()})


def profiled(frame: pl.DataFrame, columns: Iterable[str] | None = None) -> dict[str, FeatureProfile]:
    """The profile of each column of a frame that has something to count; instants and bytes have not.

    Args:
        frame: Training rows.
        columns: Which; by default all.
    """
    chosen = frame.select(columns) if columns is not None else frame
    return {column.name: FeatureProfile.of(column) for column in chosen if _countable(column.dtype)}


def _restored(stored: Mapping[str, Any]) -> FeatureProfile:
    plain: dict[str, Any] = {k: tuple(v) if isinstance(v, list) else v for k, v in stored.items()}
    return FeatureProfile(**plain)


def _countable(dtype: pl.DataType) -> bool:
    inner = _inner(dtype) or dtype
    return inner.is_numeric() or inner in (pl.String, pl.Boolean, pl.Categorical)


def _numbers(values: pl.Series) -> tuple[NDArray[np.float64], int] | None:
    """The finite numbers of a column and how many are missing; None where it holds categories."""
    if not (_inner(values.dtype) or values.dtype).is_numeric():
        return None
    numbers = _as_numbers(values)
    finite = np.isfinite(numbers)
    return numbers[finite], int((~finite).sum())


def _as_numbers(values: pl.Series) -> NDArray[np.float64]:
    """Of lists their lengths; NULL as NaN."""
    plain = values.list.len() if _inner(values.dtype) is not None else values
    return plain.cast(pl.Float64).to_numpy().astype(np.float64)


def _inner(dtype: pl.DataType) -> pl.DataType | None:
    return cast("pl.DataType", dtype.inner) if isinstance(dtype, pl.List) else None


def _categories(values: pl.Series) -> pl.Series:
    plain = values.explode(empty_as_null=False) if _inner(values.dtype) is not None else values
    return plain.cast(pl.String)


def _frequent(texts: pl.Series) -> list[tuple[str, int]]:
    """Each category with its count, the most frequent first, then by name."""
    counted = texts.drop_nulls().to_frame("label").group_by("label").len()
    return counted.sort(["len", "label"], descending=[True, False]).rows()


def _places(values: NDArray[np.float64], edges: NDArray[np.float64]) -> NDArray[np.int64]:
    return np.searchsorted(edges, values, side="right")


def _counted(values: NDArray[np.float64], edges: NDArray[np.float64]) -> NDArray[np.int64]:
    return np.bincount(_places(values, edges), minlength=len(edges) + 1)
