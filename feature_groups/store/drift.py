"""Drift between two parts of a dataset, feature by feature, from their stored statistics.

Numbers (and lists, by their lengths) are compared by the standardized mean difference: the difference of the means over
the root of the mean variance (Austin, Statist. Med. 28, 2009). Text and truth values by the population stability index:
the sum of (p - q) ln(p / q) over the most frequent values and one class for the rest. Both are 0 for equal parts; from
a quarter on a difference is commonly called large.
"""

from __future__ import annotations

import html
import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from feature_groups.store.html_table import html_table
from feature_groups.store.statistics import ColumnStatistics, Statistics

LARGE = 0.25
_MEAN, _INDEX = "standardized mean difference", "population stability index"
_HEAD = ("feature", "drift", "measure", "NULL before", "NULL after")


@dataclass(frozen=True)
class FeatureDrift:
    """How one feature differs between two parts.

    Attributes:
        name: The feature.
        size: The measure's value, 0 for no difference; signed where it has a direction. None where the statistics hold
            no values to compare: times, bytes, personal columns, parts without values.
        measure: Which one.
        nulls: Share of NULL in the first and in the second part.
    """

    name: str
    size: float | None
    measure: str
    nulls: tuple[float, float]

    @property
    def large(self) -> bool:
        """Whether the difference is commonly called large."""
        return self.size is not None and abs(self.size) >= LARGE


@dataclass(frozen=True, repr=False)
class Drift:
    """How the features of one part differ from those of another; prints as a table, the largest drift first.

    Attributes:
        reference: The part that is compared with.
        other: The part that is compared.
        features: One value per feature, the largest drift first.
    """

    reference: str
    other: str
    features: tuple[FeatureDrift, ...]

    def __getitem__(self, name: str) -> FeatureDrift:
        return {feature.name: feature for feature in self.features}[name]

    def _title(self) -> str:
        large = sum(feature.large for feature in self.features)
        return (
            f"Drift from {self.reference} to {self.other}: {large} of {len(self.features)} features by {LARGE} or more"
        )

    def _rows(self) -> list[tuple[str, ...]]:
        return [
            (f.name, "" if f.size is None else f"{f.size:.3f}", f.measure, *(f"{share:.1%}" for share in f.nulls))
            for f in self.features
        ]

    def __repr__(self) -> str:
        rows = [_HEAD, *self._rows()]
        widths = [max(len(row[i]) for row in rows) for i in range(len(_HEAD))]
        lines = ["  ".join(c.ljust(w) for c, w in zip(row, widths, strict=True)).rstrip() for row in rows]
        return "\n".join([self._title(), *lines])

    def _repr_html_(self) -> str:
        return f"<p>{html.escape(self._title())}</p>{html_table(_HEAD, self._rows())}"


def drift(reference: Statistics, other: Statistics, names: tuple[str, str], features: Sequence[str]) -> Drift:
    """Compare the statistics of two parts.

    Args:
        reference: Of the part that is compared with.
        other: Of the part that is compared.
        names: Of the parts.
        features: The columns to compare.
    """
    found = [_feature(reference[name], other[name]) for name in features]
    return Drift(*names, tuple(sorted(found, key=lambda f: -1 if f.size is None else abs(f.size), reverse=True)))


def _feature(before: ColumnStatistics, after: ColumnStatistics) -> FeatureDrift:
    nulls = (_share(before), _share(after))
    if before.top and after.top:
        return FeatureDrift(before.name, _stability_index(before, after), _INDEX, nulls)
    if before.mean is None or after.mean is None:
        return FeatureDrift(before.name, None, "", nulls)
    return FeatureDrift(before.name, _mean_difference(before, after), _MEAN, nulls)


def _share(column: ColumnStatistics) -> float:
    return column.nulls / max(1, column.nulls + column.count)


def _mean_difference(before: ColumnStatistics, after: ColumnStatistics) -> float | None:
    assert before.mean is not None
    assert after.mean is not None
    difference = after.mean - before.mean
    spread = math.sqrt(((before.std or 0.0) ** 2 + (after.std or 0.0) ** 2) / 2)
    if spread:
        return difference / spread
    return math.copysign(math.inf, difference) if difference else 0.0


def _stability_index(before: ColumnStatistics, after: ColumnStatistics) -> float:
    """With half a value added to every class, so that an empty one does not weigh infinitely."""
    one, two = dict(before.top), dict(after.top)
    # What is not among the most frequent values of a part has a known count only where these are all its values.
    classes = [v for v in {**one, **two} if all(v in top or _all(c, top) for c, top in ((before, one), (after, two)))]
    counts = [[top.get(v, 0) for v in classes] for top in (one, two)]
    shares = []
    for column, known in zip((before, after), counts, strict=True):
        every = [*known, max(0, column.count - sum(known))]
        total = sum(every) + len(every) / 2
        shares.append([(n + 0.5) / total for n in every])
    return float(sum((p - q) * math.log(p / q) for p, q in zip(*shares, strict=True)))


def _all(column: ColumnStatistics, top: dict[Any, int]) -> bool:
    return sum(top.values()) == column.count
