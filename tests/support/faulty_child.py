"""One write in a process of its own, which a fault point may kill: python faulty_child.py LAKE OPERATION KEY."""

from __future__ import annotations

import sys
from datetime import UTC, datetime

import pandera.polars as pa
import polars as pl

from feature_groups.store import FeatureGroup, Receipt, Settings, StoredFeatureGroup, UtcDatetime, connect, stop_session

START = datetime(2026, 1, 1, tzinfo=UTC)


class Contract(pa.DataFrameModel):
    """One row per sensor."""

    sensor: int = pa.Field(ge=0)
    measured_at: UtcDatetime
    celsius: float = pa.Field(le=100)


def group(policy: str = "strict") -> FeatureGroup:
    return FeatureGroup(
        name=f"heat_{policy}",
        version=1,
        description="What sensors measured.",
        primary_key=["sensor"],
        event_time="measured_at",
        contract=Contract,
        policy=policy,  # type: ignore[arg-type]  # one of the literals
        max_rejected=0.5,
    )


def readings(sensors: range, celsius: float = 1.0) -> pl.DataFrame:
    data = {"sensor": list(sensors), "measured_at": [START] * len(sensors), "celsius": [celsius] * len(sensors)}
    return pl.DataFrame(data, schema_overrides={"measured_at": pl.Datetime("us", "UTC"), "celsius": pl.Float64})


def opened(lake: str, operation: str) -> StoredFeatureGroup:
    store = connect(lake, settings=Settings(engine="polars"))
    return store.get_or_create_feature_group(group("quarantine" if operation == "quarantine" else "strict"))


def write(heat: StoredFeatureGroup, operation: str, key: str) -> Receipt:
    """The write under test; on a table that holds sensors 0 to 9 at 1 degree (or, for ``first``, on none)."""
    match operation:
        case "first" | "append":
            return heat.insert(readings(range(100, 110)), batch_key=key)
        case "merge":
            return heat.insert(readings(range(5, 15), 2.0), batch_key=key)
        case "overwrite":
            return heat.insert(readings(range(5, 15), 2.0), overwrite=True, batch_key=key)
        case "delete":
            return heat.delete_rows(readings(range(0, 5)).select("sensor"), batch_key=key)
        case _:
            good, bad = readings(range(100, 110)), readings(range(200, 203), 1000.0)
            return heat.insert(pl.concat([good, bad]), batch_key=key)


def expected(operation: str) -> dict[int, float]:
    """What the table holds after the write, as sensor to degrees."""
    before = dict.fromkeys(range(10), 1.0)
    added, moved = dict.fromkeys(range(100, 110), 1.0), dict.fromkeys(range(5, 15), 2.0)
    if operation == "first":
        return added
    if operation == "overwrite":
        return moved
    if operation == "delete":
        return {s: c for s, c in before.items() if s >= 5}
    return before | (moved if operation == "merge" else added)


if __name__ == "__main__":
    lake, operation, key = sys.argv[1:]
    write(opened(lake, operation), operation, key)
    stop_session()
