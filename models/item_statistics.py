"""Item statistics: integer sums over users or events, from which rankers are solved.

Every contribution is an integer, so sums are exact: they add, subtract and merge in any order, and what is brought up
to date by the changed users' contributions, or by a month's, equals what is made anew bit for bit.

What decays is kept in fixed point: a weight is an integer of 1 / `ONE` (2^-20), a product of two of 1 / `ONE`^2
(2^-40). A film weighs at most 1 in a history that has it once, so one event adds at most 2^40 to an entry, and 2^23
(8 million) events cannot overflow 64 bits wherever they fall; all of MovieLens-1M has one million, 12 % of that.
float64 would be exact only up to 2^53, 8,192 such events. Larger data fits as long as no one film is in that many
histories; what might not fit is refused before it is added: the largest entries' sum is compared with `MOST`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from fractions import Fraction
from math import lcm
from typing import ClassVar, Self, cast

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from models.catalogue import Catalogue
from models.errors import RankerMisused, StatisticsOverflow
from models.parts import Json, Parts

MOST = 2**63 - 1
"""The largest absolute value of an entry."""


@dataclass(frozen=True, eq=False)
class ItemStatistics:
    """Named sums over the films of a catalogue.

    Attributes:
        catalogue: The m films.
        sums: int64 CSR by name, (m, m) for pairs of films or (1, m) for films; indices ascending, no stored zeros.
        units: What 1 is in each sum: powers of `ONE`, times the denominators of weights that a segment was given.
    """

    catalogue: Catalogue
    sums: Mapping[str, sparse.csr_array]
    units: Mapping[str, int]
    kind: ClassVar[str] = "item_statistics"

    def __add__(self, other: ItemStatistics) -> Self:
        """The sums of both.

        Raises:
            CataloguesDiffer: They are over other films.
            StatisticsOverflow: A sum might not fit 64 bits.
        """
        self._must_match(other)
        units = {name: lcm(unit, other.units[name]) for name, unit in self.units.items()}
        ours, theirs = self._in_units(units), other._in_units(units)
        return self._with({name: added(ours[name], theirs[name], name) for name in ours}, units)

    def __sub__(self, other: ItemStatistics) -> Self:
        """The sums without the other's; errors as of ``+``."""
        return self + other.times(-1)

    def times(self, weight: int | Fraction) -> Self:
        """Every contribution weighs so much: whole numbers and fractions, exactly.

        Raises:
            StatisticsOverflow: A sum might not fit 64 bits.
        """
        exact = Fraction(weight)
        units = {name: unit * exact.denominator for name, unit in self.units.items()}
        return self._with({name: _times(sums, exact.numerator, name) for name, sums in self.sums.items()}, units)

    def over(self, catalogue: Catalogue) -> Self:
        """The same sums over another catalogue; films that it does not have are left out.

        Equals what is made over that catalogue, unless events of films that only it has were left out before.
        """
        places = catalogue.columns(self.catalogue.items)
        sums = {name: _moved(matrix, places, len(catalogue)) for name, matrix in self.sums.items()}
        return type(self)(catalogue, sums, self.units)

    def entries(self, name: str) -> sparse.csr_array:
        """A sum as it is kept: int64, in its unit.

        Raises:
            RankerMisused: There is no such sum.
        """
        if name not in self.sums:
            raise RankerMisused(
                "item statistics",
                what=f"there is no sum {name!r}, but {', '.join(self.sums)}.",
                state="were left as they are",
                next_step="fit the ranker that these statistics were made for.",
            )
        return self.sums[name]

    def values(
        self, name: str, rows: NDArray[np.int64] | None = None, columns: NDArray[np.int64] | None = None
    ) -> NDArray[np.float64]:
        """A sum in numbers, dense, each entry rounded once.

        Args:
            name: Of the sum.
            rows: Positions of the rows wanted; all by default.
            columns: Positions of the columns wanted; all by default.

        Returns:
            float64 (rows, columns), columns contiguous, as LAPACK wants them.

        Raises:
            RankerMisused: There is no such sum.
        """
        exact = self.entries(name)
        exact = exact if rows is None else exact[rows]
        exact = exact if columns is None else exact[:, columns]
        numbers = sparse.csr_array((exact.data / self.units[name], exact.indices, exact.indptr), shape=exact.shape)
        return cast("NDArray[np.float64]", numbers.toarray(order="F"))

    def parts(self) -> Parts:
        """The catalogue and each sum's CSR arrays."""
        arrays = dict(self.catalogue.parts().arrays)
        for name, matrix in self.sums.items():
            arrays |= {f"{name}.data": matrix.data, f"{name}.indices": matrix.indices, f"{name}.indptr": matrix.indptr}
        shapes: dict[str, Json] = {name: list(matrix.shape) for name, matrix in self.sums.items()}
        # JSON's numbers need not hold 2^53 and more.
        return Parts({"shapes": shapes, "units": {name: str(unit) for name, unit in self.units.items()}}, arrays)

    @classmethod
    def of(cls, parts: Parts) -> Self:
        """The statistics with these sums."""
        shapes = cast("Mapping[str, list[int]]", parts.state["shapes"])
        units = cast("Mapping[str, str]", parts.state["units"])
        sums = {}
        for name, shape in shapes.items():
            arrays = tuple(parts.arrays[f"{name}.{part}"] for part in ("data", "indices", "indptr"))
            sums[name] = sparse.csr_array(arrays, shape=tuple(shape))
        return cls(Catalogue.of(parts), sums, {name: int(unit) for name, unit in units.items()})

    def _with(self, sums: Mapping[str, sparse.csr_array], units: Mapping[str, int]) -> Self:
        return type(self)(self.catalogue, sums, units)

    def _in_units(self, units: Mapping[str, int]) -> dict[str, sparse.csr_array]:
        return {name: _times(sums, units[name] // self.units[name], name) for name, sums in self.sums.items()}

    def _must_match(self, other: ItemStatistics) -> None:
        self.catalogue.must_be(other.catalogue, "item statistics")
        if set(self.sums) != set(other.sums):
            raise RankerMisused(
                "item statistics",
                what=f"sums {', '.join(self.sums)} here, {', '.join(other.sums)} there.",
                state="were left as they are",
                next_step="add statistics that were made for one ranker.",
            )


def added(one: sparse.csr_array, other: sparse.csr_array, name: str) -> sparse.csr_array:
    """The sum of two integer matrices in canonical form.

    Raises:
        StatisticsOverflow: An entry might not fit 64 bits.
    """
    (low, high), (lower, higher) = _range(one), _range(other)
    _must_fit(max(high + higher, -low - lower), name)
    return canonical(one + other)


def canonical(matrix: sparse.csr_array) -> sparse.csr_array:
    """The one form of a matrix: indices ascending, each once, no zeros stored; equal matrices have equal arrays."""
    matrix.sum_duplicates()
    matrix.eliminate_zeros()
    # SciPy's products and sums choose the type of indices by what they came from.
    places = np.int32 if max(matrix.nnz, *matrix.shape) < 2**31 else np.int64
    indices, ends = (array.astype(places, copy=False) for array in (matrix.indices, matrix.indptr))
    return sparse.csr_array((matrix.data, indices, ends), shape=matrix.shape)


def _times(matrix: sparse.csr_array, factor: int, name: str) -> sparse.csr_array:
    if factor == 1:
        return matrix
    low, high = _range(matrix)
    _must_fit(max(high, -low) * abs(factor), name)
    return canonical(matrix * np.int64(factor))


def _range(matrix: sparse.csr_array) -> tuple[int, int]:
    return int(matrix.data.min(initial=0)), int(matrix.data.max(initial=0))


def _must_fit(largest: int, name: str) -> None:
    if largest > MOST:
        raise StatisticsOverflow(
            f"item statistics {name!r}",
            what=f"an entry can reach {largest}; 64 bits end at {MOST}.",
            state="were left as they are",
            next_step="weigh with smaller whole numbers or fractions of small denominators, or sum fewer events.",
        )


def _moved(matrix: sparse.csr_array, places: NDArray[np.int32], films: int) -> sparse.csr_array:
    entries = matrix.tocoo()
    rows, columns = entries.coords
    if matrix.shape[0] > 1 or len(places) == 1 == films:
        rows, height = places[rows], films
    else:
        height = 1
    columns = places[columns]
    kept = (rows >= 0) & (columns >= 0)
    moved = sparse.coo_array((entries.data[kept], (rows[kept], columns[kept])), shape=(height, films))
    return canonical(moved.tocsr())
