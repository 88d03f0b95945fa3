"""A training dataset of a million rows, made, described and pinned, against the join alone: hand-written, and ours."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from benchmarks.as_of_ways import polars_join_asof
from benchmarks.feature_lake import feature_store, spine_rows, table, view
from benchmarks.measure import Row, Work, alternate, versus
from benchmarks.point_in_time import LARGE, LARGE_GROUPS, LARGE_SPINE, checksum
from benchmarks.report import main
from feature_groups.store import HashSplit, StoredFeatureView

LIMIT = 1.5
AGAINST = {"by hand": "the hand-written join alone, in memory", "joined": "our own join alone, in memory"}
REPEATS = 3


def rows() -> list[Row]:
    """From one group and from three; whole, and split by a hash of the entity."""
    with feature_store() as store:
        declared = [table(store, name, LARGE) for name in LARGE_GROUPS]
        one, three = (store.get_or_create_feature_view(view(*groups)) for groups in (declared[:1], declared))
        lake = [
            (name, store.lake / "feature_groups" / group.id) for name, group in zip(LARGE_GROUPS, declared, strict=True)
        ]
        whole = _measured(one, lake[:1], "one group of 10 M", None)
        split = _measured(
            one, lake[:1], "one group of 10 M, split 80:20 by hash", HashSplit(train=0.8, validation=0, test=0.2)
        )
        return [*whole, *split, *_measured(three, lake, "three groups of 10 M", None)]


def _measured(fv: StoredFeatureView, tables: list[tuple[str, Path]], what: str, split: Any) -> list[Row]:
    entities = LARGE // 100

    def made(seed: int) -> Work:
        spine = spine_rows(LARGE_SPINE, entities, seed=seed)  # another spine: else the dataset is there already
        return lambda: fv.create_training_dataset(spine, split=split, engine="polars")

    def joined(seed: int) -> Work:
        spine = spine_rows(LARGE_SPINE, entities, seed=seed)
        return lambda: fv.get_batch_data(spine, engine="polars").collect()

    def written_by_hand(seed: int) -> Work:
        spine = spine_rows(LARGE_SPINE, entities, seed=seed)
        return lambda: polars_join_asof(dict(tables), spine)

    first = sum(what.encode())
    dataset, expected = made(first)(), joined(first)()
    if split is None:
        same = checksum(dataset.frame().drop("__row")) == checksum(expected) == checksum(written_by_hand(first)())
    else:
        same = sum(dataset.frame(name).height for name in dataset.parts) == expected.height
    ways = {"made": made, "joined": joined, "by hand": written_by_hand}
    spent = alternate({name: lambda n, way=way: way(first + 1 + n) for name, way in ways.items()}, repeats=REPEATS)
    note = f"median of {REPEATS}, after one; stored as Parquet with statistics, content hashes, and its versions pinned"
    return [
        versus(
            f"a training dataset of 1 M rows from {what}",
            spent["made"],
            against,
            spent[way],
            limit=LIMIT if split is None else None,
            same=same,
            note=note,
        )
        for way, against in (
            ("by hand", "the hand-written join alone, in memory"),
            ("joined", "our join alone, in memory"),
        )
    ]


if __name__ == "__main__":
    main(rows)
