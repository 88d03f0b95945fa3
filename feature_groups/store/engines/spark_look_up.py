"""Look-ups on Spark: the Polars kernel on buckets of keys, groups with the same key in one shuffle; or SQL."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import TYPE_CHECKING, cast

import polars as pl

from feature_groups.store.column_types import spark_type, type_name
from feature_groups.store.engines.spark_look_up_sql import look_up_in_sql
from feature_groups.store.look_up import LookUp
from feature_groups.store.names import EVENT, ROW

if TYPE_CHECKING:
    import pyarrow as pa
    from pyspark.sql import Column, DataFrame

    Looks = Sequence[tuple[LookUp, DataFrame]]

_BUCKET, _SIDE = "__bucket", "__side"


def look_up(
    spine: DataFrame, looks: Looks, time: str, buckets: int, in_sql: Collection[str] = frozenset()
) -> DataFrame:
    """The spine with what each look-up finds and its marker; no order.

    Args:
        spine: ``__row``, key columns, `time` and what else is carried.
        looks: Look-ups and the rows of their groups; later ones may go by outputs of earlier ones.
        time: The column of instants.
        buckets: How many buckets the keys are dealt into.
        in_sql: Names of the look-ups that are not for the kernel, since a key of theirs is too large for a worker.
    """
    for batch in _batches(looks, in_sql):
        look, rows = batch[0]
        if look.name in in_sql:
            spine = look_up_in_sql(spine, rows, look, time)
        else:
            spine = _looked_up(spine, batch, time, buckets)
    return spine


def events_before(
    spine: DataFrame, rows: DataFrame, look: LookUp, time: str, last: int | None, buckets: int
) -> DataFrame:
    """The events before every instant of a spine; no order."""
    spine, rows = spine.select(ROW, *look.left, time), rows.select(*look.needed)
    asked, there = polars_schema(spine), polars_schema(rows)
    made = {ROW: pl.Int64(), EVENT: pl.Int64(), **{name: there[column] for name, column in look.outputs.items()}}

    def kernel(left: pa.Table, right: pa.Table) -> pa.Table:
        from feature_groups.store.engines.spark_arrow import arrow_table, polars_frame
        from feature_groups.store.event_inputs import events_before

        return arrow_table(events_before(polars_frame(left, asked), polars_frame(right, there), look, time, last))

    left = spine.withColumn(_BUCKET, _bucket(look.left, buckets, spread=ROW))
    right = rows.withColumn(_BUCKET, _bucket(look.right, buckets))
    return left.groupBy(_BUCKET).cogroup(right.groupBy(_BUCKET)).applyInArrow(kernel, ddl(made))


def _batches(looks: Looks, alone: Collection[str]) -> list[Looks]:
    """Look-ups by the same columns, which are there before, go together; some alone."""
    batches: list[list[tuple[LookUp, DataFrame]]] = []
    for look, rows in looks:
        last = batches[-1] if batches else []
        made = {name for other, _ in last for name in other.outputs}
        together = last and last[0][0].left == look.left and not made & set(look.left)
        if together and not {look.name, last[0][0].name} & set(alone):
            last.append((look, rows))
        else:
            batches.append([(look, rows)])
    return list(batches)


def _looked_up(spine: DataFrame, looks: Looks, time: str, buckets: int) -> DataFrame:
    asked = polars_schema(spine)
    schemas = [polars_schema(rows.select(*look.needed)) for look, rows in looks]
    specs = [look for look, _ in looks]
    made = dict(asked)
    for look, schema in zip(specs, schemas, strict=True):
        made |= look.schema(schema)

    def kernel(left: pa.Table, right: pa.Table) -> pa.Table:
        from feature_groups.store.as_of import looked_up
        from feature_groups.store.engines.spark_arrow import arrow_table, polars_frame

        frame = polars_frame(left, asked)
        every = cast("pl.DataFrame", pl.from_arrow(right))
        for number, (look, schema) in enumerate(zip(specs, schemas, strict=True)):
            mine = every.filter(pl.col(_SIDE) == number)
            rows = mine.select(pl.col(_renamed(number, name)).cast(dtype).alias(name) for name, dtype in schema.items())
            frame = frame.hstack(looked_up(frame, rows, look, time))
        return arrow_table(frame)

    left = spine.withColumn(_BUCKET, _bucket(specs[0].left, buckets, spread=ROW))
    right = _united(looks, buckets)
    return left.groupBy(_BUCKET).cogroup(right.groupBy(_BUCKET)).applyInArrow(kernel, ddl(made))


def _united(looks: Looks, buckets: int) -> DataFrame:
    """The rows of all groups in one frame, told apart by side, each with columns of its own."""
    from pyspark.sql import functions as F

    united: DataFrame | None = None
    for number, (look, rows) in enumerate(looks):
        columns = [rows[name].alias(_renamed(number, name)) for name in look.needed]
        bucket = _bucket(look.right, buckets).alias(_BUCKET)
        mine = rows.select(*columns, bucket, F.lit(number).cast("tinyint").alias(_SIDE))
        united = mine if united is None else united.unionByName(mine, allowMissingColumns=True)
    assert united is not None
    return united


def _renamed(number: int, name: str) -> str:
    return f"__{number}_{name}"


def _bucket(keys: Sequence[str], buckets: int, spread: str | None = None) -> Column:
    """The bucket of a key; rows without one, which find nothing, are dealt out evenly."""
    from pyspark.sql import functions as F

    hashed = F.hash(*keys)
    if spread is not None:
        missing = F.lit(False)  # a SQL literal
        for key in keys:
            missing = missing | F.col(key).isNull()
        hashed = F.when(missing, F.col(spread).cast("int")).otherwise(hashed)
    return F.pmod(hashed, F.lit(buckets))


def polars_schema(frame: DataFrame) -> dict[str, pl.DataType]:
    """The columns of a Spark frame with their Polars types, without a job."""
    from pyspark.sql.pandas.types import to_arrow_schema

    return dict(cast("pl.DataFrame", pl.from_arrow(to_arrow_schema(frame.schema, timezone="UTC").empty_table())).schema)


def ddl(schema: Mapping[str, pl.DataType]) -> str:
    """The columns as a Spark schema."""
    return ", ".join(f"`{name}` {spark_type(type_name(dtype))}" for name, dtype in schema.items())
