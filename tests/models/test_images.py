from __future__ import annotations

import io
import struct
import zlib
from collections.abc import Iterator
from typing import Any

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image, ImageDraw
from sklearn.datasets import load_digits
from sklearn.linear_model import LogisticRegression
from sklearn.neighbors import KNeighborsClassifier

from modal import png
from models import image_vectors
from models.blocks_counts import Svd
from models.blocks_images import Images
from models.image_vectors import ENCODERS, ImageEncoder, colours, decoded, gradients
from models.transform import Block, Transform
from models.transform_fit import fit


def declared(encoder: str, *then: Any) -> Transform:
    block = Block("p", Images("poster", encoder), then=then, normalise="unit")
    return Transform("posters", 1, {"poster": pl.Binary}, (block,))


def frame(*images: bytes | None) -> pl.DataFrame:
    return pl.DataFrame({"poster": images}, schema={"poster": pl.Binary})


def poster(*, dark: bool, draw: np.random.Generator) -> Image.Image:
    """Boxes in random colours; the horror film's are darker and its box slants."""
    size = (int(draw.integers(40, 80)), int(draw.integers(60, 120)))
    shade = draw.integers(0, 160, 3) if dark else draw.integers(96, 256, 3)
    image = Image.new("RGB", size, tuple(map(int, shade)))
    x, y = map(int, draw.integers(5, 25, 2))
    corners = [(x, y), (x + 20, y + (15 if dark else 0)), (x + 20, y + 30), (x, y + (15 if dark else 30))]
    ImageDraw.Draw(image).polygon(corners, fill=tuple(map(int, draw.integers(0, 256, 3))))
    return image


def test_a_planted_signal_in_posters_is_found() -> None:
    draw = np.random.default_rng(0)
    dark = draw.random(400) < 0.5
    posters = [png(poster(dark=bool(d), draw=draw)) for d in dark]
    train, test = frame(*posters[:250]), frame(*posters[250:])

    fitted = fit(declared("colours_and_gradients", Svd(24)), train)
    model = LogisticRegression(C=10).fit(fitted.apply(train).values, dark[:250])

    assert model.score(fitted.apply(test).values, dark[250:]) > 0.85
    shuffled = LogisticRegression(C=10).fit(fitted.apply(train).values, draw.permutation(dark[:250]))
    assert shuffled.score(fitted.apply(test).values, dark[250:]) < 0.65


@pytest.mark.parametrize(("encoder", "least"), [("pixels", 0.93), ("gradients", 0.85)])
def test_digits_are_read_from_their_images(encoder: str, least: float) -> None:
    digits = load_digits()
    files = [png(Image.fromarray((image * 15).astype(np.uint8)).resize((32, 32))) for image in digits.images[:900]]
    train, test = frame(*files[:600]), frame(*files[600:])

    fitted = fit(declared(encoder), train)
    model = KNeighborsClassifier(3).fit(fitted.apply(train).values, digits.target[:600])

    assert model.score(fitted.apply(test).values, digits.target[600:900]) > least


def test_a_missing_or_broken_image_is_zero_and_masked() -> None:
    good = png(Image.new("RGB", (10, 10), "red"))
    inputs = {"poster": pl.Binary}
    fitted = fit(Transform("posters", 1, inputs, (Block("p", Images("poster", "colours")),)), frame(good))

    found = fitted.apply(frame(good, None, b"", b"GIF89a", good[:40], b"\0" * 100, b"<svg></svg>"))

    assert found.names[-1] == "p.poster:missing"
    assert found.values[:, -1].tolist() == [0, 1, 1, 1, 1, 1, 1]
    assert not found.values[1:, :-1].any()
    assert found.values[0, :-1].sum() == 3


GOOD = png(poster(dark=True, draw=np.random.default_rng(1)))


@settings(max_examples=150, deadline=None)
@given(st.integers(0, len(GOOD) - 1), st.integers(0, 255), st.integers(0, len(GOOD)))
def test_any_damage_is_an_image_or_missing_and_never_an_error(place: int, byte: int, length: int) -> None:
    damaged = (GOOD[:place] + bytes([byte]) + GOOD[place + 1 :])[:length]

    found = decoded(damaged)

    assert found is None or found.mode == "RGB"


def bomb(side: int) -> bytes:
    """A small file that says it holds side x side pixels."""
    head = struct.pack(">IIBBBBB", side, side, 8, 2, 0, 0, 0)

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", zlib.compress(b"")) + chunk(b"IEND", b"")


@pytest.mark.parametrize("side", [6_000, 10_000, 60_000])
def test_an_image_that_would_unfold_into_gigabytes_is_broken(side: int) -> None:
    assert decoded(bomb(side)) is None


def test_too_large_a_file_is_broken(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(image_vectors, "MAX_BYTES", len(GOOD) - 1)

    assert decoded(GOOD) is None


def modes() -> Iterator[Image.Image]:
    image = poster(dark=False, draw=np.random.default_rng(2))
    for mode in ("1", "L", "P", "LA", "RGBA", "CMYK", "I", "F"):
        yield image.convert("LA" if mode == "LA" else mode)


def test_images_of_every_mode_and_size_have_a_vector_of_one_length() -> None:
    images = [*modes(), Image.new("RGB", (1, 1)), Image.new("L", (3, 500)), Image.new("RGB", (700, 2), "white")]
    for image in images:
        file = io.BytesIO()
        image.save(file, "TIFF")
        found = decoded(file.getvalue())
        assert found is not None
        for encoder in ENCODERS.values():
            vector = encoder.encode(found)
            assert vector.shape == (len(encoder.columns),)
            assert np.isfinite(vector).all()


def test_colours_are_shares_and_gradients_say_which_way_edges_run() -> None:
    striped = Image.fromarray(np.tile(np.repeat([0, 255], 8).astype(np.uint8), (64, 4)))
    angles = gradients(striped.convert("RGB")).reshape(-1, 8).sum(axis=0)
    turned = gradients(striped.rotate(90).convert("RGB")).reshape(-1, 8).sum(axis=0)

    assert colours(Image.new("RGB", (5, 7), (255, 0, 130))).nonzero()[0].tolist() == [15, 16, 40]
    assert (int(angles.argmax()), int(turned.argmax())) == (0, 4)
    assert np.isclose(np.sum(gradients(striped.convert("RGB")) ** 2), 1)
    assert not gradients(Image.new("RGB", (9, 9), "blue")).any()


def test_an_encoder_of_ones_own_is_named_and_used(monkeypatch: pytest.MonkeyPatch) -> None:
    width = ImageEncoder(("width",), lambda image: np.array([float(image.width)]))
    monkeypatch.setitem(ENCODERS, "width_v1", width)
    transform = Transform("w", 1, {"poster": pl.Binary}, (Block("p", Images("poster", "width_v1")),))
    images = frame(png(Image.new("RGB", (3, 4))), None)

    assert fit(transform, images).apply(images).values.tolist() == [[3, 0], [0, 1]]
