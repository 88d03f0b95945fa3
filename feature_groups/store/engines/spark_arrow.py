"""Arrow between Spark and the Polars kernels that run in its Python workers."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, cast

import polars as pl

if TYPE_CHECKING:
    import pyarrow as pa


def polars_frame(table: pa.Table, schema: Mapping[str, pl.DataType]) -> pl.DataFrame:
    """The columns of a schema, in its types."""
    return cast("pl.DataFrame", pl.from_arrow(table)).select(pl.col(n).cast(dtype) for n, dtype in schema.items())


def arrow_table(frame: pl.DataFrame) -> pa.Table:
    """The frame as Spark takes it: Polars' large lists and strings are refused by `applyInArrow`."""
    import pyarrow as pa

    table = frame.to_arrow()
    return table.cast(pa.schema([pa.field(f.name, _plain_arrow(f.type)) for f in table.schema]))


def _plain_arrow(kind: pa.DataType) -> pa.DataType:
    import pyarrow as pa

    if pa.types.is_large_list(kind):
        return pa.list_(_plain_arrow(kind.value_type))
    if pa.types.is_large_string(kind) or pa.types.is_string_view(kind):
        return pa.string()
    if pa.types.is_large_binary(kind) or pa.types.is_binary_view(kind):
        return pa.binary()
    return kind
