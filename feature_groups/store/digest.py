"""The one canonical text of a plain value, and its hash: equal values have equal ones, in every process."""

from __future__ import annotations

import hashlib
import json
from typing import Any


def canonical_json(value: Any) -> bytes:
    """A value as JSON with sorted keys, in ASCII.

    Raises:
        ValueError: It has a float that is not finite.
        TypeError: It has something that JSON cannot say.
    """
    return json.dumps(value, sort_keys=True, allow_nan=False).encode()


def digest(value: Any) -> str:
    """sha256 of a value's canonical JSON, hexadecimal."""
    return hashlib.sha256(canonical_json(value)).hexdigest()
