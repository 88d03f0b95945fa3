"""Fitted scikit-learn estimators as bytes by skops, the same bytes for the same fitted state in every process.

skops writes addresses of objects and the hour into its files, sets in hash order, and padding of structured arrays as
it lies in memory. Here the description is rewritten: no addresses, arrays named by their content, sets sorted, dates
fixed. Types are compared with our own list when saving and before loading.
"""

from __future__ import annotations

import hashlib
import io
import json
from collections.abc import Iterator
from typing import Any

import numpy as np

from feature_groups.store.errors import AlluviaError
from models.errors import ArtefactDamaged, InvalidParts, UntrustedType
from models.still_zip import read_zip, still_zip
from models.trusted import LOADERS, TRUSTED

_SCHEMA = "schema.json"
_ADDRESS = "__id__"
_NPY = (3, 0)
_NEIGHBOUR_TREES = frozenset({"KDTree", "BallTree"})
_WORK = slice(7, 11)
"""Where the state of such a tree counts the work done so far: it grows with every question asked of it."""
_KEPT_ADDRESSES = frozenset({"_stop_words_id"})
"""Attributes in which scikit-learn keeps an address; any other value than the present one is looked up anew."""


def estimator_to_bytes(estimator: object, where: str) -> bytes:
    """A fitted estimator as a skops file of reproducible bytes.

    Args:
        estimator: Of trusted types throughout.
        where: Names it in errors.

    Raises:
        UntrustedType: It holds a type that is not in our list, a function for example; names it.
        InvalidParts: skops cannot save it.
    """
    import skops.io  # takes half a second, which a process without estimators does not pay

    try:
        members = read_zip(skops.io.dumps(estimator))
    except Exception as error:  # skops raises whatever the object's own state raises
        raise InvalidParts(
            where,
            what=f"skops cannot save a {type(estimator).__name__}: {error}",
            state="was not saved",
            next_step="store its arrays and settings instead, or another estimator.",
        ) from error
    schema = json.loads(members.pop(_SCHEMA))
    _check_types(schema, where, "was not saved")
    named = {name: _named(name, data) for name, data in members.items()}
    files = dict(named.values())
    files[_SCHEMA] = json.dumps(_still(schema, {old: new for old, (new, _) in named.items()})).encode()
    return still_zip(files)


def estimator_from_bytes(data: bytes, where: str) -> Any:
    """The estimator of a skops file whose hash has been compared.

    Raises:
        UntrustedType: The file describes a type, or a way to make one, that is not in our list; nothing was made.
        ArtefactDamaged: It is no skops file of the version installed here.
    """
    import skops.io
    from skops.io._protocol import PROTOCOL

    try:
        schema = json.loads(read_zip(data)[_SCHEMA])
        if schema["protocol"] != PROTOCOL:  # older ones choose older, laxer code
            raise ValueError(f"protocol {schema['protocol']!r}, not {PROTOCOL}")  # noqa: TRY301  # told below
        _check_types(schema, where, "was not loaded")
        return skops.io.loads(data, trusted=sorted(TRUSTED))
    except AlluviaError:
        raise
    except Exception as error:  # what skops, NumPy and scikit-learn make of a malformed file
        raise ArtefactDamaged(
            where,
            what=f"It is no estimator that can be read: {type(error).__name__}: {error}",
            state="was not loaded",
            next_step="release the model again from its training dataset.",
        ) from error


def _check_types(schema: Any, where: str, state: str) -> None:
    unknown = sorted({name for name in _types(schema) if name not in TRUSTED})
    ways = sorted({str(way) for way in _ways(schema) if way not in LOADERS})
    if unknown or ways:
        found = [*unknown, *(f"{way} (a way to make objects)" for way in ways)]
        raise UntrustedType(
            where,
            what=f"It holds {len(found)} that are not in our list of trusted types: {', '.join(found[:5])}.",
            state=state,
            next_step="use an estimator without functions and foreign classes; models/trusted.py is the list.",
        )


def _nodes(value: Any) -> Iterator[dict[str, Any]]:
    waiting = [value]
    while waiting:
        node = waiting.pop()
        if isinstance(node, dict):
            yield node
            waiting += node.values()
        elif isinstance(node, list):
            waiting += node


def _types(schema: Any) -> Iterator[str]:
    for node in _nodes(schema):
        if "__class__" in node or "__module__" in node:
            yield f"{node.get('__module__')}.{node.get('__class__')}"


def _ways(schema: Any) -> Iterator[object]:
    return (node["__loader__"] for node in _nodes(schema) if "__loader__" in node)


def _still(value: Any, names: dict[str, str]) -> Any:
    """A description without addresses and counts of work, its files renamed, its sets sorted."""
    if isinstance(value, list):
        return [_still(item, names) for item in value]
    if not isinstance(value, dict):
        return value
    made = {key: _still(item, names) for key, item in value.items() if key != _ADDRESS}
    for key in _KEPT_ADDRESSES & made.keys():
        made[key] = {**made[key], "content": "0"}
    if made.get("__class__") in _NEIGHBOUR_TREES:
        for node in made["content"]["content"][_WORK]:
            node["content"] = "0"
    if made.get("__loader__") == "SetNode":
        made["content"] = sorted(made["content"], key=json.dumps)
    if isinstance(made.get("file"), str) and "__loader__" in made:
        made["file"] = names[made["file"]]
    return made


def _named(name: str, data: bytes) -> tuple[str, bytes]:
    """A file's content without what varies, and the name that it has by that content."""
    kind = name.rpartition(".")[2]
    if kind == "npz":
        data = still_zip({inner: _array(content) for inner, content in read_zip(data, compressed=True).items()})
    elif kind == "npy":
        data = _array(data)
    return f"{hashlib.sha256(data).hexdigest()[:32]}.{kind}", data


def _array(data: bytes) -> bytes:
    """An .npy file in the form of `npy`."""
    return npy(np.lib.format.read_array(io.BytesIO(data), allow_pickle=False))


def npy(array: np.ndarray[Any, Any]) -> bytes:
    """An array in NumPy's own format, without pickles; padding between fields, if it has any, is zero.

    Raises:
        ValueError: Its dtype is no fixed-size one.
    """
    if array.dtype.names is not None:
        clean = np.zeros(array.shape, array.dtype)
        for field in array.dtype.names:
            clean[field] = array[field]
        array = clean
    buffer = io.BytesIO()
    np.lib.format.write_array(buffer, array, version=_NPY, allow_pickle=False)
    return buffer.getvalue()
