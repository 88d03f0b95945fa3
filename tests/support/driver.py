"""What comes from Spark into this process."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from pyspark.sql.classic.dataframe import DataFrame

FEW = 100
"""Rows that may come at a time: figures about frames, never frames."""


@contextmanager
def rows_to_the_driver() -> Iterator[list[int]]:
    """How many rows each call that computes a Spark frame brought here, while the block lasts."""
    seen: list[int] = []

    def counting(method: Callable[..., Any]) -> Callable[..., Any]:
        def counted(*given: Any, **named: Any) -> Any:
            found = method(*given, **named)
            seen.append(found.num_rows if hasattr(found, "num_rows") else len(found))
            return found

        return counted

    with pytest.MonkeyPatch.context() as patch:
        for name in ("collect", "toArrow", "toPandas", "toLocalIterator", "take"):
            patch.setattr(DataFrame, name, counting(getattr(DataFrame, name)))
        yield seen
