"""Point-in-time joins read from Delta, against what a user would write with Polars, DuckDB or pandas."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import polars as pl

from benchmarks.as_of_ways import duckdb_asof, pandas_merge_asof, polars_join_asof
from benchmarks.feature_lake import feature_store, group, spine_rows, table, view
from benchmarks.measure import Row, Spent, alternate, median, spend, versus
from benchmarks.memory import peak_memory
from benchmarks.report import MARK, flush, main
from feature_groups.store import FeatureStore
from feature_groups.store.row_hash import fingerprint

SMALL, LARGE = 2_000_000, 10_000_000
SMALL_SPINE, LARGE_SPINE = 200_000, 1_000_000
LIMIT, CLUSTERED_LIMIT = 1.15, 0.7
LARGE_GROUPS = ("large_a", "large_b", "large_c")
SMALL_REPEATS = 7
PUBLISHED, PUBLISHED_CORES = 967_000, 16
REPEATS = {"ours": 3, "polars": 3, "duckdb": 3, "pandas": 1, "to pandas": 1}


def rows() -> list[Row]:
    """Small and large, by instant and clustered; then the published comparison."""
    with feature_store() as store:
        small = [*_small(store, clustered=False), *_small(store, clustered=True)]
        for name in LARGE_GROUPS:
            table(store, name, LARGE)
        table(store, "large_clustered", LARGE, clustered=True)
        lake = store.lake
        large = [
            *_large(lake, ["large_a"], "1 M spine x 10 M rows", LIMIT),
            *_large(lake, ["large_clustered"], "1 M spine x 10 M rows, clustered", CLUSTERED_LIMIT),
            *_large(lake, LARGE_GROUPS, "1 M spine x three groups of 10 M rows", LIMIT),
        ]
        return [*small, *large, _published(lake)]


def _small(store: FeatureStore, *, clustered: bool) -> list[Row]:
    name = "small_clustered" if clustered else "small"
    declared = table(store, name, SMALL, clustered=clustered)
    folders = _folders(store.lake, [name])
    spine = spine_rows(SMALL_SPINE, SMALL // 100)
    fv = store.get_or_create_feature_view(view(declared))

    def ours() -> pl.DataFrame:
        made: pl.LazyFrame = fv.get_batch_data(spine, engine="polars")
        return made.collect()

    def theirs() -> pl.DataFrame:
        return polars_join_asof(folders, spine)

    def unsorted() -> pl.DataFrame:
        return polars_join_asof(folders, spine, sort=False)

    ways = {way.__name__: way for way in (ours, theirs, *([unsorted] if clustered else []))}
    same = len({checksum(way()) for way in ways.values()}) == 1
    spent = alternate({name: lambda _, way=way: way for name, way in ways.items()}, repeats=SMALL_REPEATS)
    what = f"PIT join, 200 k spine x 2 M rows, 5 features, from Delta{', clustered' if clustered else ''}"
    limit = CLUSTERED_LIMIT if clustered else LIMIT
    note = f"median of {SMALL_REPEATS}, after one; the spine's order kept; equal checksums"
    made = [
        versus(
            what,
            spent["ours"],
            "Polars scan_delta, sort, join_asof",
            spent["theirs"],
            limit=limit,
            same=same,
            note=note,
        )
    ]
    if clustered:
        note = "right only because the rows of an entity lie by instant in the files"
        against = "Polars scan_delta, join_asof without the sort that it asks for"
        made.append(versus(what, spent["ours"], against, spent["unsorted"], limit=None, same=same, note=note))
    return made


def _large(lake: Path, groups: Sequence[str], what: str, limit: float) -> list[Row]:
    """Every way in a process of its own, for its memory."""
    told = {way: _in_a_process(lake, way, groups) for way in ("ours", "polars", "duckdb", "pandas")}
    same = len({found.checksum for found in told.values()}) == 1
    ours = told["ours"]
    limits = {"polars": limit, "duckdb": 1.0, "pandas": 1.0}
    names = {"polars": "Polars join_asof", "duckdb": "DuckDB ASOF", "pandas": "pandas merge_asof"}
    return [
        versus(
            f"PIT join, {what}",
            ours.spent,
            names[way],
            told[way].spent,
            limit=limits[way],
            same=same,
            note=f"peak memory {ours.peak:.1f} GB, theirs {told[way].peak:.1f}; a process each, median of "
            f"{REPEATS['ours']} and {REPEATS[way]} after a small one; equal checksums",
        )
        for way in limits
    ]


def _published(lake: Path) -> Row:
    """Rows per second to pandas beside the figure published for Hopsworks (feature_stores: 16 vCPU, NYC taxi data)."""
    found = _in_a_process(lake, "to pandas", LARGE_GROUPS, spine=LARGE)
    per_second = LARGE / found.spent.wall
    per_core = LARGE / found.spent.cpu
    note = (
        f"{per_second:,.0f} rows/s of wall time on 2 shared cores, {per_core:,.0f} rows per CPU-second;"
        f" published for Hopsworks, 10 M rows on {PUBLISHED_CORES} vCPU: {PUBLISHED:,} rows/s, "
        f"{PUBLISHED / PUBLISHED_CORES:,.0f} a core. Other data, another machine, and theirs crosses a network;"
        f" ours joins 3 groups x 5 features and has {found.peak:.1f} GB at most"
    )
    what = "PIT join of 10 M spine rows x three groups of 10 M rows, to pandas"
    return Row(what, "", found.spent.cpu, None, found.spent.wall, None, "", None, None, note)


class _Told:
    """What a process of its own told: time, memory at most (GB), and the answer's checksum."""

    def __init__(self, told: dict[str, float | str]) -> None:
        self.spent = Spent(float(told["cpu"]), float(told["wall"]))
        self.peak, self.checksum = float(told["peak"]), str(told["checksum"])


def _in_a_process(lake: Path, way: str, groups: Sequence[str], spine: int = LARGE_SPINE) -> _Told:
    flush(f"{way}: {', '.join(groups)} ...")
    command = [sys.executable, "-m", "benchmarks.point_in_time", str(lake), way, str(spine), *groups]
    said = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout
    return _Told(json.loads(next(line for line in said.splitlines() if line.startswith(MARK)).removeprefix(MARK)))


def alone(lake: Path, way: str, size: int, groups: Sequence[str]) -> None:
    """In a process of its own: join, and print what it took."""
    from feature_groups.store import connect

    store = connect(lake)
    spine = spine_rows(size, LARGE // 100)

    def ours(spine: pl.DataFrame, groups: Sequence[str]) -> pl.DataFrame:
        fv = store.get_or_create_feature_view(view(*(group(name) for name in groups)))
        made: pl.LazyFrame = fv.get_batch_data(spine, engine="polars")
        return made.collect()

    ways = {
        "ours": ours,
        "to pandas": lambda spine, groups: ours(spine, groups).to_pandas(),
        "polars": lambda spine, groups: polars_join_asof(_folders(lake, groups), spine),
        "duckdb": lambda spine, groups: duckdb_asof(_folders(lake, groups), spine),
        "pandas": lambda spine, groups: pandas_merge_asof(_folders(lake, groups), spine),
    }
    ways[way](spine.head(SMALL_SPINE), ["small"])
    found, made = [], None
    for _ in range(REPEATS[way]):
        made = None
        spent, made = spend(lambda: ways[way](spine, groups))
        found.append(spent)
    spent, peak = median(found), peak_memory()
    mark = "" if way == "to pandas" else checksum(made)
    print(MARK + json.dumps({"cpu": spent.cpu, "wall": spent.wall, "peak": peak, "checksum": mark}))


def checksum(frame: pl.DataFrame) -> str:
    """Equal for equal values in the same order: the fingerprint of the rows with their positions."""
    numbered = frame.with_row_index("n").with_columns(pl.col("n").cast(pl.Int64))
    values = numbered.select("n", *sorted(frame.columns))
    return f"{fingerprint(values, values.schema):032x}"


def _folders(lake: Path, groups: Sequence[str]) -> dict[str, Path]:
    return {name: lake / "feature_groups" / group(name).id for name in groups}


if __name__ == "__main__":
    if len(sys.argv) > 1:
        alone(Path(sys.argv[1]), sys.argv[2], int(sys.argv[3]), sys.argv[4:])
    else:
        main(rows)
