"""What Spark writes has checksums, and rot in any file of it is found."""

from __future__ import annotations

from pathlib import Path

import polars as pl

from feature_groups.store import FeatureStore


def test_every_file_that_spark_writes_is_compared_with_its_checksum(light_store: FeatureStore) -> None:
    group = light_store.get_or_create_feature_group(name="songs", version=1, primary_key=["song"])
    group.insert(pl.DataFrame({"song": [1, 2, 3], "plays": [4, 5, 6]}))
    group.insert(pl.DataFrame({"song": [1], "plays": [7]}))

    (whole,) = light_store.verify()
    assert whole.whole, whole.problems
    assert whole.unsure == 0

    folder = Path(group.table.path)
    for file in [*folder.glob("*.parquet"), *folder.glob("*.bin")]:
        before = file.read_bytes()
        file.write_bytes(before[:-9] + bytes([before[-9] ^ 1]) + before[-8:])
        (rotten,) = light_store.verify()
        assert rotten.problems[0].startswith(f"the file {file.name} was changed since it was written")
        file.write_bytes(before)
    assert light_store.verify()[0].whole
