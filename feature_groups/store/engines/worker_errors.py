"""Errors of ours that are raised inside Spark, in a Python worker or by an expression, and come back as themselves."""

from __future__ import annotations

import base64
import contextlib
import json
import re
from collections.abc import Iterator

from feature_groups.store import errors
from feature_groups.store.errors import AlluviaError

_PACKED = re.compile(r"alluvia-error:([A-Za-z0-9_=-]+):")
_FIELDS = ("where", "what", "state", "next_step")


def packed(error: AlluviaError) -> str:
    """The error as a line of text that outlives quoting by whatever passes it on."""
    fields = {"class": type(error).__name__, **{name: getattr(error, name) for name in _FIELDS}}
    return f"alluvia-error:{base64.urlsafe_b64encode(json.dumps(fields).encode()).decode()}:"


@contextlib.contextmanager
def sent() -> Iterator[None]:
    """Inside a worker: turn our errors into a kind that Spark hands on."""
    try:
        yield
    except AlluviaError as error:
        raise RuntimeError(packed(error)) from None


@contextlib.contextmanager
def received() -> Iterator[None]:
    """Around a job: raise our errors that it failed with, and any other as it is."""
    from pyspark.errors import PySparkException

    try:
        yield
    except PySparkException as error:
        found = _PACKED.search(str(error))
        if found is None:
            raise
        raise _unpacked(found[1]) from None


def _unpacked(text: str) -> AlluviaError:
    fields = json.loads(base64.urlsafe_b64decode(text))
    made: AlluviaError = getattr(errors, fields.pop("class"))(fields.pop("where"), **fields)
    return made
