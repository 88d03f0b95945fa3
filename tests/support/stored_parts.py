"""Parts written to a folder and read again, and their digest: what a release does, in a few lines."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

import numpy as np
import skops.io

from models.parts import Parts


def write(parts: Parts, folder: Path) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "state.json").write_text(json.dumps(parts.state, allow_nan=False))
    names = {"arrays": list(parts.arrays), "estimators": list(parts.estimators)}
    (folder / "names.json").write_text(json.dumps(names))
    for n, array in enumerate(parts.arrays.values()):
        np.save(folder / f"{n}.npy", array, allow_pickle=False)
    for n, estimator in enumerate(parts.estimators.values()):
        (folder / f"{n}.skops").write_bytes(skops.io.dumps(estimator))


def read(folder: Path) -> Parts:
    """Only what skops trusts by itself is read."""
    names = json.loads((folder / "names.json").read_text())
    arrays = {name: np.load(folder / f"{n}.npy", allow_pickle=False) for n, name in enumerate(names["arrays"])}
    estimators = {
        name: skops.io.loads((folder / f"{n}.skops").read_bytes(), trusted=[])
        for n, name in enumerate(names["estimators"])
    }
    return Parts(json.loads((folder / "state.json").read_text()), arrays, estimators)


def digest(parts: Parts) -> str:
    """sha256 of all of it, estimators by what they hold."""
    found = hashlib.sha256(json.dumps(parts.state, sort_keys=True).encode())
    for name, array in sorted(parts.arrays.items()):
        found.update(f"{name} {array.dtype} {array.shape}".encode())
        found.update(np.ascontiguousarray(array).tobytes())
    for name, estimator in sorted(parts.estimators.items()):
        found.update(name.encode())
        for attribute, value in sorted(vars(estimator).items()):
            held = value.tobytes() if isinstance(value, np.ndarray) else repr(value).encode()
            found.update(attribute.encode() + held)
    return found.hexdigest()
