"""Frozen values as parts and back: arrays and estimators apart, everything else as JSON."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields
from typing import Any, TypeVar, cast

import numpy as np
from sklearn.base import BaseEstimator

from models.parts import Json, Parts

T = TypeVar("T")


def parts_of(value: Any) -> Parts:
    """The fields of a dataclass: arrays, estimators, and plain values in nested tuples."""
    found = {f.name: getattr(value, f.name) for f in fields(value)}
    arrays = {name: v for name, v in found.items() if isinstance(v, np.ndarray)}
    estimators = {name: v for name, v in found.items() if isinstance(v, BaseEstimator)}
    plain = {name: _json(v) for name, v in found.items() if name not in arrays and name not in estimators}
    return Parts(plain, arrays, estimators)


def value_of(kind: type[T], parts: Parts) -> T:
    """The dataclass whose fields these are; JSON's lists come back as tuples.

    Raises:
        TypeError: The parts are not the fields of this class.
    """
    plain = {name: _tuples(v) for name, v in parts.state.items()}
    return kind(**plain, **parts.arrays, **parts.estimators)


def nested(parts: Mapping[str, Parts]) -> Parts:
    """Several parts as one: states by name, arrays and estimators by ``name.theirs``."""
    return Parts(
        {name: dict(p.state) for name, p in parts.items()},
        {f"{name}.{key}": v for name, p in parts.items() for key, v in p.arrays.items()},
        {f"{name}.{key}": v for name, p in parts.items() for key, v in p.estimators.items()},
    )


def part(parts: Parts, name: str) -> Parts:
    """One of those that `nested` put together."""
    prefix = f"{name}."
    state = cast(Mapping[str, Json], parts.state[name])
    arrays = {k.removeprefix(prefix): v for k, v in parts.arrays.items() if k.startswith(prefix)}
    estimators = {k.removeprefix(prefix): v for k, v in parts.estimators.items() if k.startswith(prefix)}
    return Parts(state, arrays, estimators)


def _json(value: Any) -> Json:
    return [_json(v) for v in value] if isinstance(value, (tuple, list)) else cast(Json, value)


def _tuples(value: Any) -> Any:
    return tuple(_tuples(v) for v in value) if isinstance(value, list) else value
