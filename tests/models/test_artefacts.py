"""Artefacts: what was packed comes back bit for bit, and nothing else comes in."""

from __future__ import annotations

import gzip
import hashlib
import io
import json
import pickle
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from numpy.typing import NDArray
from sklearn.linear_model import LogisticRegression

import models.artefact
from members import Bag, Gate, weights
from models.artefact import made_with, pack, unpack
from models.errors import ArtefactDamaged, InvalidParts, LibraryDiffers, UntrustedType
from models.parts import Parts
from models.still_zip import read_zip, still_zip

PLAIN = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=10,
)
NAMES = st.from_regex(r"[A-Za-z][A-Za-z0-9_.]{0,20}", fullmatch=True)
DTYPES = hnp.scalar_dtypes() | st.just(np.dtype([("flag", "?"), ("größe", "<f8")]))
ARRAYS = hnp.arrays(DTYPES, hnp.array_shapes(min_dims=0, min_side=0, max_side=4))


def sha(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def same(a: NDArray[Any], b: NDArray[Any]) -> bool:
    return (
        a.dtype == b.dtype
        and a.shape == b.shape
        and a.flags.f_contiguous == b.flags.f_contiguous
        and (a.tobytes("A") == b.tobytes("A"))
    )


@settings(max_examples=60, deadline=None)
@given(state=st.dictionaries(st.text(), PLAIN, max_size=4), arrays=st.dictionaries(NAMES, ARRAYS, max_size=3))
def test_state_and_arrays_come_back_as_they_were(state: dict[str, Any], arrays: dict[str, NDArray[Any]]) -> None:
    packed = pack(Bag(Parts(state, arrays)))
    back = unpack(packed.data, packed.sha256)
    assert back.state == state
    assert json.dumps(back.state, sort_keys=True) == json.dumps(state, sort_keys=True)
    assert back.arrays.keys() == arrays.keys()
    assert all(same(back.arrays[name], arrays[name]) for name in arrays)
    again = pack(Bag(back))
    assert (again.content, again.data) == (packed.content, packed.data)


def test_columns_first_stays_columns_first() -> None:
    array = np.asfortranarray(np.arange(6.0).reshape(2, 3))
    packed = pack(Bag(Parts(arrays={"a": array})))
    assert unpack(packed.data, packed.sha256).arrays["a"].flags.f_contiguous


def test_equal_members_have_one_content_and_other_members_another() -> None:
    assert pack(weights(1)).data == pack(weights(1)).data
    contents = {pack(m).content for m in (weights(1), weights(2), weights(1, "other"), Bag(weights(1).parts()))}
    assert len(contents) == 4


def test_the_versions_it_was_made_with_are_not_part_of_the_content(monkeypatch: pytest.MonkeyPatch) -> None:
    here = pack(Gate.fitted())
    monkeypatch.setattr(models.artefact, "made_with", lambda: {**made_with(), "numpy": "2.0.0"})
    there = pack(Gate.fitted())
    assert there.content == here.content
    assert there.sha256 != here.sha256


def test_three_hundred_flipped_bytes_are_found_before_anything_is_parsed(monkeypatch: pytest.MonkeyPatch) -> None:
    packed = pack(Gate.fitted())
    monkeypatch.setattr(models.artefact, "read_zip", lambda data: pytest.fail("parsed"))
    random = np.random.default_rng(31)
    places = random.choice(len(packed.data), 300, replace=False)
    for place, flip in zip(places, random.integers(1, 256, 300), strict=True):
        data = bytearray(packed.data)
        data[place] ^= flip
        with pytest.raises(ArtefactDamaged, match="nothing of it was parsed"):
            unpack(bytes(data), packed.sha256)
    for cut in (0, 1, len(packed.data) - 1):
        with pytest.raises(ArtefactDamaged, match="nothing of it was parsed"):
            unpack(packed.data[:cut], packed.sha256)


class Canary:
    """Runs when it is unpickled."""

    def __reduce__(self) -> tuple[Any, ...]:
        return Path.touch, (Path("canary"),)


def changed(packed: bytes, **files: bytes | None) -> bytes:
    """The archive with files replaced, added, or left out."""
    every: dict[str, bytes | None] = {**read_zip(packed), **files}
    return still_zip({name: data for name, data in every.items() if data is not None})


def object_array() -> bytes:
    buffer = io.BytesIO()
    np.save(buffer, np.array([Canary()], dtype=object), allow_pickle=True)
    return buffer.getvalue()


def skops_with(node: dict[str, Any]) -> bytes:
    files = read_zip(read_zip(pack(Gate.fitted()).data)["estimators/model.skops"])
    schema = json.loads(files["schema.json"])
    schema["content"]["content"]["verbose"] = node
    return still_zip({**files, "schema.json": json.dumps(schema).encode()})


SYSTEM = {"__class__": "system", "__module__": "posix", "__loader__": "FunctionNode"}
METHOD = {
    "__class__": "LogisticRegression",
    "__module__": "sklearn.linear_model._logistic",
    "__loader__": "OperatorFuncNode",
    "attrs": {"__class__": "list", "__module__": "builtins", "__loader__": "ListNode", "content": []},
}


def hostile() -> dict[str, bytes]:
    whole = pack(Gate.fitted()).data
    plain = pack(weights(1)).data
    trusting = {"trusted.json": b'["posix.system"]', "estimators/model.skops": skops_with(SYSTEM)}
    return {
        "pickle": pickle.dumps(Canary()),
        "gzipped pickle": gzip.compress(pickle.dumps(Canary())),
        "pickle as an array": changed(plain, **{"arrays/weights.npy": pickle.dumps(Canary())}),
        "array of objects": changed(plain, **{"arrays/weights.npy": object_array()}),
        "path out of the folder": changed(plain, **{"../../evil.npy": b""}),
        "path out of the arrays": changed(plain, **{"arrays/../evil.npy": read_zip(plain)["arrays/weights.npy"]}),
        "pickle as an estimator": changed(whole, **{"estimators/model.skops": pickle.dumps(Canary())}),
        "function as a parameter": changed(whole, **{"estimators/model.skops": skops_with(SYSTEM)}),
        "another way to make objects": changed(whole, **{"estimators/model.skops": skops_with(METHOD)}),
        "its own list of trusted types": changed(whole, **trusting),
        "no state": changed(plain, **{"state.json": None}),
        "YAML for JSON": changed(plain, **{"state.json": b"!!python/object/apply:os.system [touch canary]"}),
        "brackets without end": changed(plain, **{"state.json": b"[" * 100_000}),
    }


@pytest.mark.parametrize("name", hostile())
def test_what_is_hostile_is_refused_even_where_its_hash_is_registered(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    data = hostile()[name]
    with pytest.raises((ArtefactDamaged, UntrustedType)):
        unpack(data, sha(data))
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("name", "named"),
    [
        ("function as a parameter", r"posix\.system"),
        ("another way to make objects", r"OperatorFuncNode \(a way to make objects\)"),
        ("its own list of trusted types", "files that do not belong there"),
    ],
)
def test_the_refusal_names_what_was_found(name: str, named: str) -> None:
    data = hostile()[name]
    with pytest.raises((ArtefactDamaged, UntrustedType), match=named):
        unpack(data, sha(data))


def test_another_minor_version_of_scikit_learn_is_refused_and_another_patch_is_not(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def made(version: str) -> bytes:
        monkeypatch.setattr(models.artefact, "made_with", lambda: {**made_with(), "scikit-learn": version})
        return pack(Gate.fitted()).data

    other, patch = made("1.8.2"), made("1.9.99")
    with pytest.raises(LibraryDiffers, match=r"scikit-learn 1\.8\.2.*\n.*install scikit-learn 1\.8\.\*"):
        unpack(other, sha(other), "router")
    assert "model" in unpack(patch, sha(patch)).estimators


def test_arrays_are_read_whatever_scikit_learn_they_were_made_beside(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(models.artefact, "made_with", lambda: {**made_with(), "scikit-learn": "1.8.2"})
    packed = pack(weights(1))
    assert "weights" in unpack(packed.data, packed.sha256).arrays


class Own(LogisticRegression):
    """A class that nobody listed."""


@pytest.mark.parametrize(
    ("parts", "said"),
    [
        (Parts({"a": (1, 2)}), r"state\['a'\] is a tuple"),
        (Parts({"a": [float("nan")]}), r"state\['a'\]\[0\] is nan"),
        (Parts({"a": np.float64(1)}), r"state\['a'\] is a float64"),
        (Parts({"a": {1: 2}}), "the key 1"),  # type: ignore[dict-item]  # wrong on purpose
        (Parts(arrays={"a": np.array([{}], dtype=object)}), "dtype object has no fixed size"),
        (Parts(arrays={"a": np.array(["x"], dtype=np.dtypes.StringDType())}), "no fixed size"),
        (Parts(arrays={"a": np.ma.masked_array([1.0], [True])}), "is a MaskedArray"),
        (Parts(arrays={"a": [1.0]}), "is a list"),  # type: ignore[dict-item]  # wrong on purpose
        (Parts(arrays={"../a": np.zeros(1)}), "'../a' does not match"),
        (Parts(arrays={"": np.zeros(1)}), "'' does not match"),
        (Parts(estimators={"a\n": LogisticRegression()}), "does not match"),
    ],
)
def test_what_would_not_come_back_is_refused_by_name(parts: Parts, said: str) -> None:
    with pytest.raises(InvalidParts, match=said):
        pack(Bag(parts))


@pytest.mark.parametrize(
    ("estimator", "named"),
    [(Own(), "Own"), (LogisticRegression(class_weight=len), "builtins.len"), (LogisticRegression(C=Path), "Path")],
)
def test_a_type_that_is_not_in_our_list_is_refused_when_saving(estimator: Any, named: str) -> None:
    with pytest.raises(UntrustedType, match=named):
        pack(Gate(estimator))
