"""Upsert ten thousand rows into a million, half of them unchanged; and the same batch again."""

from __future__ import annotations

import importlib
import json
import shutil
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import polars as pl

from benchmarks.lake import SPARK_TYPES, delta_rows, delta_version, scratch_home, session, via_arrow, via_parquet
from benchmarks.measure import REPEATS, Row, Spent, Work, alternate, cheapest, median, spend, versus
from benchmarks.report import MARK, main
from benchmarks.rows import changed_rows, purchase_rows, purchases, same_rows
from feature_groups.store import Settings, StoredFeatureGroup, connect
from feature_groups.store.connect import session_started

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

HISTORY = 1_000_000
BATCH = 10_000
LIMIT, AGAIN_LIMIT = 1.1, 0.05
WARM_UP = 50_000
MERGES = 5

_COLUMNS = [part.split()[0] for part in SPARK_TYPES.split(", ")]
_CONTENT = [name for name in _COLUMNS if name not in ("user_id", "bought_at")]
_DIFFERS = " or ".join(f"t.{name} is distinct from s.{name}" for name in _CONTENT)
MERGE = f"""merge into delta.`{{path}}` t using batch s
on t.user_id = s.user_id and t.bought_at = s.bought_at
when matched and ({_DIFFERS}) then update set *
when not matched then insert *"""


def rows() -> list[Row]:
    """The upsert, then the same batch again: ours in a new process."""
    with scratch_home() as settings:
        return _measured(settings)


def _measured(settings: Settings) -> list[Row]:
    home, spark = settings.home, session(settings)
    history = purchase_rows(HISTORY)
    batch = _batch(history, BATCH)
    batches = {"origin": batch, "small": _batch(history.head(WARM_UP), WARM_UP // 100)}
    _tables(settings, spark, "origin", history)
    _tables(settings, spark, "small", history.head(WARM_UP))

    def ours(start: str, name: str) -> Work:
        _copy(home / f"ours-{start}", home / f"ours-{name}")
        fg = _group(settings, f"ours-{name}")
        return lambda: fg.insert(batches[start])

    def theirs(way: str, start: str, name: str) -> Work:
        table = home / f"{way}-{name}"
        _copy(home / f"theirs-{start}", table)
        if way.endswith("feed"):
            spark.sql(f"alter table delta.`{table}` set tblproperties ('delta.enableChangeDataFeed' = 'true')")
        return lambda: _merge(spark, batches[start], table, way)

    ways: tuple[str, ...] = ("arrow", "parquet", "parquet+feed")
    for number in range(2):
        for way in ways:  # ours as often as all of theirs together
            ours("small", f"warm-up-{way}-{number}")()
            theirs(way, "small", f"warm-up-{number}")()
    spent = alternate(
        {
            "ours": lambda repeat: ours("origin", str(repeat)),
            **{way: lambda repeat, way=way: theirs(way, "origin", str(repeat)) for way in ways},
        },
        repeats=MERGES,
    )
    feed = spent.pop("parquet+feed")
    ways = ways[:2]
    best = cheapest({way: spent[way] for way in ways})
    result = _group(settings, "ours-0").read(engine="polars").collect()
    same = all(same_rows(result, delta_rows(home / f"{way}-0")) for way in ways)
    same = same and result.height == HISTORY + BATCH // 4
    told = ", ".join(f"{way} {spent[way].cpu:.2f}" for way in ways)
    first = versus(
        f"upsert {BATCH:,} rows into 1 M: half unchanged, a quarter changed, a quarter new",
        spent["ours"],
        f"hand-written MERGE, batch through {best}",
        spent[best],
        limit=LIMIT,
        same=same,
        note=f"median of {MERGES} in a warm session, deletion vectors on both sides, no change feed on theirs; "
        f"MERGE through {told} CPU-s",
    )
    with_feed = versus(
        "the same upsert, against a table that records its changes as ours does",
        spent["ours"],
        "hand-written MERGE, batch through a Parquet file, change feed on",
        feed,
        limit=None,
        same=same,
        note="the same runs; what read_changes() costs a MERGE is in this line on both sides",
    )
    return [first, with_feed, _again(settings, spark, batch, best)]


def _again(settings: Settings, spark: SparkSession, batch: pl.DataFrame, way: str) -> Row:
    """The same batch once more; ours by a process of its own, which must not start a JVM nor commit."""
    home = settings.home
    batch.write_parquet(home / "batch.parquet")
    theirs, before = [], delta_version(home / f"{way}-0")
    for _ in range(REPEATS):
        theirs.append(spend(lambda: _merge(spark, batch, home / f"{way}-0", way))[0])
    command = [sys.executable, "-m", "benchmarks.upsert", str(home), "ours-0", str(home / "batch.parquet")]
    ours, quiet = [], delta_version(home / f"{way}-0") == before
    for _ in range(REPEATS):
        said = subprocess.run(command, check=True, capture_output=True, text=True).stdout
        told = json.loads(next(line for line in said.splitlines() if line.startswith(MARK)).removeprefix(MARK))
        ours.append(Spent(told["cpu"], told["wall"]))
        quiet = quiet and not told["jvm"] and not told["committed"] and told["unchanged"] == BATCH
    stored = _group(settings, "ours-0").read(engine="polars").collect()
    same = quiet and same_rows(stored, delta_rows(home / f"{way}-0"))
    return versus(
        "the same batch again, under a new key, in a new process after its imports",
        median(ours),
        "the same MERGE again, in the warm session",
        median(theirs),
        limit=AGAIN_LIMIT,
        same=same,
        note="neither side commits; ours starts no JVM (checked)",
    )


def again(home: Path, lake: str, file: Path) -> None:
    """In a process of its own: insert a batch that is there already, and print what it took."""
    for lazily in ("deltalake", "obstore", "polars_hash", "pyarrow"):
        importlib.import_module(lazily)
    batch = pl.read_parquet(file)
    settings = Settings(home=home)
    spent, receipt = spend(lambda: _group(settings, lake).insert(batch))
    told = {"cpu": spent.cpu, "wall": spent.wall, "jvm": session_started()}
    print(MARK + json.dumps({**told, "committed": receipt.committed, "unchanged": receipt.unchanged}))


def _batch(history: pl.DataFrame, size: int) -> pl.DataFrame:
    """Half unchanged and a quarter changed rows, spread over the whole table, and a quarter new ones."""
    known = history.gather_every(history.height // size).head(size * 3 // 4).sample(fraction=1, shuffle=True, seed=1)
    changed = changed_rows(known.head(size // 4))
    new = purchase_rows(size // 4, first=history.height)
    return pl.concat([known.tail(size // 2), changed, new])


def _tables(settings: Settings, spark: SparkSession, name: str, rows: pl.DataFrame) -> None:
    """The table before the upsert, ours and theirs, to be copied for every repetition."""
    home = settings.home
    _group(settings, f"ours-{name}").insert(rows)
    spark.sql(
        f"create table delta.`{home}/theirs-{name}` ({SPARK_TYPES}) using delta"
        " tblproperties ('delta.enableDeletionVectors' = 'true')"
    )
    via_parquet(spark, rows, home / "spool").write.format("delta").mode("append").save(f"{home}/theirs-{name}")


def _merge(spark: SparkSession, batch: pl.DataFrame, path: Path, way: str) -> None:
    """The best MERGE we could write by hand."""
    given = via_arrow(spark, batch) if way == "arrow" else via_parquet(spark, batch, path.parent / "spool")
    given.createOrReplaceTempView("batch")
    spark.sql(MERGE.format(path=path)).collect()


def _copy(source: Path, target: Path) -> None:
    shutil.copytree(source, target)


def _group(settings: Settings, lake: str) -> StoredFeatureGroup:
    return connect(settings.home / lake, settings=settings).get_or_create_feature_group(purchases)


if __name__ == "__main__":
    if len(sys.argv) > 1:
        again(Path(sys.argv[1]), sys.argv[2], Path(sys.argv[3]))
    else:
        main(rows)
