"""An append as one Delta transaction, marked with a batch key without reading the table's state.

`DataFrameWriter` with ``txnAppId`` looks the key up in the table's whole state, which Spark rebuilds for it after every
commit: four fifths of the cost of a small append. The same classes are called here one by one, as Delta's
`WriteIntoDelta.run` and streaming sink do, but the look-up is in the log, by delta-rs, in milliseconds.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

from feature_groups.store.engines.delta_log import DeltaLog

if TYPE_CHECKING:
    from pyspark.sql import DataFrame, SparkSession


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
    jvm: Any = spark._jvm
    delta, to_scala = jvm.org.apache.spark.sql.delta, jvm.org.apache.spark.api.python.PythonUtils
    session: Any = spark._jsparkSession
    none, no_columns, append = jvm.scala.Option.empty(), to_scala.toSeq([]), jvm.org.apache.spark.sql.SaveMode.Append
    table = delta.DeltaLog.forTable(session, path)
    transaction = table.startTransaction()
    # What was committed before the transaction began is found here; what comes later conflicts with the read key.
    if DeltaLog().has_batch(path, key):
        return
    transaction.readTxn().addOne(key)
    options = delta.DeltaOptions(to_scala.toScalaMap({"userMetadata": note}), session.sessionState().conf())
    write = delta.commands.WriteIntoDelta(
        table, append, options, no_columns, to_scala.toScalaMap({}), rows._jdf, none, none, False
    )
    actions = write.write(transaction, session, none, False)
    transaction.updateSetTransaction(key, 1, jvm.scala.Some(int(time.time() * 1000)))
    operation = getattr(delta, "DeltaOperations$Write")(
        append, jvm.scala.Some(no_columns), none, jvm.scala.Some(note), none, none, none, none, none
    )
    transaction.commit(actions, operation)
