"""From no Spark at all to the first insert: the store's session against one as Spark configures itself."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

from benchmarks.lake import bare_append, delta_rows, scratch_home
from benchmarks.measure import REPEATS, Row, Spent, median, spend, versus
from benchmarks.report import MARK, main
from benchmarks.rows import purchase_rows, purchases, same_rows
from feature_groups.store import Settings, connect
from feature_groups.store.engines.jars import ensure_jars
from feature_groups.store.engines.java import check_java
from feature_groups.store.engines.jvm import archive_path

ROWS = 1_000
LIMIT = 0.5
SECONDS = 200
"""An untuned session may take as long; where it does not end, its CPU-seconds until then count."""


def rows() -> list[Row]:
    """Every repetition is a process of its own, measured from its imports to the end of the insert."""
    with scratch_home() as settings:
        archive = archive_path(settings.cache_path, ensure_jars(settings.cache_path), check_java())
        if not archive.exists():
            raise SystemExit(f"{archive} is missing: make it with python -m feature_groups.store.engines.warm_up")
        ours, theirs, finished = [], [], True
        for number in range(REPEATS):
            spent, _ = _process("ours", settings.home, settings.home / f"ours-{number}")
            ours.append(spent)
            spent, ended = _process("theirs", settings.home, settings.home / f"theirs-{number}")
            theirs.append(spent)
            finished = finished and ended
        frame = purchase_rows(ROWS)
        stored = connect(settings.home / "ours-0", settings=settings).get_or_create_feature_group(purchases)
        same = same_rows(stored.read(engine="polars").collect(), frame)
        if finished:
            same = same and same_rows(delta_rows(settings.home / "theirs-0"), frame)
        ended = "" if finished else f"; the untuned session was stopped after {SECONDS} s, so the ratio is too high"
        return [
            versus(
                f"no Spark to the first insert of {ROWS:,} rows, class-data archive present",
                median(ours),
                "untuned session (only Delta and its jars configured), bare append",
                median(theirs),
                limit=LIMIT,
                same=same,
                note=f"a new process each time, from after its imports; ours also checks and counts{ended}",
            )
        ]


def _process(side: str, home: Path, target: Path) -> tuple[Spent, bool]:
    """What one process took, and whether it came to its end."""
    command = [sys.executable, "-m", "benchmarks.session", side, str(home), str(target)]
    scratch = target.parent / f"cwd-{target.name}"
    scratch.mkdir()
    path = os.pathsep.join([str(Path(__file__).parents[1]), os.environ.get("PYTHONPATH", "")])
    environment = os.environ | {"PYTHONPATH": path}
    said = subprocess.run(command, cwd=scratch, env=environment, check=True, stdout=subprocess.PIPE, text=True).stdout
    told = json.loads(next(line for line in said.splitlines() if line.startswith(MARK)).removeprefix(MARK))
    return Spent(told["cpu"], told["wall"]), told["finished"]


def ours(home: Path, lake: Path) -> None:
    """Insert into a new lake, in a process that has no session yet."""
    frame = purchase_rows(ROWS)
    settings = Settings(home=home)
    spent, _ = spend(lambda: connect(lake, settings=settings).get_or_create_feature_group(purchases).insert(frame))
    _tell(spent)


def theirs(home: Path, table: Path) -> None:
    """What a user writes who reads Delta's first page, with the jars at hand already."""
    import threading

    from pyspark.sql import SparkSession

    frame = purchase_rows(ROWS)
    jars = ",".join(str(jar) for jar in ensure_jars(Settings(home=home).cache_path))

    def work() -> None:
        spark = (
            SparkSession.builder.appName("untuned")
            .config("spark.jars", jars)
            .config("spark.sql.extensions", "io.delta.sql.DeltaSparkSessionExtension")
            .config("spark.sql.catalog.spark_catalog", "org.apache.spark.sql.delta.catalog.DeltaCatalog")
            .getOrCreate()
        )
        bare_append(spark.createDataFrame(frame.to_arrow()), table)

    def in_time() -> bool:
        thread = threading.Thread(target=work, daemon=True)
        thread.start()
        thread.join(SECONDS)
        return not thread.is_alive()

    spent, finished = spend(in_time)
    _tell(spent, finished=finished)
    if not finished:
        sys.stdout.flush()
        os._exit(0)


def _tell(spent: Spent, *, finished: bool = True) -> None:
    print(MARK + json.dumps({"cpu": spent.cpu, "wall": spent.wall, "finished": finished}))


if __name__ == "__main__":
    if len(sys.argv) > 1:
        {"ours": ours, "theirs": theirs}[sys.argv[1]](Path(sys.argv[2]), Path(sys.argv[3]))
    else:
        main(rows)
