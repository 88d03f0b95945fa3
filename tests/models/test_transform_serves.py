"""The same fitted transform serves a batch, its single rows in any order, and another process: to the last bit."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from modal import EVERYTHING, SCHEMA, rows
from models.artefact import pack, unpack
from models.fitted_transform import FittedTransform
from models.row_wise import in_padded_blocks, product
from models.transform_fit import fit

TRAINED_ON = rows(150, seed=1)
FITTED = fit(EVERYTHING, TRAINED_ON)
SERVED = rows(130, seed=2)
EXPECTED = FITTED.apply(SERVED).values


def test_the_matrix_is_finite_float32_with_named_columns() -> None:
    matrix = FITTED.apply(SERVED)

    assert matrix.values.dtype == np.float32
    assert matrix.values.flags["C_CONTIGUOUS"]
    assert matrix.values.shape == (130, len(matrix.names)) == (130, len(set(matrix.names)))
    assert np.isfinite(matrix.values).all()
    assert {name.partition(".")[0] for name in matrix.names} == set(EVERYTHING.weights)
    assert "shop.shop:other" in matrix.names
    assert (matrix.values.std(axis=0) > 0).mean() > 0.8


def test_single_rows_are_what_they_are_in_a_batch() -> None:
    alone = [FITTED.apply(SERVED[n : n + 1]).values for n in range(SERVED.height)]

    assert np.concatenate(alone).tobytes() == EXPECTED.tobytes()


@settings(max_examples=15, deadline=None)
@given(st.lists(st.integers(0, 129), min_size=1, max_size=200))
def test_rows_in_any_order_and_number_are_what_they_are_in_a_batch(chosen: list[int]) -> None:
    assert FITTED.apply(SERVED[chosen]).values.tobytes() == EXPECTED[chosen].tobytes()


def test_other_columns_and_their_order_change_nothing() -> None:
    more = SERVED.with_columns(pl.lit(1).alias("unheard_of")).select(sorted(SERVED.columns, reverse=True))

    assert FITTED.apply(more).values.tobytes() == EXPECTED.tobytes()


def test_a_restored_transform_serves_the_same_bytes() -> None:
    stored = pack(FITTED)

    restored = FittedTransform.of(unpack(stored.data, stored.sha256))

    assert restored.names == FITTED.names
    assert pack(restored).content == stored.content == pack(fit(EVERYTHING, TRAINED_ON)).content
    assert restored.apply(SERVED).values.tobytes() == EXPECTED.tobytes()
    assert restored.apply(SERVED[7:8]).values.tobytes() == EXPECTED[7:8].tobytes()


CHILD = """
import sys
from pathlib import Path
import polars as pl
from models.artefact import unpack
from models.fitted_transform import FittedTransform
folder = Path(sys.argv[1])
fitted = FittedTransform.of(unpack((folder / "stored").read_bytes(), sys.argv[2]))
(folder / "served").write_bytes(fitted.apply(pl.read_parquet(folder / "rows")).values.tobytes())
fitting = {"models.transform_fit", "models.step_fits"} & set(sys.modules)
assert not fitting, fitting
"""


def test_another_process_serves_the_same_bytes_and_cannot_fit(tmp_path: Path) -> None:
    stored = pack(FITTED)
    (tmp_path / "stored").write_bytes(stored.data)
    SERVED.write_parquet(tmp_path / "rows")

    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[2]), "OPENBLAS_NUM_THREADS": "2"}
    command = [sys.executable, "-c", CHILD, str(tmp_path), stored.sha256]
    subprocess.run(command, check=True, env=environment)

    assert (tmp_path / "served").read_bytes() == EXPECTED.tobytes()


def test_sparse_rows_are_the_same_numbers() -> None:
    sparse = FITTED.apply_sparse(SERVED)

    assert sparse.dtype == np.float32
    assert np.array_equal(sparse.toarray(), EXPECTED)


def test_no_rows_make_an_empty_matrix() -> None:
    empty = pl.DataFrame(schema=SCHEMA)

    assert FITTED.apply(empty).values.shape == (0, len(FITTED.names)) == FITTED.apply_sparse(empty).shape


@pytest.mark.parametrize("width", [3, 115, 1000])
def test_products_do_not_depend_on_the_batch_where_plain_ones_do(width: int) -> None:
    draw = np.random.default_rng(0)
    batch, weights = draw.normal(size=(200, width)), draw.normal(size=(width, 64))

    whole = product(batch, weights)

    assert np.allclose(whole, batch @ weights)
    assert all(np.array_equal(product(batch[n : n + 1], weights)[0], whole[n]) for n in range(200))


def test_padded_blocks_always_call_with_one_shape() -> None:
    shapes = set()

    def double(block: np.ndarray) -> np.ndarray:
        shapes.add(block.shape)
        return block * 2

    found = np.arange(300.0).reshape(100, 3)

    assert np.array_equal(in_padded_blocks(double, found, size=32), found * 2)
    assert shapes == {(32, 3)}


def test_weights_change_the_matrix_but_not_what_was_learnt() -> None:
    heavier = FITTED.weighted({**FITTED.weights, "words": 0.6, "seen": 0})

    place = [n for n, name in enumerate(FITTED.names) if name.startswith("words.")]
    there = [n for n, name in enumerate(heavier.names) if name.startswith("words.")]
    assert np.allclose(heavier.apply(SERVED).values[:, there], 2 * EXPECTED[:, place], rtol=1e-6)
    assert not any(name.startswith("seen.") for name in heavier.names)
    assert "seen" not in heavier.reads
    assert np.array_equal(heavier.apply(SERVED.drop("seen")).values, heavier.apply(SERVED).values)
    assert FITTED.blocks_of(SERVED).weighted(FITTED.weights).names == FITTED.names
    assert np.array_equal(FITTED.blocks_of(SERVED).weighted(FITTED.weights).values, EXPECTED)
