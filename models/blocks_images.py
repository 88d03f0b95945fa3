"""Images as fixed vectors, with a mask for missing and broken ones."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import polars as pl
from numpy.typing import NDArray

from models.errors import UnknownStep
from models.image_vectors import ENCODERS, ImageEncoder, decoded
from models.steps import require_columns


@dataclass(frozen=True)
class Images:
    """A vector of each image by an encoder, and a mask; a missing or broken image is 0.

    Attributes:
        column: The column of files' bytes.
        encoder: Name in `models.image_vectors.ENCODERS`.
    """

    column: str
    encoder: str = "colours_and_gradients"
    takes: ClassVar = ("binary",)

    def __post_init__(self) -> None:
        require_columns(self)
        if self.encoder not in ENCODERS:
            raise UnknownStep(
                f"image encoder {self.encoder!r:.80}",
                what=f"There is: {', '.join(sorted(ENCODERS))}.",
                state="is not known",
                next_step="use one of these, or add it to models.image_vectors.ENCODERS first.",
            )

    @property
    def reads(self) -> tuple[str, ...]:
        """The one column."""
        return (self.column,)

    @property
    def _known(self) -> ImageEncoder:
        return ENCODERS[self.encoder]

    @property
    def columns(self) -> tuple[str, ...]:
        """The encoder's, each as ``<column>:<name>``, then ``<column>:missing``."""
        return tuple(f"{self.column}:{name}" for name in (*self._known.columns, "missing"))

    def encode(self, frame: pl.DataFrame) -> NDArray[np.float64]:
        """Shape (n, columns), row by row."""
        made = np.zeros((frame.height, len(self.columns)))
        for row, data in enumerate(frame[self.column]):
            image = decoded(data)
            if image is None:
                made[row, -1] = 1
            else:
                made[row, :-1] = self._known.encode(image)
        return made
