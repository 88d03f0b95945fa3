"""The one Spark session of this process: started when first asked for, ended with its JVM at exit."""

from __future__ import annotations

import atexit
import contextlib
import os
import sys
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from feature_groups.store.engines.jars import ensure_jars
from feature_groups.store.engines.java import check_java
from feature_groups.store.engines.jvm import Jvm, archive_path, jvm_lost, start_jvm
from feature_groups.store.engines.run_folder import RunFolder, claim_run_folder
from feature_groups.store.errors import EngineUnavailable
from feature_groups.store.settings import Settings

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

__all__ = ["check_java", "session_started", "spark_session", "stop_session"]

_MEANING = {
    # What values and tables mean, the same on every master.
    "spark.sql.extensions": "io.delta.sql.DeltaSparkSessionExtension",
    "spark.sql.catalog.spark_catalog": "org.apache.spark.sql.delta.catalog.DeltaCatalog",
    "spark.sql.session.timeZone": "UTC",
    # The default, INT96, is read wrongly by everything but Spark before 1678.
    "spark.sql.parquet.outputTimestampType": "TIMESTAMP_MICROS",
    # Without these two a MERGE stores 1.9 as 1 and 1e300 as infinity.
    "spark.sql.storeAssignmentPolicy": "STRICT",
    "spark.databricks.delta.updateAndMergeCastingFollowsAnsiStoreAssignment": "true",
    # Else a change feed passes through java.sql.Date, whose calendar lacks the days from 1582-10-05 to 14.
    "spark.sql.datetime.java8API.enabled": "true",
    "spark.hadoop.parquet.page.verify-checksum.enabled": "true",
    # Longer lists of values are only told to Parquet as a range; see delta_commit.FEW_KEYS.
    "spark.sql.parquet.pushdown.inFilterThreshold": "500",
    "spark.sql.execution.arrow.pyspark.enabled": "true",
    "spark.ui.showConsoleProgress": "false",
}
_ONE_MACHINE = {
    "spark.driver.host": "127.0.0.1",
    "spark.driver.bindAddress": "127.0.0.1",
    "spark.ui.enabled": "false",
    "spark.sql.shuffle.partitions": "2",
    # A commit alone is a dozen plans; with the default of 100 most are compiled anew every time.
    "spark.sql.codegen.cache.maxEntries": "2000",
    "spark.databricks.delta.snapshotPartitions": "2",
    # The default lets VACUUM start 10,000 tasks for one tiny table.
    "spark.sql.sources.parallelPartitionDiscovery.parallelism": "2",
    "spark.sql.catalogImplementation": "in-memory",
    # Would leave a folder `artifacts` in the current directory.
    "spark.sql.artifact.isolation.enabled": "false",
}
# This JVM's work is many small plans, which the second compiler only delays: a first small write takes 3 CPU-s and
# not 7, a first million rows 9 either way; only from the third million on it costs more (7, not 3).
_SMALL_WORK = ("-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1")
_PROJECT = Path(__file__).parents[3]


@dataclass(frozen=True)
class _Running:
    session: SparkSession
    jvm: Jvm
    run: RunFolder
    asked: tuple[str, str]
    process_id: int


_lock = threading.RLock()
_running: _Running | None = None


def spark_session(settings: Settings) -> SparkSession:
    """The session of this process, started with the first call; threads that call at once get the same one.

    Args:
        settings: The first caller's decide; a later caller may only differ in where the lake is.

    Raises:
        JavaMissing: There is no Java 17 or newer.
        JarsMissing: Delta's jars are not in the cache and cannot be fetched.
        JarsTampered: A jar in the cache is not the pinned one.
        EngineUnavailable: Spark cannot start, another session is in the way, or the settings ask for a second one.
    """
    with _lock:
        if _running is not None and _is_usable(_running):
            _check_same(_running, settings)
            return _running.session
        stop_session()
        return start_session(settings)


def start_beside(settings: Settings) -> None:
    """Start the session in a thread, unless one runs; the call that needs it waits, and tells what went wrong."""

    def start() -> None:
        with contextlib.suppress(Exception):
            spark_session(settings)

    if not session_started():
        threading.Thread(target=start, name="spark-start", daemon=True).start()


def session_started() -> bool:
    """Whether a session runs in this process; asking starts none."""
    return _running is not None and _running.process_id == os.getpid() and _running.jvm.lives()


def stop_session(*, patience: float = 30) -> None:
    """End the session, its JVM and its folder; nothing happens when there is none.

    Args:
        patience: Seconds the JVM has for its own exit before it is killed.
    """
    global _running
    with _lock:
        if _running is None or _running.process_id != os.getpid():
            return
        running, _running = _running, None
        _leave_spark(lives=running.jvm.lives())
        running.jvm.stop(patience=patience)
        running.run.release()
        sys.path[:] = [entry for entry in sys.path if not entry.startswith(str(running.run.path))]


def start_session(settings: Settings, *, jvm_options: Sequence[str] | None = None) -> SparkSession:
    """Start a session; for use where none runs.

    Args:
        settings: Master, memory and folders.
        jvm_options: Instead of the class-data archive's, for the process that makes the archive.
    """
    global _running
    if settings.spark_master.startswith("sc://"):
        raise _connect_unavailable(settings.spark_master)
    java = check_java()
    jars = ensure_jars(settings.cache_path)
    _make_way()
    local = _on_one_machine(settings)
    run = claim_run_folder(settings.home)
    options = [
        f"-Xmx{settings.spark_memory}",
        *(_SMALL_WORK if local and settings.engine != "spark" else ()),
        *(jvm_options or ()),
    ]
    start = partial(start_jvm, _configuration(settings, jars, run.path), jars=jars, run=run.path, local=local)
    archive = archive_path(settings.cache_path, jars, java)
    try:
        if jvm_options is None and settings.class_data_sharing and archive.exists():
            jvm = _start_with(archive, start, options)
        else:
            jvm = start(options=options)
    except BaseException:
        run.release()
        raise
    try:
        session = _open_session(jvm, local=local)
    except BaseException as error:
        _leave_spark(lives=jvm.lives())
        ended = None if jvm.lives() else jvm_lost("was not started", jvm.process, jvm.log)
        jvm.stop()
        run.release()
        if ended is not None:
            raise ended from error
        raise
    _running = _Running(session, jvm, run, (settings.spark_master, settings.spark_memory), os.getpid())
    return session


def _start_with(archive: Path, start: Callable[..., Jvm], options: list[str]) -> Jvm:
    """Start with the archive; when the JVM dies and does not without it, the archive was at fault and is removed.

    The JVM passes over an archive that is stale, but dies of one that is cut off.
    """
    sharing = [f"-XX:SharedArchiveFile={archive}", "-Xshare:auto", "-Xlog:cds=off", "-Xlog:cds+dynamic=off"]
    try:
        return start(options=options + sharing)
    except EngineUnavailable:
        jvm = start(options=options)
        archive.unlink(missing_ok=True)
        return jvm


def _on_one_machine(settings: Settings) -> bool:
    """Whether driver and executors are one JVM; ``local-cluster[...]`` is not."""
    return settings.spark_master == "local" or settings.spark_master.startswith("local[")


def _configuration(settings: Settings, jars: Sequence[Path], run: Path) -> dict[str, str]:
    chosen = {
        "spark.master": settings.spark_master,
        "spark.app.name": "alluvia",
        "spark.driver.memory": settings.spark_memory,
        **_MEANING,
    }
    if not _on_one_machine(settings):
        # Partitions, folders and Python are the cluster's to say; Delta it does not have.
        return {**chosen, "spark.jars": ",".join(map(str, jars))}
    return {
        **chosen,
        **_ONE_MACHINE,
        "spark.local.dir": str(run),
        "spark.sql.warehouse.dir": str(run / "warehouse"),
        "spark.pyspark.python": sys.executable,
        "spark.executorEnv.PYTHONPATH": str(_PROJECT),
    }


def _open_session(jvm: Jvm, *, local: bool) -> SparkSession:
    from pyspark import SparkContext
    from pyspark.sql import SparkSession

    context = SparkContext(gateway=jvm.connect())
    if local:
        context.pythonExec = sys.executable  # pyspark itself would take the first python3 on PATH
    return SparkSession(context)


def _is_usable(running: _Running) -> bool:
    if running.process_id != os.getpid():
        raise EngineUnavailable(
            "Spark",
            what=f"This process was forked from {running.process_id}, whose session cannot be shared.",
            state="was not started",
            next_step="start such processes with multiprocessing's 'spawn' or 'forkserver'.",
        )
    context: Any = running.session.sparkContext
    return running.jvm.lives() and context._jsc is not None


def _check_same(running: _Running, settings: Settings) -> None:
    asked = (settings.spark_master, settings.spark_memory)
    if asked != running.asked:
        raise EngineUnavailable(
            f"a Spark session on {asked[0]} with {asked[1]}",
            what=f"This process already runs one on {running.asked[0]} with {running.asked[1]}.",
            state="was not started",
            next_step="use one master and memory in a process, or end the first with stop_session().",
        )


def _make_way() -> None:
    """Refuse beside a session that someone else started; end the idle JVM that one left behind."""
    from pyspark import SparkContext

    foreign: Any = SparkContext._active_spark_context
    if foreign is not None:
        raise EngineUnavailable(
            "Spark",
            what=f"Another Spark session runs in this process: {foreign.appName} on {foreign.master}.",
            state="was not started",
            next_step="end it first with its stop(); one process can hold one, and its settings would not be ours.",
        )
    idle: Any = SparkContext._gateway
    if idle is not None:
        _leave_spark(lives=True)
        if idle.proc is not None:
            idle.proc.communicate()


def _leave_spark(*, lives: bool) -> None:
    """Stop Spark as pyspark knows it, and make pyspark forget it, so that another one can start."""
    from pyspark import SparkContext
    from pyspark.sql import SparkSession

    context: Any = SparkContext._active_spark_context
    gateway: Any = SparkContext._gateway
    if context is not None:
        accumulators = context._accumulatorServer
        if not lives:
            context._jsc = None
        context.stop()
        if accumulators is not None:
            accumulators.server_close()
    if gateway is not None:
        gateway.shutdown()
    SparkContext._gateway = SparkContext._jvm = None
    SparkSession._instantiatedSession = SparkSession._activeSession = None


def _connect_unavailable(master: str) -> EngineUnavailable:
    return EngineUnavailable(
        f"Spark Connect at {master}",
        what="Commits need Delta inside the driver, which this version starts itself.",
        state="was not used",
        next_step="set ALLUVIA_SPARK_MASTER to local[N] or spark://host:port.",
    )


atexit.register(stop_session)
