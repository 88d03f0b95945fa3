"""What becomes of rows that lack something: declared, or an error that names it."""

from __future__ import annotations

from typing import Any

import numpy as np
import polars as pl
import pytest
from sklearn.preprocessing import FunctionTransformer

from modal import EVERYTHING, SCHEMA, rows
from models.artefact import pack
from models.blocks_categories import Categories, Lists
from models.blocks_counts import Svd, TfIdf
from models.blocks_embeddings import Embedding
from models.blocks_estimators import Estimator
from models.blocks_numbers import Impute, Numbers, Scale
from models.blocks_text import Words
from models.errors import InputsMismatch, NothingToFit, StepFailed, UnknownStep, ValuesMissing
from models.fitted_transform import FittedTransform
from models.parts import Parts
from models.transform import Block, Transform
from models.transform_fit import fit

FITTED = fit(EVERYTHING, rows(60))


def sizes(*then: Any, normalise: Any = "none", kind: Any = pl.Float64) -> Transform:
    return Transform("sizes", 1, {"size": kind}, (Block("size", Numbers(("size",)), then, normalise),))


def frame(*values: Any, kind: Any = pl.Float64) -> pl.DataFrame:
    return pl.DataFrame({"size": values}, schema={"size": kind})


def test_all_columns_that_are_missing_or_of_other_types_are_named_at_once() -> None:
    wrong = rows(3).drop("size").with_columns(pl.col("count").cast(pl.Int32), shop=pl.lit(1), siz=pl.lit(1.0))

    with pytest.raises(InputsMismatch) as refused:
        FITTED.apply(wrong)

    assert "'size' (float64) is missing. Did you mean 'siz'?" in refused.value.what
    assert "'count' is int32, not int64." in refused.value.what
    assert "'shop' is int32, not string." in refused.value.what
    with pytest.raises(InputsMismatch):
        fit(EVERYTHING, wrong)


@pytest.mark.parametrize("given", [None, {"size": [1.0]}, pl.LazyFrame({"size": [1.0]})])
def test_only_frames_are_taken(given: Any) -> None:
    with pytest.raises(InputsMismatch, match=f"It got a {type(given).__name__}"):
        FITTED.apply(given)


@pytest.mark.parametrize("missing", [None, float("nan"), float("inf"), float("-inf")])
def test_a_missing_number_is_refused_with_its_place_unless_imputed(missing: float | None) -> None:
    plain, imputed = fit(sizes(), frame(1.0, 2.0, 6.0)), fit(sizes(Impute()), frame(1.0, None, 2.0, 6.0))

    with pytest.raises(ValuesMissing, match=r"1 of 2 rows miss a number of block 'size', e\.g\. 'size' at row 1"):
        plain.apply(frame(1.0, missing))
    with pytest.raises(ValuesMissing):
        fit(sizes(), frame(1.0, missing))
    assert imputed.names == ("size.size", "size.size:missing")
    assert imputed.apply(frame(1.0, missing)).values.tolist() == [[1, 0], [2, 1]]


def test_what_is_missing_throughout_training_is_filled_with_zero() -> None:
    fitted = fit(sizes(Impute("mean"), Scale()), frame(None, None))

    assert fitted.apply(frame(None, 3.0)).values.tolist() == [[0, 0], [3, -1]]


def test_an_unknown_category_is_other_and_a_missing_one_is_missing() -> None:
    shops = Transform("shops", 1, {"shop": pl.String}, (Block("shop", Categories("shop", min_rows=2)),))
    fitted = fit(shops, pl.DataFrame({"shop": ["b", "a", "b", "a", "rare", None]}))

    assert fitted.names == ("shop.shop=a", "shop.shop=b", "shop.shop:other", "shop.shop:missing")
    served = pl.DataFrame({"shop": ["a", "rare", "never seen", None, "b"]})
    assert fitted.apply(served).values.tolist() == [
        [1, 0, 0, 0],
        [0, 0, 1, 0],
        [0, 0, 1, 0],
        [0, 0, 0, 1],
        [0, 1, 0, 0],
    ]


def test_truth_values_and_whole_numbers_are_categories_too() -> None:
    for values, kind in (([True, False], pl.Boolean), ([7, 3], pl.Int32)):
        both = pl.DataFrame({"x": values}, schema={"x": kind})
        fitted = fit(Transform("x", 1, {"x": kind}, (Block("x", Categories("x")),)), both)
        assert fitted.apply(both).values.tolist() == [[0, 1, 0, 0], [1, 0, 0, 0]]


def test_lists_are_multi_hot_with_other_and_a_missing_list_is_empty() -> None:
    declared = Transform("genres", 1, {"genres": pl.List(pl.String)}, (Block("genres", Lists("genres")),))
    fitted = fit(declared, pl.DataFrame({"genres": [["b", "a"], ["a"]]}))

    served = pl.DataFrame({"genres": [["a", "a", "b"], ["new", "b", None], [], None]}, schema=declared_schema(declared))
    assert fitted.names == ("genres.genres=a", "genres.genres=b", "genres.genres:other")
    assert fitted.apply(served).values.tolist() == [[1, 1, 0], [0, 1, 1], [0, 0, 0], [0, 0, 0]]


def declared_schema(transform: Transform) -> dict[str, Any]:
    return {name: SCHEMA[name] for name in transform.inputs}


def test_a_vector_of_another_length_is_refused_and_a_broken_one_masked() -> None:
    declared = Transform("v", 1, {"vector": pl.List(pl.Float32)}, (Block("v", Embedding("vector", 2)),))
    schema = declared_schema(declared)
    fitted = fit(declared, pl.DataFrame({"vector": [[1.0, 2.0]]}, schema=schema))

    served = pl.DataFrame({"vector": [[1.0, 2.0], None, [1.0, float("nan")], [3.0, None]]}, schema=schema)
    assert fitted.apply(served).values.tolist() == [[1, 2, 0], [0, 0, 1], [0, 0, 1], [0, 0, 1]]
    with pytest.raises(StepFailed, match="1 vectors of 'vector' are not 2 long"):
        fitted.apply(pl.DataFrame({"vector": [[1.0], [1.0, 2.0]]}, schema=schema))


NOTHING: dict[str, tuple[Transform, pl.DataFrame]] = {
    "no rows": (EVERYTHING, rows(0)),
    "no word twice": (
        Transform("t", 1, {"text": pl.String}, (Block("t", Words("text", min_rows=2)),)),
        pl.DataFrame({"text": ["one", "two"]}),
    ),
    "no text": (
        Transform("t", 1, {"text": pl.String}, (Block("t", Words("text")),)),
        pl.DataFrame({"text": [None, "!"]}),
    ),
    "no level": (
        Transform("g", 1, {"genres": pl.List(pl.String)}, (Block("g", Lists("genres", other=False)),)),
        pl.DataFrame({"genres": [None, []]}, schema={"genres": pl.List(pl.String)}),
    ),
}


@pytest.mark.parametrize("case", NOTHING)
def test_rows_from_which_nothing_can_be_learnt_are_refused(case: str) -> None:
    with pytest.raises(NothingToFit) as refused:
        fit(*NOTHING[case])

    assert "was not fitted" in str(refused.value)


@pytest.mark.parametrize("how", ["standard", "robust", "quantile", "power"])
@pytest.mark.parametrize("values", [(5.0, 5.0, 5.0), (5.0,)], ids=["constant", "single row"])
def test_a_constant_column_and_a_single_row_can_be_scaled(how: Any, values: tuple[float, ...]) -> None:
    made = fit(sizes(Scale(how)), frame(*values)).apply(frame(*values, 7.0)).values

    assert np.isfinite(made).all()
    assert len(set(made[:-1, 0].tolist())) == 1


@pytest.mark.parametrize("normalise", ["unit", "zscore"])
def test_a_constant_block_is_normalised_to_zero(normalise: Any) -> None:
    assert not fit(sizes(normalise=normalise), frame(0.1, 0.1, 0.1)).apply(frame(0.1, 0.1)).values.any()


def test_a_single_row_of_every_modality_can_be_fitted() -> None:
    single = rows(40).filter(pl.col("text").str.len_bytes() > 2, pl.col("seen").list.len() > 2).head(1)
    pictured = EVERYTHING.weighted({**EVERYTHING.weights, "vector": 0, "pixels": 0})

    assert np.isfinite(fit(pictured, single).apply(rows(9)).values).all()


def test_an_estimator_that_refuses_its_rows_is_named() -> None:
    fitted = fit(sizes(Estimator(FunctionTransformer(np.sqrt))), frame(1.0, 4.0))
    strict = sizes(TfIdf())

    assert fitted.apply(frame(9.0)).values.tolist() == [[3]]
    with pytest.raises(StepFailed, match="Block 'size', InverseFrequencies"):
        fit(strict, frame(-1.0, 4.0))


def test_values_beyond_float32_are_refused() -> None:
    with pytest.raises(StepFailed, match="float32 does not hold"):
        fit(sizes(), frame(1.0)).apply(frame(1e300))


def test_a_block_of_weight_zero_is_neither_fitted_nor_asked_for() -> None:
    off = EVERYTHING.weighted({**EVERYTHING.weights, "picture": 0, "pixels": 0})

    fitted = fit(off, rows(60).drop("picture"))

    assert not any(name.startswith(("picture", "pixels")) for name in fitted.names)
    assert fitted.apply(rows(5).drop("picture")).values.shape == (5, len(fitted.names))


def test_what_is_learnt_depends_on_the_training_rows_only_and_on_each_of_them() -> None:
    everything = rows(80)
    train, test = everything.head(60), everything.tail(20)
    perturbed = pl.concat([train, test.with_columns(pl.col("size") * 1000, text=pl.lit("perturbed"))])

    found = pack(fit(EVERYTHING, train)).content

    assert pack(fit(EVERYTHING, perturbed.head(60))).content == found
    assert pack(fit(EVERYTHING, everything)).content != found


def test_a_stored_transform_of_unknown_steps_is_refused() -> None:
    parts = fit(sizes(Scale()), frame(1.0, 2.0)).parts()
    state: Any = dict(parts.state)
    state["blocks"] = [{**state["blocks"][0], "steps": ["Unheard"]}]

    with pytest.raises(UnknownStep, match="'Unheard'"):
        FittedTransform.of(Parts(state, parts.arrays, parts.estimators))


def test_a_decomposition_has_at_most_as_many_components_as_the_data() -> None:
    seen = Block("seen", Lists("seen", other=False), then=(Svd(16),))
    declared = Transform("seen", 1, {"seen": pl.List(pl.Int64)}, (seen,))
    schema = declared_schema(declared)

    for lists, width in (([[1], [2], [1, 2]], 2), ([[1, 2, 3, 4]], 1), ([[5], [5]], 1)):
        given = pl.DataFrame({"seen": lists}, schema=schema)
        assert fit(declared, given).apply(given).values.shape == (len(lists), width)
