"""Golden vectors: raw rows and what a release answered to them, kept inside it, asked again wherever it is loaded."""

from __future__ import annotations

import io
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, Self

import numpy as np
import polars as pl
from numpy.typing import NDArray

from models.artefact import made_with
from models.errors import GoldenDiffers, InvalidParts
from models.parts import Parts

Answers = Mapping[str, NDArray[Any]]
"""By name, e.g. ``score`` (n,), ``route`` (n,), ``items`` (n, k): one entry of the first axis per row."""
Answer = Callable[[pl.DataFrame], Answers]

MAX_ROWS = 100
TOLERANCE = 1e-6
"""Largest difference of floats on another CPU family or lock: absolute, relative above 1."""


@dataclass(frozen=True)
class GoldenCheck:
    """What asking the golden vectors again gave.

    Attributes:
        passed: Whether the release may answer here.
        equal: Whether every byte was the same.
        largest: Largest difference of a float; absolute, relative above 1; infinite for what cannot be compared.
        said: The outcome in one sentence, with numbers.
    """

    passed: bool
    equal: bool
    largest: float
    said: str


@dataclass(frozen=True, eq=False)
class Golden:
    """Up to 100 raw rows and the answers to them.

    Attributes:
        rows: As they came in, before any transform; (n, columns).
        answers: What was answered: arrays with n entries each.
        lock: Hash of the lock they were made with.
        cpu: CPU family they were made on.
    """

    kind: ClassVar[str] = "golden"

    rows: pl.DataFrame
    answers: Answers
    lock: str
    cpu: str

    @classmethod
    def asked(cls, rows: pl.DataFrame, answer: Answer) -> Self:
        """Ask a model and keep what it says.

        Args:
            rows: 1 to 100 raw rows.
            answer: Gives arrays with one entry per row, of numbers, truth values or text.

        Raises:
            InvalidParts: No or too many rows, or an answer of another length or of objects.
        """
        if not 0 < rows.height <= MAX_ROWS:
            raise _invalid(f"There are {rows.height} rows; 1 to {MAX_ROWS} are kept.")
        answers = {name: np.asarray(array) for name, array in answer(rows).items()}
        for name, array in answers.items():
            if array.dtype.hasobject or array.ndim == 0 or len(array) != rows.height:
                raise _invalid(f"The answer {name!r} is {array.dtype} of shape {array.shape} to {rows.height} rows.")
        here = made_with()
        return cls(rows, answers, here["lock"], here["cpu"])

    def parts(self) -> Parts:
        """The rows as an Arrow file in an array of bytes, the answers as arrays."""
        buffer = io.BytesIO()
        self.rows.write_ipc(buffer, compression="uncompressed")
        kept = {f"answer.{name}": array for name, array in self.answers.items()}
        state = {"lock": self.lock, "cpu": self.cpu}
        return Parts(state, {"rows": np.frombuffer(buffer.getvalue(), np.uint8), **kept})

    @classmethod
    def of(cls, parts: Parts) -> Self:
        """The golden vectors of these parts."""
        rows = pl.read_ipc(io.BytesIO(np.asarray(parts.arrays["rows"]).tobytes()))
        kept = {n.removeprefix("answer."): np.asarray(a) for n, a in parts.arrays.items() if n.startswith("answer.")}
        return cls(rows, kept, str(parts.state["lock"]), str(parts.state["cpu"]))

    def compare(self, answer: Answer) -> GoldenCheck:
        """Ask again and compare: byte for byte under the same lock and CPU family, elsewhere floats within 1e-6."""
        here = made_with()
        again = {name: np.asarray(array) for name, array in answer(self.rows).items()}
        if again.keys() != self.answers.keys():
            said = f"It answers {sorted(again)}, the golden vectors hold {sorted(self.answers)}."
            return GoldenCheck(passed=False, equal=False, largest=np.inf, said=said)
        apart = {name: _apart(array, again[name]) for name, array in self.answers.items()}
        differing = {name: found for name, found in apart.items() if found is not None}
        if not differing:
            said = f"All {self.rows.height} rows were answered byte for byte as when it was made."
            return GoldenCheck(passed=True, equal=True, largest=0.0, said=said)
        largest = max(largest for _, largest in differing.values())
        counted = ", ".join(
            f"{count} of {self.answers[name].size} in {name!r}" for name, (count, _) in differing.items()
        )
        moved = [name for name, was in (("lock", self.lock), ("cpu", self.cpu)) if here[name] != was]
        elsewhere = f"another {' and '.join(moved)} than it was made with" if moved else "the same lock and CPU family"
        passed = bool(moved) and largest <= TOLERANCE
        bound = f"at most {TOLERANCE:g} apart" if moved else "the same bytes"
        said = f"Under {elsewhere}, {counted} differ, by up to {largest:.3g}; allowed are answers {bound}."
        return GoldenCheck(passed=passed, equal=False, largest=largest, said=said)

    def check(self, answer: Answer, where: str) -> GoldenCheck:
        """Compare, and let nothing through that differs by more than it may.

        Args:
            answer: As in `asked`.
            where: Names the release in the error.

        Raises:
            GoldenDiffers: It does not answer as it did; says how many and by how much.
        """
        found = self.compare(answer)
        if not found.passed:
            raise GoldenDiffers(
                where,
                what=found.said,
                state="was not loaded",
                next_step="install the lock it was made with, or train and release again here.",
            )
        return found


def _apart(before: NDArray[Any], now: NDArray[Any]) -> tuple[int, float] | None:
    """How many entries differ in their bytes and by how much at most; None when none does."""
    if before.dtype != now.dtype or before.shape != now.shape:
        return before.size, np.inf
    if before.tobytes() == now.tobytes():
        return None
    size = before.dtype.itemsize
    if before.dtype.kind != "f" or size > np.dtype(np.float64).itemsize:
        return int(np.count_nonzero(before != now)), np.inf
    one, other = before.astype(np.float64), now.astype(np.float64)
    bits = np.ascontiguousarray(before).view(f"u{size}") != np.ascontiguousarray(now).view(f"u{size}")
    same = (one == other) | (np.isnan(one) & np.isnan(other))
    with np.errstate(invalid="ignore"):
        gaps = np.where(same, 0.0, np.abs(one - other) / np.maximum(1.0, np.abs(one)))
    return int(bits.sum()), float(np.where(np.isnan(gaps), np.inf, gaps).max())


def _invalid(what: str) -> InvalidParts:
    return InvalidParts(
        "golden vectors",
        what=what,
        state="were not made",
        next_step=f"give 1 to {MAX_ROWS} raw rows and one number, truth value or text per row and answer.",
    )
