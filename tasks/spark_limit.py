"""At most so many tasks at once that may start Spark, over all processes and machines of a server."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from prefect.concurrency.sync import concurrency

SPARK = "alluvia-spark"
"""Name of the global concurrency limit."""


@contextmanager
def spark_slot() -> Iterator[None]:
    """Hold one of the server's slots for Spark, waiting for it; where the limit was never made, nothing is limited.

    `alluvia deploy` and `alluvia serve` make the limit; a lone `make run` has one process, and needs none. A holder
    that dies gives its slot back within five minutes.
    """
    with concurrency(SPARK, occupy=1, strict=False):
        yield
