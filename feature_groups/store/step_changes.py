"""What a step depends on and what of it changed: the same for steps that make tables and steps that make models."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from functools import cache
from importlib.metadata import distributions
from pathlib import Path
from typing import Any

Json = Mapping[str, Any]

_SHOWN = 5


def changes(previous: Json, parts: Json, inputs: Json) -> list[str]:
    """What differs from a step's newest record, one line each; empty when nothing does.

    Args:
        previous: The record: ``parts`` and ``inputs`` as they were.
        parts: What the step depends on: hashes by kind and name, and one of the ``lock`` and the ``store``.
        inputs: What it will consume, by name: ``content``, and ``version`` where it has one.
    """
    before, found = previous["parts"], []
    for kind in (kind for kind, told in parts.items() if isinstance(told, Mapping)):
        changed = _differing(before.get(kind, {}), parts[kind])
        found += [f"{kind} changed: {name}" for name in changed[:_SHOWN]]
        found += [f"and {len(changed) - _SHOWN} more"] if len(changed) > _SHOWN else []
    if before["lock"] != parts["lock"]:
        found.append("requirements.lock changed")
    if before["store"] != parts["store"]:
        found.append(f"the store moved from revision {before['store']} to {parts['store']}")
    for name in _differing(contents(previous["inputs"]), contents(inputs)):
        old, new = previous["inputs"].get(name), inputs.get(name)
        if old and new and "version" in new:
            found.append(f"{name} moved from v{old['version']} to v{new['version']}")
        else:
            found.append(f"{name} changed")
    return found


def contents(inputs: Json) -> dict[str, Any]:
    """The content hash of each input, None for one that is not there."""
    return {name: found and found["content"] for name, found in inputs.items()}


@cache
def lock_hash() -> str:
    """sha256 of what the project's ``requirements.lock`` pins; without one, of the versions installed."""
    for folder in (*Path(__file__).resolve().parents, Path.cwd()):
        lock = folder / "requirements.lock"
        if lock.is_file():
            lines = lock.read_text().splitlines()
            pins = [line for line in lines if line.strip() and not line.lstrip().startswith("#")]
            return hashlib.sha256("\n".join(pins).encode()).hexdigest()
    versions = sorted({f"{d.name}=={d.version}" for d in distributions()})
    return hashlib.sha256("\n".join(versions).encode()).hexdigest()


def _differing(before: Json, after: Json) -> list[str]:
    return sorted(name for name in {*before, *after} if before.get(name) != after.get(name))
