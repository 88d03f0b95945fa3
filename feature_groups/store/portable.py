"""What narwhals cannot say for both engines in one expression."""

from __future__ import annotations

import narwhals as nw

from feature_groups.store.engine import Frame


def epoch_seconds(frame: Frame, column: str) -> nw.Expr:
    """The whole seconds since 1970 UTC of a timestamp column (int64), fractions cut off downwards.

    Args:
        frame: The frame the expression is for: a cast of a timestamp counts microseconds in Polars, seconds in Spark.
        column: Its timestamp column.
    """
    if frame.implementation.is_spark_like():
        return nw.col(column).cast(nw.Int64)
    return nw.col(column).dt.timestamp("us") // 1_000_000
