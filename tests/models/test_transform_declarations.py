from __future__ import annotations

from typing import Any

import polars as pl
import pytest
from sklearn.decomposition import PCA

from feature_groups.store.errors import AlluviaError, InvalidDeclaration
from modal import EVERYTHING, SCHEMA
from models.blocks_categories import Categories, Lists
from models.blocks_counts import Svd, TfIdf
from models.blocks_embeddings import Embedding
from models.blocks_estimators import Estimator
from models.blocks_images import Images
from models.blocks_numbers import Buckets, Impute, Numbers, Scale
from models.blocks_text import HashedWords, Sentiment, Words
from models.errors import InvalidTransform, InvalidWeights, UnknownStep
from models.transform import Block, Transform

SIZE = Block("size", Numbers(("size",)))
GOOD: dict[str, Any] = {"name": "sizes", "version": 1, "inputs": {"size": pl.Float64}, "blocks": (SIZE,)}


def test_a_declaration_is_a_value_named_by_name_and_version() -> None:
    assert Transform(**GOOD) == Transform(**GOOD)
    assert hash(Transform(**GOOD)) == hash(Transform(**GOOD))
    assert Transform(**GOOD).id == "sizes_v1"
    assert Transform(**GOOD).inputs == {"size": "float64"}
    assert Transform(**{**GOOD, "inputs": {"size": "float64"}}) == Transform(**GOOD)


def test_declarations_that_say_the_same_are_equal_also_with_estimators() -> None:
    def declared(n: int) -> Transform:
        block = Block("size", Numbers(("size",)), then=(Estimator(PCA(n, random_state=0)),))
        return Transform(**{**GOOD, "blocks": (block,)})

    assert declared(1) == declared(1)
    assert declared(1) != declared(2)
    with pytest.raises(TypeError):
        declared(1).inputs["size"] = "string"  # type: ignore[index]  # wrong on purpose


CHANGED: dict[str, dict[str, Any]] = {
    "name": {"name": "other"},
    "version": {"version": 2},
    "type of an input": {"inputs": {"size": pl.Float32}},
    "step": {"blocks": (Block("size", Numbers(("size",)), then=(Scale("robust"),)),)},
    "normalisation": {"blocks": (Block("size", Numbers(("size",)), normalise="unit"),)},
    "weight": {"blocks": (Block("size", Numbers(("size",)), weight=0.5),)},
}


@pytest.mark.parametrize("change", CHANGED)
def test_any_change_changes_the_fingerprint(change: str) -> None:
    assert Transform(**{**GOOD, **CHANGED[change]}).fingerprint != Transform(**GOOD).fingerprint


REFUSED: dict[str, tuple[dict[str, Any], str]] = {
    "a version of 0": ({"version": 0}, "version is 0"),
    "no block": ({"blocks": ()}, "Its blocks are []"),
    "two blocks of one name": ({"blocks": (SIZE, SIZE)}, "Its blocks are ['size', 'size']"),
    "an input nobody reads": ({"inputs": {"size": pl.Float64, "colour": pl.String}}, "No block reads ['colour']"),
    "an input not declared": ({"inputs": {"sizes": pl.Float64}}, "Did you mean 'sizes'?"),
    "a type that is not stored": ({"inputs": {"size": pl.UInt8}}, "Input 'size': UInt8 is not storable"),
    "a type the encoder does not take": ({"inputs": {"size": pl.String}}, "Numbers does not take 'size', string"),
    # Wrong on purpose.
    "a normalisation unheard of": ({"blocks": (Block("size", Numbers(("size",)), normalise="l3"),)}, "normalise='l3'"),  # type: ignore[arg-type]
    # Wrong on purpose.
    "an encoder as a step": ({"blocks": (Block("size", Numbers(("size",)), then=(Numbers(("size",)),)),)}, "Numbers"),  # type: ignore[arg-type]
    "late imputing": ({"blocks": (Block("size", Numbers(("size",)), then=(Scale(), Impute())),)}, "imputes after"),
    "nothing encoded": ({"blocks": (Block("size", ()),)}, "encodes nothing"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_what_cannot_be_meant_is_refused_when_declared(case: str) -> None:
    change, said = REFUSED[case]

    with pytest.raises(InvalidTransform) as refused:
        Transform(**{**GOOD, **change})

    assert said in str(refused.value)
    assert refused.value.next_step.endswith(".")


@pytest.mark.parametrize("name", ["Sizes", "", "select", "a b", "x" * 64])
def test_names_are_names(name: str) -> None:
    with pytest.raises(InvalidDeclaration):
        Transform(**{**GOOD, "name": name})
    with pytest.raises(InvalidDeclaration):
        Transform(**{**GOOD, "blocks": (Block(name, Numbers(("size",))),)})


STEPS: dict[str, Any] = {
    "no column": lambda: Numbers(()),
    "text for a tuple": lambda: Numbers("size"),  # type: ignore[arg-type]  # wrong on purpose
    "a column twice": lambda: Numbers(("size", "size")),
    "scale 0": lambda: Numbers(("size",), scale=0),
    "power 0": lambda: Numbers(("size",), powers=(0,)),
    "edges that descend": lambda: Buckets("size", (2.0, 1.0)),
    "no edge": lambda: Buckets("size", ()),
    "an edge that is no number": lambda: Buckets("size", (float("nan"),)),
    "imputing by magic": lambda: Impute("magic"),  # type: ignore[arg-type]  # wrong on purpose
    "scaling by magic": lambda: Scale("magic"),  # type: ignore[arg-type]  # wrong on purpose
    "levels of no row": lambda: Categories("shop", min_rows=0),
    "list levels of no row": lambda: Lists("genres", min_rows=0),
    "runs of no word": lambda: Words("text", ngrams=(0, 1)),
    "no word": lambda: Words("text", max_words=0),
    "no bucket": lambda: HashedWords("text", buckets=0),
    "a lexicon in capitals": lambda: Sentiment("text", (("Good", 1.0),)),
    "no component": lambda: Svd(0),
    "no dimension": lambda: Embedding("vector", 0),
    "what does not transform": lambda: Estimator(object()),
}


@pytest.mark.parametrize("case", STEPS)
def test_steps_that_cannot_be_meant_are_refused_when_declared(case: str) -> None:
    with pytest.raises(InvalidTransform):
        STEPS[case]()


def test_an_unknown_image_encoder_is_refused_when_declared() -> None:
    with pytest.raises(UnknownStep, match="colours_and_gradients"):
        Images("picture", encoder="clip")


@pytest.mark.parametrize(
    ("weights", "said"),
    [
        ({"size": -1.0}, "'size' has the weight -1"),
        ({"size": float("nan")}, "'size' has the weight nan"),
        ({"size": float("inf")}, "'size' has the weight inf"),
        ({"size": 0.0}, "every block is switched off"),
        ({}, "'size' has no weight"),
        ({"size": 1.0, "sise": 1.0}, "there is no block 'sise'"),
    ],
)
def test_weights_are_one_for_each_block_and_some_above_zero(weights: dict[str, float], said: str) -> None:
    with pytest.raises(InvalidWeights, match=said):
        Transform(**GOOD).weighted(weights)


def test_weights_can_be_declared_anew() -> None:
    lighter = EVERYTHING.weighted({**EVERYTHING.weights, "words": 0.1})

    assert lighter.weights == {**EVERYTHING.weights, "words": 0.1}
    assert lighter.fingerprint != EVERYTHING.fingerprint


def test_every_error_names_its_code_and_what_to_do() -> None:
    with pytest.raises(AlluviaError) as refused:
        Transform("films", 1, SCHEMA, (Block("text", Words("text"), then=(TfIdf(),)),))

    assert str(refused.value).startswith("M200 invalid transform: transform 'films' v1 was not declared.\n")
    assert "Next: declare only what is read." in str(refused.value)
