"""A fitted transform: the one object that makes matrices, in training and in serving alike.

What it makes of a row does not depend on the rows beside it, on the batch's size or order, or on the process: the
bytes are equal under one lock and CPU family. Nothing here can fit.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any, ClassVar, Self, cast

import numpy as np
import polars as pl
from numpy.typing import NDArray
from scipy import sparse

from models import (
    blocks_categories,
    blocks_counts,
    blocks_embeddings,
    blocks_estimators,
    blocks_images,
    blocks_numbers,
    blocks_text,
)
from models.errors import UnknownStep
from models.fitted_block import FittedBlock, check_inputs, failed
from models.matrix import Blocks, Matrix, checked_weights
from models.parts import Parts
from models.row_wise import Rows, dense
from models.value_parts import nested, part, parts_of, value_of

KINDS: Mapping[str, type[Any]] = {
    kind.__name__: kind
    for kind in (
        blocks_numbers.Numbers,
        blocks_numbers.Buckets,
        blocks_numbers.Filled,
        blocks_numbers.Affine,
        blocks_estimators.FittedEstimator,
        blocks_categories.OneHot,
        blocks_categories.Shares,
        blocks_categories.MultiHot,
        blocks_text.Counts,
        blocks_text.HashedWords,
        blocks_text.Sentiment,
        blocks_counts.InverseFrequencies,
        blocks_counts.Projection,
        blocks_embeddings.Embedding,
        blocks_images.Images,
    )
}
"""Every fitted encoder and step, by the name under which it is stored."""


@dataclass(frozen=True)
class FittedTransform:
    """A transform with what it learnt from the training split; a member of a release.

    Attributes:
        name: Of the declaration.
        version: Of the declaration.
        declared: The declaration's fingerprint.
        inputs: Type of each declared input, by the store's names.
        blocks: Those that were not switched off when it was fitted.
        weights: The weight of each.
    """

    kind: ClassVar[str] = "transform"

    name: str
    version: int
    declared: str
    inputs: Mapping[str, str]
    blocks: tuple[FittedBlock, ...]
    weights: Mapping[str, float]

    @property
    def id(self) -> str:
        """``<name>_v<version>``."""
        return f"{self.name}_v{self.version}"

    @property
    def where(self) -> str:
        """How errors call it."""
        return f"transform '{self.name}' v{self.version}"

    @cached_property
    def names(self) -> tuple[str, ...]:
        """Names of the matrix's columns, ``<block>.<column>``."""
        return tuple(f"{block.name}.{column}" for block in self._on for column in block.columns)

    @cached_property
    def reads(self) -> tuple[str, ...]:
        """The columns that a frame must have: those of the blocks that are switched on."""
        return tuple(dict.fromkeys(name for block in self._on for name in block.reads))

    def weighted(self, weights: Mapping[str, float]) -> FittedTransform:
        """The same with other weights; what was learnt stays.

        Raises:
            InvalidWeights: They are not the weights of the blocks that were fitted.
        """
        fitted = {block.name: None for block in self.blocks}
        return replace(self, weights=checked_weights(self.where, weights, fitted))

    def apply(self, frame: pl.DataFrame) -> Matrix:
        """The matrix of some rows, in their order; no rows make an empty one.

        Args:
            frame: With the columns that it `reads`, of the declared types; others are ignored.

        Raises:
            InputsMismatch: Columns are missing or of other types; names all of them.
            ValuesMissing: A number is NULL, NaN or infinite, and its block does not impute.
            StepFailed: A step refuses the rows, or a value is too large for float32.
        """
        made = self._weighted_rows(frame)
        values = np.empty((frame.height, len(self.names)), dtype=np.float32)
        start = 0
        for block, rows in made:
            values[:, start : start + rows.shape[1]] = self._single(block, dense(rows))
            start += rows.shape[1]
        return Matrix(values, self.names)

    def apply_sparse(self, frame: pl.DataFrame) -> sparse.csr_array:
        """The same numbers as `apply` makes, as a sparse array of float32, for blocks that were never dense.

        Its indices are of 32 bits, as scikit-learn's linear models want them.
        """
        made = []
        for block, rows in self._weighted_rows(frame):
            kept = sparse.csr_array(rows)
            values = self._single(block, kept.data)
            made.append(sparse.csr_array((values, kept.indices, kept.indptr), shape=kept.shape))
        if not made:
            return sparse.csr_array((0, len(self.names)), dtype=np.float32)
        rows = sparse.csr_array(sparse.hstack(made, format="csr"))
        rows.indices, rows.indptr = rows.indices.astype(np.int32), rows.indptr.astype(np.int32)
        return rows

    def blocks_of(self, frame: pl.DataFrame) -> Blocks:
        """The rows of every fitted block, unweighted, to choose weights on; raises as `apply` does."""
        everything = self.weighted({block.name: 1.0 for block in self.blocks})
        rows = {block.name: dense(rows) for block, rows in everything._weighted_rows(frame)}
        return Blocks(rows, {block.name: block.columns for block in self.blocks})

    def parts(self) -> Parts:
        """What it is restored from."""
        whole = Parts({"name": self.name, "version": self.version, "declared": self.declared})
        found: dict[str, Parts] = {}
        outline = []
        for block in self.blocks:
            kinds: dict[str, list[str]] = {}
            for group, values in (("encoders", block.encoders), ("steps", block.steps)):
                kinds[group] = [type(value).__name__ for value in cast(Sequence[Any], values)]
                for n, value in enumerate(cast(Sequence[Any], values)):
                    found[f"{block.name}.{group}.{n}"] = parts_of(value)
            outline.append({"name": block.name, **kinds, "weight": self.weights[block.name]})
        fitted = nested(found)
        state: Any = {
            **whole.state,
            "inputs": [[name, kind] for name, kind in self.inputs.items()],
            "blocks": outline,
            "values": fitted.state,
        }
        return Parts(state, fitted.arrays, fitted.estimators)

    @classmethod
    def of(cls, parts: Parts) -> Self:
        """The transform that these parts were taken from.

        Raises:
            UnknownStep: They name a step or an image encoder that this code does not have.
        """
        state = cast(dict[str, Any], parts.state)
        values = Parts(state["values"], parts.arrays, parts.estimators)

        def restored(block: Mapping[str, Any], group: str) -> tuple[Any, ...]:
            names = [f"{block['name']}.{group}.{n}" for n in range(len(block[group]))]
            kinds = [_kind(kind, state["name"]) for kind in block[group]]
            return tuple(value_of(kind, part(values, name)) for kind, name in zip(kinds, names, strict=True))

        blocks = tuple(FittedBlock(b["name"], restored(b, "encoders"), restored(b, "steps")) for b in state["blocks"])
        weights = {block["name"]: block["weight"] for block in state["blocks"]}
        return cls(state["name"], state["version"], state["declared"], dict(state["inputs"]), blocks, weights)

    @cached_property
    def _on(self) -> tuple[FittedBlock, ...]:
        return tuple(block for block in self.blocks if self.weights[block.name])

    def _weighted_rows(self, frame: pl.DataFrame) -> list[tuple[FittedBlock, Rows]]:
        check_inputs(frame, {name: self.inputs[name] for name in self.reads}, self.where)
        if frame.is_empty():
            return []
        return [(block, block.rows(frame, self.where) * self.weights[block.name]) for block in self._on]

    def _single(self, block: FittedBlock, values: NDArray[np.float64]) -> NDArray[np.float32]:
        with np.errstate(over="ignore"):
            single = values.astype(np.float32)
        if not np.isfinite(single).all():
            raise failed(block.name, "the whole chain", "it made values that float32 does not hold", self.where)
        return single


def _kind(name: str, transform: str) -> type[Any]:
    if name not in KINDS:
        what = f"It has a step {name!r:.80}; this code knows {', '.join(KINDS)}."
        next_step = "load it with the code that made it, or fit it anew."
        raise UnknownStep(f"transform {transform!r:.80}", what=what, state="was not restored", next_step=next_step)
    return KINDS[name]
