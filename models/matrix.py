"""What a transform makes: one matrix of float32 with named columns."""

from __future__ import annotations

import html
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from feature_groups.store.html_table import html_table
from models.errors import InvalidWeights


@dataclass(frozen=True, eq=False)
class Matrix:
    """Finite numbers for a model.

    Attributes:
        values: float32 of shape (n, d), C-contiguous.
        names: ``<block>.<column>`` for each column; unique.
    """

    values: NDArray[np.float32]
    names: tuple[str, ...]

    def __repr__(self) -> str:
        n, d = self.values.shape
        shown = ", ".join(self.names[:4])
        return f"Matrix({n:,} rows, {d:,} columns: {shown}{', ...' if d > 4 else ''})"

    def _repr_html_(self) -> str:
        rows = [[f"{value:.4g}" for value in row[:8]] for row in self.values[:5]]
        return f"<p>{html.escape(repr(self))}</p>{html_table(self.names[:8], rows)}"


@dataclass(frozen=True, eq=False)
class Blocks:
    """Rows of each block, normalised but not weighted yet: what weights are chosen on.

    Attributes:
        rows: float64 of shape (n, columns of the block), by the block's name.
        names: The names of each block's columns.
    """

    rows: Mapping[str, NDArray[np.float64]]
    names: Mapping[str, tuple[str, ...]]

    def weighted(self, weights: Mapping[str, float]) -> Matrix:
        """The blocks side by side, each times its weight; those of weight 0 are left out.

        Raises:
            InvalidWeights: They are not the blocks' weights.
        """
        checked = checked_weights("blocks", weights, self.rows)
        on = [name for name in self.rows if checked[name]]
        values = np.concatenate([self.rows[name] * checked[name] for name in on], axis=1)
        names = tuple(f"{name}.{column}" for name in on for column in self.names[name])
        return Matrix(np.ascontiguousarray(values, dtype=np.float32), names)


def checked_weights(where: str, weights: Mapping[str, float], blocks: Mapping[str, object]) -> dict[str, float]:
    """The weight of every block, in the blocks' order.

    Raises:
        InvalidWeights: A block has none, one is of no block, negative or not finite, or all are 0.
    """
    problems = [f"{name!r} has no weight" for name in blocks if name not in weights]
    problems += [f"there is no block {name!r:.80}" for name in weights if name not in blocks]
    wrong = [name for name, w in weights.items() if not (0 <= w < float("inf"))]
    problems += [f"{name!r:.80} has the weight {weights[name]}" for name in wrong]
    if not problems and not any(weights.values()):
        problems = ["every block is switched off"]
    if problems:
        said = "; ".join(problems[:5])
        next_step = f"give each of {', '.join(blocks)} a weight of 0 or more."
        raise InvalidWeights(where, what=f"{said}.", state="were not weighted", next_step=next_step)
    return {name: float(weights[name]) for name in blocks}
