"""Commits as single Delta transactions, marked with a batch key, without the detours of Delta's own commands.

`DataFrameWriter` with ``txnAppId`` looks the key up in the table's whole state, which Spark rebuilds for it after every
commit: four fifths of the cost of a small append. MERGE joins every column of the target with the batch, twice, to
find out what the store has told apart already. The same classes are called here one by one, as Delta's
`WriteIntoDelta`, `DeleteCommand` and streaming sink do, with the key looked up in the log by delta-rs, in milliseconds.
"""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from datetime import date
from typing import TYPE_CHECKING, Any

import polars as pl

from feature_groups.store.classify import CHANGE_TYPE, INSERT, UPDATE
from feature_groups.store.condition_values import FIRST_YEAR
from feature_groups.store.engines.delta_log import DeltaLog

if TYPE_CHECKING:
    from pyspark.sql import DataFrame, SparkSession

_FILE, _POSITION = "__file", "__position"


def append_once(spark: SparkSession, path: str, rows: DataFrame, key: str, note: str) -> None:
    """Append rows in one commit marked with the batch key; a key that is in the log makes no commit.

    Args:
        spark: The session.
        path: The table's folder.
        rows: With exactly the table's columns and types.
        key: Becomes the commit's application transaction, version 1 (Delta protocol, "Transaction Identifiers").
        note: Becomes the commit's ``userMetadata``.

    Raises:
        Py4JJavaError: Delta refused or failed; a commit of the same key made meanwhile is a conflict.
    """
    begun = _Transaction.begin(spark, path, key)
    if begun is None:
        return
    jvm: Any = spark._jvm
    delta, to_scala = jvm.org.apache.spark.sql.delta, jvm.org.apache.spark.api.python.PythonUtils
    session: Any = spark._jsparkSession
    options = delta.DeltaOptions(to_scala.toScalaMap({"userMetadata": note}), session.sessionState().conf())
    none, no_columns, append = jvm.scala.Option.empty(), to_scala.toSeq([]), jvm.org.apache.spark.sql.SaveMode.Append
    write = delta.commands.WriteIntoDelta(
        begun.table, append, options, no_columns, to_scala.toScalaMap({}), rows._jdf, none, none, False
    )
    begun.commit(write.write(begun.transaction, session, none, False), append, none, note)


Bounds = Mapping[str, tuple[Any, Any] | list[Any]]
"""By column the smallest and largest value, both inclusive, or all values where they are few."""

FEW_KEYS = 500
"""So many values are named to Parquet's page index, which skips pages without any of them."""


def key_bounds(changes: pl.DataFrame, on: Sequence[str]) -> Bounds:
    """Where changes lie, by key column that is a number or a time: what lies outside need not be looked at."""
    found: dict[str, tuple[Any, Any] | list[Any]] = {}
    for name in on:
        column = changes[name]
        low, high = column.min(), column.max()
        early = isinstance(low, date) and low.year < FIRST_YEAR  # calendars differ before
        if low is None or early:
            continue
        if column.dtype.is_integer():
            values = column.unique()
            found[name] = values.to_list() if len(values) <= FEW_KEYS else (low, high)
        elif isinstance(column.dtype, (pl.Datetime, pl.Date)):
            found[name] = (low, high)
    return found


def replace_once(
    spark: SparkSession, path: str, changes: DataFrame, on: Sequence[str], bounds: Bounds, key: str, note: str
) -> None:
    """Replace rows in one commit marked with the batch key; a key that is in the log makes no commit.

    Rows are removed by deletion vectors, for which only the key columns of the table are read. `changes` is written
    as it is to the change feed.

    Args:
        spark: The session.
        path: The table's folder; the table records its changes and has deletion vectors.
        changes: The table's columns and types, and ``_change_type``: the rows to insert, those to update as they are
            and as they will be, those to delete.
        on: Columns by which rows are found.
        bounds: Where the changes lie by columns of `on`; the rest of the table is passed over.
        key: As in `append_once`.
        note: As in `append_once`.

    Raises:
        Py4JJavaError: As `append_once`; also when another commit changed the table meanwhile.
    """
    from pyspark.sql import functions as F

    begun = _Transaction.begin(spark, path, key)
    if begun is None:
        return
    removals = _removals(spark, begun, changes.select(*on), on, bounds)
    kind = F.col(CHANGE_TYPE)
    # Delta writes rows without a kind to the table, the others to the change feed.
    kept = changes.where(kind.isin(INSERT, UPDATE)).withColumn(CHANGE_TYPE, F.lit(None).cast("string"))
    written = begun.transaction.writeFiles(kept.unionByName(changes)._jdf)
    jvm: Any = spark._jvm
    where = jvm.scala.Some(f"({', '.join(on)}) in batch {key}")
    begun.commit(written.prependedAll(removals), jvm.org.apache.spark.sql.SaveMode.Overwrite, where, note)


def _removals(spark: SparkSession, begun: _Transaction, keys: DataFrame, on: Sequence[str], bounds: Bounds) -> Any:
    """The actions (Scala) that take the rows with these keys out of their files."""
    from pyspark.sql import DataFrame
    from pyspark.sql import functions as F

    jvm: Any = spark._jvm
    delta, session, transaction = jvm.org.apache.spark.sql.delta, spark._jsparkSession, begun.transaction
    files, none, some = begun.files(), jvm.scala.Option.empty(), jvm.scala.Some
    stored = DataFrame(begun.table.createDataFrame(transaction.snapshot(), files, False, none), spark)
    place = (F.col("_metadata.file_path").alias(_FILE), F.col("_metadata.row_index").alias(_POSITION))
    near = stored.select(*on, *place)
    for name, bound in bounds.items():
        column = F.col(name)
        near = near.where(column.isin(bound) if isinstance(bound, list) else column.between(*bound))
    found: Any = near.join(keys, on=list(on), how="left_semi")
    every = jvm.org.apache.spark.sql.catalyst.expressions.Literal.TrueLiteral()
    file, position = jvm.org.apache.spark.sql.functions.col(_FILE), jvm.org.apache.spark.sql.functions.col(_POSITION)
    marked = delta.commands.DeletionVectorBitmapGenerator.buildRowIndexSetsForFilesMatchingCondition(
        session, transaction, True, found._jdf, files, every, some(file), some(position)
    )
    helper, now = delta.commands.DMLWithDeletionVectorsHelper, int(time.time() * 1000)
    names = helper.generateCandidateFileMap(begun.table.dataPath(), files)
    touched = helper.findFilesWithMatchingRows(transaction, names, marked)
    actions = []
    for one in (touched.apply(i) for i in range(touched.size())):
        if one.isFullyReplaced():
            actions.append(one.fileLogEntry().removeWithTimestamp(now, True))
        else:
            fewer = one.fileLogEntry().removeRows(one.newDeletionVector(), True, True)
            actions += [fewer._1(), fewer._2()]
    return jvm.org.apache.spark.api.python.PythonUtils.toSeq(actions)


class _Transaction:
    """A Delta transaction that will be marked with a batch key."""

    def __init__(self, jvm: Any, table: Any, transaction: Any, key: str) -> None:
        self._jvm, self.table, self.transaction, self._key = jvm, table, transaction, key

    @classmethod
    def begin(cls, spark: SparkSession, path: str, key: str) -> _Transaction | None:
        """Start it; None when a commit is marked with the key already."""
        jvm: Any = spark._jvm
        table = jvm.org.apache.spark.sql.delta.DeltaLog.forTable(spark._jsparkSession, path)
        transaction = table.startTransaction()
        # What was committed before the transaction began is found here; what comes later conflicts with the read key.
        if DeltaLog().at(path).has_batch(key):
            return None
        transaction.readTxn().addOne(key)
        return cls(jvm, table, transaction, key)

    def files(self) -> Any:
        """The table's files (Scala), read as a whole: a commit that touches them meanwhile is a conflict."""
        self.transaction.readWholeTable()
        snapshot = self.transaction.snapshot()
        # Up to 50 files lie beside the commit; else Spark puts the table's state together, for seconds.
        beside = snapshot.checksumOpt()
        if beside.isDefined() and beside.get().allFiles().isDefined():
            return beside.get().allFiles().get()
        return self._jvm.org.apache.spark.api.python.PythonUtils.toSeq(snapshot.allFiles().collectAsList())

    def commit(self, actions: Any, mode: Any, predicate: Any, note: str) -> None:
        """Commit actions as a write of this mode; `predicate` (Scala option) says which rows an overwrite replaces."""
        jvm = self._jvm
        none, some = jvm.scala.Option.empty(), jvm.scala.Some
        no_columns = some(jvm.org.apache.spark.api.python.PythonUtils.toSeq([]))
        self.transaction.updateSetTransaction(self._key, 1, some(int(time.time() * 1000)))
        operation = getattr(jvm.org.apache.spark.sql.delta, "DeltaOperations$Write")(
            mode, no_columns, predicate, some(note), none, none, none, none, none
        )
        self.transaction.commit(actions, operation)
