"""The contract of a group declared without one, from the first frame inserted."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import narwhals as nw
import polars as pl

from feature_groups.store.border import to_polars
from feature_groups.store.column_types import polars_type, type_name
from feature_groups.store.contract import ContractSpec, inferred_contract
from feature_groups.store.declaration_rules import check_against_contract
from feature_groups.store.feature_group import FeatureGroup


def infer(data: object, group: FeatureGroup) -> tuple[object, ContractSpec]:
    """The frame, computed if it was lazy, and the contract it shows.

    Raises:
        UnsupportedFrame, BatchUnreadable: It is no frame, or cannot be computed.
        InvalidDeclaration: A column cannot be stored, or the declaration names one that is not there.
    """
    frame = data if is_spark(data) else to_polars(data, group.where)
    schema: Mapping[str, pl.DataType]
    if isinstance(frame, pl.DataFrame):
        schema = frame.schema
    else:
        found: Any = nw.from_native(frame)
        schema = {name: polars_type(_stored_name(dtype)) for name, dtype in found.collect_schema().items()}
    spec = inferred_contract(schema, group.key, group.where)
    check_against_contract(group, spec)
    return frame, spec


def is_spark(data: object) -> bool:
    """Whether it is an object of Spark's, which is read without Polars."""
    return type(data).__module__.partition(".")[0] == "pyspark"


def _stored_name(dtype: Any) -> str:
    """The store's type name of a narwhals type."""
    if dtype == nw.Datetime:
        return "timestamp" if dtype.time_zone else type_name(pl.Datetime("us"))
    if dtype == nw.List:
        return f"list<{_stored_name(dtype.inner)}>"
    if dtype == nw.Decimal:
        return f"decimal({dtype.precision},{dtype.scale})"
    return type_name(getattr(pl, str(dtype))())
