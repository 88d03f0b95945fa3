"""What a view's on-demand features must fulfil: computable from one row, and from nothing else."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, date, datetime
from decimal import Decimal
from random import Random
from typing import TYPE_CHECKING, Any

import narwhals as nw
import polars as pl

from feature_groups.store.column_types import polars_type, type_name
from feature_groups.store.errors import AlluviaError, InvalidDeclaration

if TYPE_CHECKING:
    from feature_groups.store.feature_view import FeatureView, OnDemand

_ROWS = 12
_SAMPLES: Mapping[str, tuple[Any, Any]] = {
    "bool": (False, True),
    "string": ("a", "b"),
    "binary": (b"a", b"b"),
    "date": (date(2024, 1, 31), date(2025, 2, 28)),
    "timestamp": (datetime(2024, 1, 31, 1, tzinfo=UTC), datetime(2025, 2, 28, 2, tzinfo=UTC)),
}


def check_transforms(view: FeatureView) -> None:
    """Run the expressions on no rows and on a few, so that what cannot work is found now.

    Raises:
        InvalidDeclaration: One names an unknown column, makes another type, or looks at other rows than its own.
    """
    if not view.transforms:
        return
    known = {name: spec.type for name, spec in view.spine_keys.items()} | {view.event_time: "timestamp"}
    known |= {o.name: o.spec.type for o in view.outputs("features")}
    for transform in view.transforms:
        columns = {name: polars_type(kind) for name, kind in known.items()}
        made = _type(view, transform, columns)
        if made != transform.type:
            what = f"The transform {transform.name!r} is {made}, not {transform.type}."
            raise _refused(view, what, "cast it, or declare it so.")
        drawn = {name: Random(n).choices(_samples(kind), k=_ROWS) for n, (name, kind) in enumerate(known.items())}
        rows = pl.DataFrame(drawn, schema=columns)
        if _looks_around(transform, rows):
            what = f"The transform {transform.name!r} looks at other rows than its own: test rows would reach training."
            raise _refused(view, what, "compute it in the group, or fit it on the training part.")
        known[transform.name] = transform.type


def _type(view: FeatureView, transform: OnDemand, columns: Mapping[str, pl.DataType]) -> str:
    """The type that the expression makes."""
    try:
        polars_type(transform.type)
        made = nw.from_native(pl.LazyFrame(schema=columns)).select(transform.expression().alias(transform.name))
        native: pl.LazyFrame = made.to_native()
        return type_name(native.collect_schema()[transform.name])
    except AlluviaError:
        raise
    except Exception as error:
        line = (str(error).strip().splitlines() or [type(error).__name__])[0][:200]
        what = f"The transform {transform.name!r} cannot be computed: {line}"
        raise _refused(view, what, "correct its expression.") from error


def _looks_around(transform: OnDemand, rows: pl.DataFrame) -> bool:
    """Whether rows give other values together than each alone."""
    expression = transform.expression().alias(transform.name)

    def computed(part: pl.DataFrame) -> pl.Series:
        made: pl.LazyFrame = nw.from_native(part.lazy()).with_columns(expression).to_native()
        return made.collect()[transform.name]

    try:
        alone = pl.concat([computed(rows[i : i + 1]) for i in range(rows.height)])
        return not computed(rows).equals(alone, null_equal=True)
    except pl.exceptions.PolarsError:
        # Values like these do not suit it, as text that is to be parsed; what it gives for others is its own affair.
        return False


def _samples(kind: str) -> list[Any]:
    """Two values of a type, and NULL."""
    if kind.startswith("list<"):
        first, other, _ = _samples(kind[5:-1])
        return [[first], [other, first], None]
    numbers: tuple[Any, Any] = (Decimal(1), Decimal(3)) if kind.startswith("decimal") else (1, 3)
    return [*_SAMPLES.get(kind, numbers), None]


def _refused(view: FeatureView, what: str, next_step: str) -> InvalidDeclaration:
    return InvalidDeclaration(view.where, what=what, state="was not declared", next_step=next_step)
