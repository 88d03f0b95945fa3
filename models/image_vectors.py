"""Fixed vectors of images: decoded by Pillow within bounds, described by simple, well-known descriptors."""

from __future__ import annotations

import io
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray
from PIL import Image

FORMATS: Final = ("PNG", "JPEG", "GIF", "BMP", "WEBP", "TIFF")
MAX_BYTES: Final = 16_000_000
MAX_PIXELS: Final = 25_000_000
"""Above, an image counts as broken: a small file can unfold into gigabytes."""

_BINS, _SIDE, _CELL, _ANGLES = 16, 64, 16, 8


def decoded(data: bytes | None) -> Image.Image | None:
    """The image in RGB, transparent parts on white; None for one that is missing, broken, or larger than allowed."""
    if not data or len(data) > MAX_BYTES:
        return None
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            image = Image.open(io.BytesIO(data), formats=FORMATS)
            if image.width * image.height > MAX_PIXELS:
                return None
            whole = image.convert("RGBA")
    except Exception:  # Pillow's readers raise whatever a broken file makes them stumble over.
        return None
    return Image.alpha_composite(Image.new("RGBA", whole.size, "white"), whole).convert("RGB")


@dataclass(frozen=True)
class ImageEncoder:
    """Makes a vector of fixed length of an image.

    Attributes:
        columns: Names of the vector's elements.
        encode: Makes finite float64 of shape (len(columns),) of an RGB image of any size; the same every time.
    """

    columns: tuple[str, ...]
    encode: Callable[[Image.Image], NDArray[np.float64]]


def colours(image: Image.Image) -> NDArray[np.float64]:
    """Shares of 16 brightnesses in each of red, green and blue: shape (48,)."""
    pixels = np.asarray(image)
    counts = [np.bincount(pixels[:, :, c].ravel() // (256 // _BINS), minlength=_BINS) for c in range(3)]
    return np.asarray(np.concatenate(counts) / (pixels.shape[0] * pixels.shape[1]), dtype=np.float64)


def gradients(image: Image.Image) -> NDArray[np.float64]:
    """Histograms of oriented gradients (Dalal and Triggs 2005), simplified: 4 x 4 cells of 8 angles, shape (128,).

    The image is brought to 64 x 64 greys first; each cell's histogram is weighted by gradient and the whole vector
    has length 1, or 0 where nothing changes.
    """
    greys = np.asarray(image.convert("L").resize((_SIDE, _SIDE), Image.Resampling.BILINEAR), dtype=np.float64)
    down, right = np.gradient(greys)
    strength = np.sqrt(down * down + right * right)
    angle = (np.arctan2(down, right) % np.pi) / np.pi * _ANGLES
    across = _SIDE // _CELL
    cell = np.arange(_SIDE) // _CELL
    place = (cell[:, None] * across + cell) * _ANGLES + angle.astype(np.int64) % _ANGLES
    found = np.bincount(place.ravel(), weights=strength.ravel(), minlength=across * across * _ANGLES)
    length = np.sqrt(np.sum(found * found))
    return np.asarray(found / length if length > 0 else found, dtype=np.float64)


def pixels(image: Image.Image) -> NDArray[np.float64]:
    """Brightness of 8 x 8 greys, 0 to 1, row by row: shape (64,)."""
    small = image.convert("L").resize((8, 8), Image.Resampling.BOX)
    return np.asarray(small, dtype=np.float64).ravel() / 255


def _colours_and_gradients(image: Image.Image) -> NDArray[np.float64]:
    return np.concatenate([colours(image), gradients(image)])


_COLOURS = tuple(f"{colour}{n}" for colour in ("red", "green", "blue") for n in range(_BINS))
_GRADIENTS = tuple(f"cell{c}angle{a}" for c in range((_SIDE // _CELL) ** 2) for a in range(_ANGLES))

ENCODERS: Final[dict[str, ImageEncoder]] = {
    "colours": ImageEncoder(_COLOURS, colours),
    "gradients": ImageEncoder(_GRADIENTS, gradients),
    "colours_and_gradients": ImageEncoder(_COLOURS + _GRADIENTS, _colours_and_gradients),
    "pixels": ImageEncoder(tuple(f"pixel{n}" for n in range(64)), pixels),
}
"""By name; a stored transform names its encoder, never holds it. Add your own before declaring or loading one that
names it: ``ENCODERS["clip_v1"] = ImageEncoder(names, function)``."""
