"""Artefacts: a member's parts as bytes and back, bit for bit, never by pickle.

An artefact is a stored zip: ``artefact.json`` (what it is, and with which versions it was made), ``state.json``
(canonical), ``arrays/<name>.npy``, ``estimators/<name>.skops``. Two hashes name it:

- ``content``: of what the member is; the same member made again, anywhere, has the same one;
- ``sha256``: of the bytes; kept by the registry, not beside the file, and compared before anything is parsed.
"""

from __future__ import annotations

import hashlib
import io
import json
import math
import platform
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache
from importlib.metadata import version
from typing import Any

import numpy as np
from threadpoolctl import threadpool_info

from feature_groups.store.digest import canonical_json, digest
from feature_groups.store.step_changes import lock_hash
from models.errors import ArtefactDamaged, InvalidParts, LibraryDiffers
from models.estimator_bytes import estimator_from_bytes, estimator_to_bytes, npy
from models.parts import Json, Member, Parts
from models.still_zip import read_zip, still_zip

_FORMAT = 1
_HEAD, _STATE, _ARRAYS, _ESTIMATORS = "artefact.json", "state.json", "arrays/", "estimators/"
_NAME = re.compile(r"[A-Za-z][A-Za-z0-9_.]{0,99}")
_KIND = re.compile(r"[a-z][a-z0-9_]{0,62}")


@dataclass(frozen=True)
class Artefact:
    """A member as bytes.

    Attributes:
        kind: Of the member.
        content: sha256 of what the member is, without versions and file format.
        sha256: Of ``data``.
        data: The archive.
    """

    kind: str
    content: str
    sha256: str
    data: bytes = field(repr=False)


def pack(member: Member) -> Artefact:
    """A member as bytes.

    Raises:
        InvalidParts: A part cannot be stored so that it comes back as it was; names it.
        UntrustedType: An estimator holds a type that is not in our list.
    """
    where, parts = f"member {member.kind!r}", member.parts()
    if not _KIND.fullmatch(member.kind):
        raise _invalid(where, f"The kind {member.kind!r} does not match {_KIND.pattern}.")
    for name in (*parts.arrays, *parts.estimators):
        if not isinstance(name, str) or not _NAME.fullmatch(name):
            raise _invalid(where, f"The name {name!r} does not match {_NAME.pattern}.")
    _check_json(dict(parts.state), where, "state")
    files = {_STATE: canonical_json(dict(parts.state))}
    files |= {f"{_ARRAYS}{name}.npy": _array(array, f"{where} array {name!r}") for name, array in parts.arrays.items()}
    for name, estimator in parts.estimators.items():
        files[f"{_ESTIMATORS}{name}.skops"] = estimator_to_bytes(estimator, f"{where} estimator {name!r}")
    content = digest({"kind": member.kind, "files": {n: hashlib.sha256(d).hexdigest() for n, d in files.items()}})
    head = {"format": _FORMAT, "kind": member.kind, "content": content, "made_with": made_with()}
    data = still_zip({_HEAD: canonical_json(head), **files})
    return Artefact(member.kind, content, hashlib.sha256(data).hexdigest(), data)


def unpack(data: bytes, sha256: str, where: str = "artefact") -> Parts:
    """The parts in an artefact's bytes.

    Args:
        data: The archive.
        sha256: What the registry says they hash to.
        where: Names the artefact in errors.

    Raises:
        ArtefactDamaged: The bytes hash to something else, which is found before any of them is looked at; or they are
            no artefact.
        LibraryDiffers: It has estimators of another minor version of scikit-learn.
        UntrustedType: An estimator in it is of a type that is not in our list.
    """
    found = hashlib.sha256(data).hexdigest()
    if found != sha256:
        raise _damaged(where, f"Its {len(data):,} bytes have the sha256 {found}, the registry says {sha256}.")
    try:
        files = read_zip(data)
        head, state = json.loads(files.pop(_HEAD)), json.loads(files.pop(_STATE))
        if head["format"] != _FORMAT:
            raise ValueError(f"format {head['format']!r}, not {_FORMAT}")  # noqa: TRY301  # told below
        arrays = {name: _read(raw) for name, raw in _below(files, _ARRAYS, ".npy").items()}
        stored = _below(files, _ESTIMATORS, ".skops")
        made = head["made_with"]["scikit-learn"]
        if strange := sorted(set(files) - {f"{_ARRAYS}{n}.npy" for n in arrays} - {_skops(n) for n in stored}):
            raise ValueError(f"files that do not belong there: {strange[:3]}")  # noqa: TRY301  # told below
    except Exception as error:  # zipfile, json and NumPy raise all kinds of things for a malformed file
        raise _damaged(where, f"Its bytes are no artefact: {type(error).__name__}: {error}") from error
    here = version("scikit-learn")
    if stored and _minor(made) != _minor(here):
        raise LibraryDiffers(
            where,
            what=f"Its estimators were made with scikit-learn {made}, here is {here}; what another "
            "minor version makes of them may be wrong without a word.",
            state="was not loaded",
            next_step=f"install scikit-learn {_minor(made)}.*, or train and release again with this one.",
        )
    estimators = {name: estimator_from_bytes(raw, f"{where} estimator {name!r}") for name, raw in stored.items()}
    return Parts(state, arrays, estimators)


def made_with() -> dict[str, str]:
    """The versions that what a model answers may depend on."""
    return {
        "python": platform.python_version(),
        "numpy": np.__version__,
        "scipy": version("scipy"),
        "scikit-learn": version("scikit-learn"),
        "cpu": cpu_family(),
        "lock": lock_hash(),
    }


@cache
def cpu_family() -> str:
    """The machine and the kernels that its linear algebra takes, e.g. ``x86_64 SkylakeX``: floats agree within one."""
    blas = [library for library in threadpool_info() if library["user_api"] == "blas"]
    # SciPy may bring a second one, which is loaded or not; the same machine is to have one name.
    numpy_blas = [library for library in blas if "numpy" in str(library["filepath"])] or blas
    kernels = {str(library["architecture"]) for library in numpy_blas}
    return " ".join([platform.machine(), *sorted(kernels)])


def _skops(name: str) -> str:
    return f"{_ESTIMATORS}{name}.skops"


def _minor(version: str) -> str:
    return ".".join(str(version).split(".")[:2])


def _below(files: Mapping[str, bytes], folder: str, ending: str) -> dict[str, bytes]:
    names = (name for name in files if name.startswith(folder) and name.endswith(ending))
    found = {name[len(folder) : -len(ending)]: files[name] for name in names}
    return {name: data for name, data in found.items() if _NAME.fullmatch(name)}


def _array(array: object, where: str) -> bytes:
    if type(array) not in (np.ndarray, np.memmap):
        raise _invalid(where, f"It is a {type(array).__name__}, not a NumPy array.")
    assert isinstance(array, np.ndarray)
    if array.dtype.hasobject:
        raise _invalid(where, f"Its dtype {array.dtype} has no fixed size.")
    return npy(np.asarray(array))


def _read(data: bytes) -> np.ndarray[Any, Any]:
    array: np.ndarray[Any, Any] = np.lib.format.read_array(io.BytesIO(data), allow_pickle=False)
    return array


def _check_json(value: Json, where: str, path: str) -> None:
    """Only what comes out of JSON as it went in: a tuple, for example, would become a list."""
    if type(value) is dict:
        for key, item in value.items():
            if type(key) is not str:
                raise _invalid(where, f"{path} has the key {key!r}, which is no text.")
            _check_json(item, where, f"{path}[{key!r}]")
    elif type(value) is list:
        for number, item in enumerate(value):
            _check_json(item, where, f"{path}[{number}]")
    elif type(value) is float and not math.isfinite(value):
        raise _invalid(where, f"{path} is {value}, which is not finite.")
    elif type(value) not in (bool, int, float, str, type(None)):
        raise _invalid(where, f"{path} is a {type(value).__name__}, which JSON would change.")


def _invalid(where: str, what: str) -> InvalidParts:
    return InvalidParts(
        where,
        what=what,
        state="was not saved",
        next_step="give state of plain finite values, arrays of fixed-size dtypes, estimators of trusted types.",
    )


def _damaged(where: str, what: str) -> ArtefactDamaged:
    return ArtefactDamaged(
        where,
        what=what,
        state="was not loaded; nothing of it was parsed" if "sha256" in what else "was not loaded",
        next_step="restore the registry's folder from a copy, or roll back: registry.rollback().",
    )
