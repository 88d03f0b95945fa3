"""TRANSFORM and MULTIMODAL INPUT: named blocks of columns become one float32 matrix.

    films = Transform(
        name="films",
        version=1,
        inputs={"title": pl.String, "genres": pl.List(pl.String), "poster": pl.Binary},
        blocks=(
            Block("title", Words("title", min_rows=2), then=(TfIdf(), Svd(64)), normalise="unit", weight=0.1),
            Block("genre", Lists("genres"), normalise="unit"),
            Block("poster", Images("poster"), then=(Svd(32),), normalise="unit"),
        ),
    )
    fitted = fit(films, training_rows)  # models.transform_fit: no code that serves can reach it
    fitted.apply(rows).values  # float32; the same bytes for a batch, its single rows, and in any other process

A plain chain of steps is a transform with one block. This module declares; `models.fitted_transform` applies.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from types import MappingProxyType
from typing import Any, Literal, get_args

from feature_groups.store.column_types import type_name
from feature_groups.store.errors import did_you_mean
from feature_groups.store.names import check_name
from models.blocks_counts import Svd, TfIdf
from models.blocks_estimators import Estimator
from models.blocks_numbers import Impute, Scale
from models.errors import InvalidTransform
from models.matrix import checked_weights
from models.steps import EncoderDeclaration

Normalisation = Literal["none", "unit", "zscore"]
StepDeclaration = Impute | Scale | TfIdf | Svd | Estimator


@dataclass(frozen=True)
class Block:
    """Some columns, and what they become.

    Attributes:
        name: Names the block's columns in the matrix: ``<block>.<column>``.
        encode: Makes rows of the columns; several stand side by side.
        then: Steps that follow, one after the other. Only an `Impute`, the first of them, takes missing numbers.
        normalise: ``unit``: each column centred, and all divided by one number, so that the root of the mean squared
            length of a training row is 1. ``zscore``: each column to mean 0 and standard deviation 1. ``none``: as is.
        weight: The normalised block is multiplied by it; 0 switches it off: neither its inputs nor its columns
            are there.
    """

    name: str
    encode: EncoderDeclaration | tuple[EncoderDeclaration, ...]
    then: tuple[StepDeclaration, ...] = ()
    normalise: Normalisation = "none"
    weight: float = 1.0

    @property
    def encoders(self) -> tuple[EncoderDeclaration, ...]:
        """The encoders, also where there is one."""
        return self.encode if isinstance(self.encode, tuple) else (self.encode,)

    @property
    def imputes(self) -> bool:
        """Whether numbers may be missing."""
        return bool(self.then) and isinstance(self.then[0], Impute)


@dataclass(frozen=True, eq=False)
class Transform:
    """The declaration of a transform, checked when it is made. A model names it by `id`.

    Attributes:
        name: Of the transform.
        version: From 1; what a transform makes of rows changes only with its version.
        inputs: The type of each column that it takes, in Polars' or the store's words. Other columns are ignored.
        blocks: In the order of the matrix's columns.
        description: What it is for.
    """

    name: str
    version: int
    inputs: Mapping[str, Any]
    blocks: tuple[Block, ...]
    description: str = ""

    def __post_init__(self) -> None:
        check_name(self.name, kind="transform", where="a transform")
        self._require(isinstance(self.version, int) and self.version >= 1, f"version is {self.version!r}.", "from 1")
        inputs = {name: self._type(name, kind) for name, kind in dict(self.inputs).items()}
        object.__setattr__(self, "inputs", MappingProxyType(inputs))
        names = [block.name for block in self.blocks]
        self._require(bool(names) and len(set(names)) == len(names), f"Its blocks are {names}.", "one name for each")
        for block in self.blocks:
            self._check(block)
        unused = set(self.inputs).difference(*(e.reads for b in self.blocks for e in b.encoders))
        self._require(not unused, f"No block reads {sorted(unused)}.", "declare only what is read")
        checked_weights(self.where, self.weights, dict.fromkeys(names))

    def __eq__(self, other: object) -> bool:
        # scikit-learn's estimators are equal only to themselves; what they are declared with is not.
        return isinstance(other, Transform) and self.fingerprint == other.fingerprint

    def __hash__(self) -> int:
        return hash(self.fingerprint)

    @property
    def id(self) -> str:
        """``<name>_v<version>``."""
        return f"{self.name}_v{self.version}"

    @property
    def where(self) -> str:
        """How errors call it."""
        return f"transform '{self.name}' v{self.version}"

    @property
    def weights(self) -> dict[str, float]:
        """The weight of each block."""
        return {block.name: block.weight for block in self.blocks}

    @property
    def fingerprint(self) -> str:
        """sha256 of all that is declared."""
        blocks = [repr(block) for block in self.blocks]
        declared = [self.name, self.version, sorted(self.inputs.items()), blocks]
        return hashlib.sha256(json.dumps(declared).encode()).hexdigest()

    def weighted(self, weights: Mapping[str, float]) -> Transform:
        """The same with other weights, for example those that validation chose.

        Raises:
            InvalidWeights: They are not the blocks' weights.
        """
        checked = checked_weights(self.where, weights, {block.name: None for block in self.blocks})
        return replace(self, blocks=tuple(replace(block, weight=checked[block.name]) for block in self.blocks))

    def _check(self, block: Block) -> None:
        check_name(block.name, kind="block", where=self.where)
        where = f"Block {block.name!r}"
        self._require(bool(block.encoders), f"{where} encodes nothing.", "give an encoder")
        self._require(
            block.normalise in get_args(Normalisation),
            f"{where} has normalise={block.normalise!r:.40}.",
            f"use one of {', '.join(get_args(Normalisation))}",
        )
        for step in block.then:
            kind = type(step).__name__
            self._require(isinstance(step, StepDeclaration), f"{where} has the step {kind}.", "no such step follows")
        late = any(isinstance(step, Impute) for step in block.then[1:])
        self._require(not late, f"{where} imputes after other steps.", "put Impute first")
        for encoder in block.encoders:
            for column in encoder.reads:
                given, takes = self.inputs.get(column), encoder.takes
                hint = did_you_mean(column, self.inputs)
                self._require(given, f"{where} reads {column!r:.80}, which is no input.", f"declare it. {hint}")
                what = f"{where}: {type(encoder).__name__} does not take {column!r}, {given}."
                self._require(given in takes, what, f"give one of {', '.join(takes)}")

    def _type(self, name: str, kind: Any) -> str:
        try:
            return kind if isinstance(kind, str) else type_name(kind)
        except ValueError as error:
            self._require(False, f"Input {name!r:.80}: {error}.", "declare another type")
            raise

    def _require(self, holds: object, what: str, next_step: str) -> None:
        if not holds:
            raise InvalidTransform(self.where, what=what, state="was not declared", next_step=f"{next_step}.")
