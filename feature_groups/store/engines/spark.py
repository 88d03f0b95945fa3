"""The Spark engine: makes every commit, and reads and computes at any size."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, cast

import narwhals as nw
import polars as pl

from feature_groups.store.classify import CHANGE_TYPE
from feature_groups.store.contract import ContractSpec
from feature_groups.store.engine import Frame
from feature_groups.store.engines import session, spark_look_up
from feature_groups.store.engines.delta_commit import append_once, key_bounds, replace_once
from feature_groups.store.engines.spark_look_up_sql import with_large_keys
from feature_groups.store.engines.spark_statistics import column_statistics, figures
from feature_groups.store.engines.worker_errors import received
from feature_groups.store.errors import AlluviaError, EngineUnavailable
from feature_groups.store.history import METADATA_KEY
from feature_groups.store.look_up import LookUp
from feature_groups.store.row_hash import MODULUS
from feature_groups.store.settings import Settings
from feature_groups.store.spool import spooled
from feature_groups.store.statistics import ColumnStatistics
from feature_groups.store.table import Layout
from feature_groups.store.window_slices import ChangeLogSpec

if TYPE_CHECKING:
    import pyarrow as pa
    from pyspark.sql import Column, DataFrame, SparkSession

_RETENTION = "interval 3650 days"


class SparkEngine:
    """Spark with Delta; the session starts when it is first needed."""

    name = "spark"

    def __init__(self, settings: Settings) -> None:
        self._settings = settings

    @property
    def spark(self) -> SparkSession:
        """The process's session."""
        return session.spark_session(self._settings)

    def prepare(self) -> None:
        """Start the session beside other work."""
        session.start_beside(self._settings)

    def table(self, path: str, version: int) -> Frame:
        """The stored rows of one version, lazily."""
        return nw.from_native(self.spark.read.format("delta").option("versionAsOf", version).load(path))

    def changes(self, path: str, since: int, until: int) -> Frame:
        """Row changes of the versions in (since, until]."""
        from pyspark.sql import functions as F

        if since >= until:
            rows = self.spark.read.format("delta").option("versionAsOf", until).load(path).limit(0)
            empty = (
                F.lit(None).cast("string").alias("_change_type"),
                F.lit(None).cast("bigint").alias("_commit_version"),
            )
            return nw.from_native(rows.select("*", *empty))
        feed = (
            self.spark.read.format("delta")
            .option("readChangeFeed", "true")
            .option("startingVersion", since + 1)
            .option("endingVersion", until)
            .load(path)
        )
        return nw.from_native(feed.drop("_commit_timestamp"))

    def files(self, path: str) -> Frame:
        """The rows of a folder of Parquet files, lazily."""
        return nw.from_native(self.spark.read.parquet(path))

    def write_files(self, frame: Frame, path: str) -> int:
        """Compute a frame once into a folder of Parquet files; returns its rows."""
        native = cast("DataFrame", frame.to_native())
        with received():
            native.write.mode("overwrite").option("compression", "lz4_raw").parquet(path)
        return int(self.spark.read.parquet(path).count())

    def collect(self, frame: Frame) -> pl.DataFrame:
        """A small frame in memory."""
        with received():
            table = cast("DataFrame", frame.to_native()).toArrow()
        return cast("pl.DataFrame", pl.from_arrow(table))

    def latest(self, frame: Frame, key: Sequence[str], order: str | None) -> Frame:
        """The last row of every key by a column, NULLs first; without a column Spark knows no order."""
        from pyspark.sql import Window
        from pyspark.sql import functions as F

        if order is None:
            raise EngineUnavailable(
                "engine 'spark'",
                what="keep='latest' needs an order, and rows of a Spark frame have no position.",
                state="was not used; nothing was written",
                next_step="declare sequence=<column> on the feature group, or insert a Polars frame.",
            )
        native = cast("DataFrame", frame.to_native())
        # The other columns break ties, so that a repeat of the same batch keeps the same rows.
        others = [F.col(c).desc_nulls_last() for c in native.columns if c != order and c not in key]
        newest = Window.partitionBy(*key).orderBy(F.col(order).desc_nulls_last(), *others)
        ranked = native.withColumn("__rank", F.row_number().over(newest))
        return nw.from_native(ranked.where(F.col("__rank") == 1).drop("__rank"))

    def numbered(self, frame: Frame, name: str) -> Frame:
        """The rows with a number of their own, with gaps, in a column; another one at each computation."""
        from pyspark.sql import functions as F

        return nw.from_native(cast("DataFrame", frame.to_native()).withColumn(name, F.monotonically_increasing_id()))

    def fingerprint(self, frame: Frame, schema: Mapping[str, pl.DataType]) -> int:
        """The content fingerprint: the Polars kernel on every partition, summed."""
        wanted = dict(schema)

        def partial(batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
            import pyarrow as pa

            from feature_groups.store.row_hash import fingerprint

            for batch in batches:
                # Polars takes a dict of types.
                rows = cast("pl.DataFrame", pl.from_arrow(batch)).cast(wanted)  # type: ignore[arg-type]
                yield pa.RecordBatch.from_pydict({"hash": [str(fingerprint(rows, wanted))]})

        native = cast("DataFrame", frame.select(*schema).to_native())
        sums = native.mapInArrow(partial, "hash string").collect()
        return sum(int(r["hash"]) for r in sums) % MODULUS

    def change_log(self, events: Frame, spec: ChangeLogSpec) -> Frame:
        """The change log of events: the Polars kernel on buckets of whole keys, SQL for keys too large for a worker."""
        from feature_groups.store.engines.spark_change_log import change_log_on_spark

        native, most = cast("DataFrame", events.to_native()), self._settings.spark_key_rows
        return nw.from_native(change_log_on_spark(native, spec, most, self._buckets))

    def look_up(self, spine: Frame, looks: Sequence[tuple[LookUp, Frame]], time: str, rows: int) -> Frame:
        """The spine with what each look-up finds: the Polars kernel on buckets of whole keys, else SQL; no order."""
        native = [(look, cast("DataFrame", frame.to_native())) for look, frame in looks]
        in_sql = with_large_keys(native, rows, self._settings.spark_key_rows)
        asked = cast("DataFrame", spine.to_native())
        return nw.from_native(spark_look_up.look_up(asked, native, time, self._buckets(rows), in_sql))

    def events_before(self, spine: Frame, events: Frame, look: LookUp, time: str, last: int | None, rows: int) -> Frame:
        """The events before every instant of a spine, likewise."""
        asked, found = cast("DataFrame", spine.to_native()), cast("DataFrame", events.to_native())
        return nw.from_native(spark_look_up.events_before(asked, found, look, time, last, self._buckets(rows)))

    def _buckets(self, rows: int) -> int:
        return max(self._settings.spark_buckets, -(-2 * rows // self._settings.spark_key_rows))

    def statistics(self, frame: Frame, spec: ContractSpec) -> tuple[int, tuple[ColumnStatistics, ...]]:
        """Rows and statistics of every column in one aggregation; distinct counts and quantiles are estimates."""
        from pyspark.sql import functions as F

        native = cast("DataFrame", frame.to_native())
        wanted: list[Column] = [F.count(F.lit(1)).alias("rows")]
        for i, column in enumerate(spec.columns):
            for name, expression in figures(F.col(column.name), column.type).items():
                wanted.append(expression.alias(f"{name}__{i}"))
        found = native.agg(*wanted).collect()[0].asDict(recursive=True)
        rows = int(found["rows"])
        columns = []
        for i, column in enumerate(spec.columns):
            values = {k.removesuffix(f"__{i}"): v for k, v in found.items() if k.endswith(f"__{i}")}
            made = column_statistics(column.name, column.type, rows, values)
            columns.append(made.without_values() if column.pii else made)
        return rows, tuple(columns)

    def create(
        self, path: str, description: str, columns: Sequence[tuple[str, str, bool, str]], layout: Layout
    ) -> None:
        """Create an empty table if there is none."""
        from delta.tables import DeltaTable

        builder = DeltaTable.createIfNotExists(self.spark).location(path).comment(description)
        for name, kind, nullable, comment in columns:
            builder = builder.addColumn(name, kind, nullable=nullable, comment=comment)
        for key, value in _properties(layout.indexed).items():
            builder = builder.property(key, value)
        if layout.partition_by:
            builder = builder.partitionedBy(*layout.partition_by)
        if layout.cluster_by:
            builder = builder.clusterBy(*layout.cluster_by)
        builder.execute()

    def append(self, path: str, rows: pl.DataFrame | str, key: str, note: Mapping[str, Any]) -> None:
        """Append rows in one commit marked with the batch key; a repeat makes no commit."""
        with spooled(self._settings.lake_path, rows) as spool, _fenced():
            spark = self.spark  # asked again, it may be another JVM's, where the frame's name means something else
            source = self._source(spark, path, spool, extra="")
            append_once(spark, path, source, key, json.dumps({METADATA_KEY: note}))

    def replace(
        self, path: str, changes: pl.DataFrame | str, on: Sequence[str], key: str, note: Mapping[str, Any]
    ) -> None:
        """Insert, update and delete in one commit by the changes' kind; a repeat makes no commit."""
        with spooled(self._settings.lake_path, changes) as spool, _fenced():
            spark = self.spark
            source = self._source(spark, path, spool, extra=f"{CHANGE_TYPE} string")
            bounds = key_bounds(changes, on) if isinstance(changes, pl.DataFrame) else {}
            replace_once(spark, path, source, on, bounds, key, json.dumps({METADATA_KEY: note}))

    def add_columns(self, path: str, columns: Sequence[tuple[str, str, str]], note: Mapping[str, Any]) -> None:
        """Add nullable columns: an append of no rows whose schema has them."""
        from pyspark.sql.types import StructType

        current = self.spark.read.format("delta").load(path).schema
        wider = StructType(list(current.fields))
        for name, kind, comment in columns:
            wider = wider.add(name, _spark_type(kind), nullable=True, metadata={"comment": comment})
        (
            self.spark.createDataFrame([], wider)
            .write.format("delta")
            .mode("append")
            .option("mergeSchema", "true")
            .option("userMetadata", json.dumps({METADATA_KEY: note}))
            .save(path)
        )

    def _source(self, spark: SparkSession, path: str, spool: str, extra: str) -> DataFrame:
        """The rows to commit, with exactly the table's columns and types."""
        from pyspark.sql.types import StructType

        target = self.spark.read.format("delta").load(path).schema
        wanted = StructType(list(target.fields))
        if extra:
            name, kind = extra.split()
            wanted = wanted.add(name, _spark_type(kind))
        return spark.read.schema(wanted).parquet(spool)


@contextlib.contextmanager
def _fenced() -> Iterator[None]:
    """End the JVM when a call into it broke off unanswered: it could still commit after the lock is given back."""
    from py4j.protocol import Py4JJavaError  # type: ignore[import-untyped]  # py4j has no types
    from pyspark.errors import PySparkException

    try:
        yield
    except (Py4JJavaError, PySparkException, AlluviaError):
        raise
    except BaseException:
        session.stop_session(patience=0)
        raise


def _properties(indexed: Sequence[str]) -> dict[str, str]:
    return {
        "delta.enableChangeDataFeed": "true",
        "delta.enableInCommitTimestamps": "true",
        "delta.enableDeletionVectors": "true",
        # Log clean-up trusts file times, which copies and restores change: versions would vanish.
        "delta.enableExpiredLogCleanup": "false",
        "delta.logRetentionDuration": _RETENTION,
        "delta.deletedFileRetentionDuration": _RETENTION,
        "delta.checkpointInterval": "20",
        "delta.dataSkippingStatsColumns": ",".join(indexed),
    }


def _spark_type(ddl: str) -> Any:
    from pyspark.sql.types import DataType

    return DataType.fromDDL(ddl)
