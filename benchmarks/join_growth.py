"""How the point-in-time join grows: four and sixteen times the rows, and a picture of it."""

from __future__ import annotations

import math

from benchmarks.as_of_ways import polars_join_asof
from benchmarks.feature_lake import PER_ENTITY, feature_store, spine_rows, table, view
from benchmarks.measure import Row, Spent, alternate
from benchmarks.point_in_time import checksum
from benchmarks.report import RESULTS, main
from feature_groups.store import FeatureStore

TABLES = {"growth_1": 625_000, "growth_4": 2_500_000, "large_a": 10_000_000}
SPINE_SHARE = 10
TOLERANCE = 1.1
PICTURE = RESULTS / "join_growth.png"


def rows() -> list[Row]:
    """One line: sixteen times the rows against n log n; the picture has all three sizes and Polars' own join beside."""
    with feature_store() as store:
        spent = {rows: _measured(store, name, rows) for name, rows in TABLES.items()}
    sizes = list(TABLES.values())
    mine = {rows: ours for rows, (ours, _, _) in spent.items()}
    theirs = {rows: other for rows, (_, other, _) in spent.items()}
    same = all(equal for _, _, equal in spent.values())
    draw(mine, theirs)
    first, last = mine[sizes[0]], mine[sizes[-1]]
    allowed = _n_log_n(sizes[-1]) / _n_log_n(sizes[0])
    told = ", ".join(f"{rows:,} rows {ours.cpu:.2f}" for rows, ours in mine.items())
    ratios = " and ".join(f"{mine[rows].cpu / first.cpu:.1f}" for rows in sizes[1:])
    grown = last.cpu / first.cpu
    note = f"{told} CPU-s: {ratios} times for 4 and 16 times the rows; n log n would be {allowed:.1f}; median of 3"
    what = "growth of the PIT join, 62.5 k spine x 625 k rows to 16 times that"
    met = grown <= TOLERANCE * allowed and same
    return [Row(what, "", last.cpu, None, last.wall, None, "<= n log n", met, same, note)]


def _measured(store: FeatureStore, name: str, rows: int) -> tuple[Spent, Spent, bool]:
    declared = table(store, name, rows)
    spine = spine_rows(rows // SPINE_SHARE, rows // PER_ENTITY)
    folders = {name: store.lake / "feature_groups" / declared.id}
    fv = store.get_or_create_feature_view(view(declared))
    ways = {
        "ours": lambda: fv.get_batch_data(spine, engine="polars").collect(),
        "theirs": lambda: polars_join_asof(folders, spine),
    }
    same = len({checksum(way()) for way in ways.values()}) == 1
    spent = alternate({way: lambda _, work=work: work for way, work in ways.items()})
    return spent["ours"], spent["theirs"], same


def draw(ours: dict[int, Spent], theirs: dict[int, Spent]) -> None:
    """Rows against CPU-seconds, both logarithmic, beside n log n."""
    import matplotlib as mpl

    mpl.use("agg")
    from matplotlib import pyplot as plt

    sizes = list(ours)
    figure, axes = plt.subplots(figsize=(5, 3.2), layout="constrained")
    axes.plot(sizes, [ours[n].cpu for n in sizes], "o-", label="get_batch_data")
    axes.plot(sizes, [theirs[n].cpu for n in sizes], "s-", label="scan_delta, sort, join_asof by hand")
    scale = ours[sizes[0]].cpu / _n_log_n(sizes[0])
    axes.plot(sizes, [scale * _n_log_n(n) for n in sizes], "k:", label="n log n")
    axes.set(xscale="log", yscale="log", xlabel="rows of the group; a tenth in the spine", ylabel="CPU-seconds")
    axes.legend(frameon=False)
    PICTURE.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(PICTURE, dpi=150)
    plt.close(figure)


def _n_log_n(rows: int) -> float:
    return rows * math.log(rows)


if __name__ == "__main__":
    main(rows)
