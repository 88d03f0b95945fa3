"""Insert a million rows of ten columns: contract, statistics and exactly-once against a bare append."""

from __future__ import annotations

from pathlib import Path

import polars as pl

from benchmarks.lake import bare_append, delta_rows, scratch_home, session, via_arrow, via_parquet
from benchmarks.measure import Preparation, Row, Spent, Work, alternate, cheapest, versus
from benchmarks.report import main
from benchmarks.rows import purchase_rows, purchases, same_rows
from feature_groups.store import Settings, StoredFeatureGroup, connect

ROWS = 1_000_000
SMALL = 1_000
WARM_UP = 100_000


def rows() -> list[Row]:
    """A large insert into a new table, and small ones into a table that has rows."""
    with scratch_home() as settings:
        return [*_large(settings), *_small(settings)]


def _large(settings: Settings) -> list[Row]:
    spark, home = session(settings), settings.home
    frame, little = purchase_rows(ROWS), purchase_rows(WARM_UP)

    def ours(batch: pl.DataFrame, name: str) -> Work:
        fg = _group(settings, name)
        return lambda: fg.insert(batch)

    def arrow(batch: pl.DataFrame, name: str) -> Work:
        return lambda: bare_append(via_arrow(spark, batch), home / name)

    def parquet(batch: pl.DataFrame, name: str) -> Work:
        return lambda: bare_append(via_parquet(spark, batch, home / "spool"), home / name)

    for way in (ours, arrow, parquet):
        way(little, f"warm-up-{way.__name__}")()
    spent = alternate(
        {way.__name__: lambda repeat, way=way: way(frame, f"{way.__name__}-{repeat}") for way in (ours, arrow, parquet)}
    )
    stored = _group(settings, "ours-0").read(engine="polars").collect()
    same = same_rows(stored, frame) and all(same_rows(delta_rows(home / f"{n}-0"), frame) for n in ("arrow", "parquet"))
    what = "insert 1 M rows x 10 columns into a new table: contract, statistics, exactly once"
    note = f"warm session, new table each time, after one of {WARM_UP:,} rows each way"
    return [_against(what, spent, limit=1.5, same=same, note=note)]


def _small(settings: Settings) -> list[Row]:
    spark, home = session(settings), settings.home
    history = purchase_rows(WARM_UP)
    fg = _group(settings, "small-ours")
    fg.insert(history)
    for name in ("arrow", "parquet"):
        bare_append(via_parquet(spark, history, home / "spool"), home / f"small-{name}")
    batches = [purchase_rows(SMALL, first=WARM_UP + SMALL * n) for n in range(12)]

    def ours(batch: pl.DataFrame) -> Work:
        return lambda: fg.insert(batch)

    def arrow(batch: pl.DataFrame) -> Work:
        return lambda: bare_append(via_arrow(spark, batch), home / "small-arrow")

    def parquet(batch: pl.DataFrame) -> Work:
        return lambda: bare_append(via_parquet(spark, batch, home / "spool"), home / "small-parquet")

    ways = {way.__name__: way for way in (ours, arrow, parquet)}
    for batch in batches[:5]:
        for way in ways.values():
            way(batch)()

    def prepared(name: str) -> Preparation:
        return lambda repeat: ways[name](batches[5 + repeat])

    spent = alternate({name: prepared(name) for name in ways}, repeats=7)
    wanted = pl.concat([history, *batches])
    same = same_rows(fg.read(engine="polars").collect(), wanted) and all(
        same_rows(delta_rows(home / f"small-{n}"), wanted) for n in ("arrow", "parquet")
    )
    what = "insert 1,000 new rows into a table of 100,000, warm session"
    return [_against(what, spent, limit=2.5, same=same, note="median of 7, after 5 warm-ups each way")]


def _against(what: str, spent: dict[str, Spent], *, limit: float, same: bool, note: str) -> Row:
    """Compare with the cheaper of the two ways a user would write it."""
    ours = spent.pop("ours")
    best = cheapest(spent)
    others = ", ".join(f"through {name} {s.cpu:.2f}" for name, s in spent.items())
    names = {"arrow": "createDataFrame(arrow)", "parquet": "a Parquet file"}
    against = f"bare Delta append through {names[best]}"
    return versus(what, ours, against, spent[best], limit=limit, same=same, note=f"{note}; bare append {others} CPU-s")


def _group(settings: Settings, lake: str) -> StoredFeatureGroup:
    return connect(Path(settings.home) / lake, settings=settings).get_or_create_feature_group(purchases)


if __name__ == "__main__":
    main(rows)
