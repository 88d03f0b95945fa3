"""Makes the JVM class-data archive: runs what a first write and read run, then lets the JVM dump its classes.

With the archive a session and its first writes take a third of the time. Making it costs about a minute once, so
it is a step of the set-up and never of anybody's run: ``python -m feature_groups.store.engines.warm_up``.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from pydantic import ValidationError

from feature_groups.store.engines.delta_commit import append_once, replace_once
from feature_groups.store.engines.jars import ensure_jars
from feature_groups.store.engines.java import check_java
from feature_groups.store.engines.jvm import archive_path
from feature_groups.store.engines.run_folder import claim_run_folder
from feature_groups.store.engines.session import start_session, stop_session
from feature_groups.store.errors import AlluviaError
from feature_groups.store.settings import Settings

if TYPE_CHECKING:
    import pyarrow as pa
    from pyspark.sql import SparkSession

_DUMP_SECONDS = 300
_KEEP_OTHERS = 2  # 200 MB each; clones and environments may share a cache


def ensure_archive(settings: Settings) -> Path | None:
    """The archive for this Java and these jars, made when it is not there.

    Returns:
        Its path, or None when it is switched off or this Java wrote none.
    """
    if not settings.class_data_sharing:
        return None
    archive = archive_path(settings.cache_path, ensure_jars(settings.cache_path), check_java())
    if not archive.exists():
        _make(settings, archive)
    return archive if archive.exists() else None


def _make(settings: Settings, archive: Path) -> None:
    archive.parent.mkdir(parents=True, exist_ok=True)
    scratch = claim_run_folder(settings.home)  # which the next start sweeps if this one is killed
    try:
        dumped = scratch.path / archive.name
        session = start_session(settings, jvm_options=[f"-XX:ArchiveClassesAtExit={dumped}"])
        try:
            _exercise(session, scratch.path)
        except BaseException:
            stop_session(patience=0)
            raise
        stop_session(patience=_DUMP_SECONDS)
        if dumped.exists():
            with dumped.open("rb") as content:
                os.fsync(content.fileno())  # a power cut must not leave the final name on an empty file
            os.replace(dumped, archive)
    finally:
        scratch.release()
    others = sorted(archive.parent.glob("*.jsa"), key=lambda path: path.stat().st_mtime, reverse=True)
    for old in [path for path in others if path != archive][_KEEP_OTHERS:]:
        old.unlink(missing_ok=True)


def _exercise(session: SparkSession, scratch: Path) -> None:
    """Every kind of statement the store sends, once, on a handful of rows."""
    path, spool = f"{scratch}/table", str(scratch / "spool")
    table = f"delta.`{path}`"
    columns = (
        "id, current_timestamp() as seen, cast(id as int) as small, id / 7 as ratio, array(id) as list, 'x' as word"
    )
    batch = session.range(100).selectExpr(*columns.split(", "))
    batch.write.parquet(spool)
    schema = session.read.parquet(spool).schema
    session.sql(
        f"create table {table} ({', '.join(f'{field.name} {field.dataType.simpleString()}' for field in schema)})"
        " using delta tblproperties ('delta.enableChangeDataFeed' = 'true',"
        " 'delta.enableInCommitTimestamps' = 'true', 'delta.enableDeletionVectors' = 'true')"
    )
    rows = session.read.parquet(spool)
    append_once(session, path, rows, "warm-up", "{}")
    kinds = "explode(array('update_preimage', 'update_postimage')) as _change_type"
    for key, some in (("first change", "id < 7"), ("second change", "id < 9")):
        replace_once(session, path, rows.where(some).selectExpr("*", kinds), ["id", "seen"], {}, key, "{}")
    session.sql(f"optimize {table} zorder by (id)").collect()
    feed = session.read.format("delta").option("readChangeFeed", "true").option("startingVersion", 0)
    feed.load(path).toArrow()
    session.table(table).groupBy("word").count().toArrow()
    session.table(table).select("id").mapInArrow(_unchanged, "id long").toArrow()


def _unchanged(batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
    yield from batches


def main() -> None:
    """Fetch what Spark needs, which must succeed, then make the archive, which may fail."""
    try:
        settings = Settings()
        jars = ensure_jars(settings.cache_path)
        if not settings.class_data_sharing or archive_path(settings.cache_path, jars, check_java()).exists():
            return
    except (AlluviaError, ValidationError) as error:
        sys.exit(str(error))
    sys.stderr.write("Making the class-data archive that halves Spark's start-up (once, about a minute) ...\n")
    try:
        made = ensure_archive(settings)
    except Exception as error:  # whatever it is, Spark works without the archive
        sys.stderr.write(f"{error}\n")
        made = None
    if made is None:
        sys.stderr.write("It could not be made; Spark starts without it, some seconds slower.\n")


if __name__ == "__main__":
    main()
