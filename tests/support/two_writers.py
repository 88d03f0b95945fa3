"""A writer of small batches: ``two_writers.py LAKE NAME FIRST COUNT``; says what it does, one JSON line each."""

from __future__ import annotations

import json
import sys

from feature_groups.store import Settings, StoredFeatureGroup, connect
from visits import frame, visits

SHARED = (1, 0)
"""The row that every sixth batch changes."""


def write(group: StoredFeatureGroup, name: str, number: int) -> tuple[str, int]:
    """Two rows that belong together, and at times the shared one."""
    nonce = f"{name} {number}"
    rows = dict.fromkeys([(number, 0), (number, 1), *([SHARED] if number % 6 == 0 else [])], (1.0, nonce, None))
    return nonce, group.insert(frame(rows), batch_key=nonce).version


if __name__ == "__main__":
    lake, name, first, count = sys.argv[1:]
    opened = connect(lake, settings=Settings(engine="polars")).get_or_create_feature_group(visits())
    opened._store.shop.spark().spark  # type: ignore[attr-defined]  # noqa: B018  # so that both writers are warm
    print(json.dumps("ready"), flush=True)
    sys.stdin.readline()
    for number in range(int(first), int(first) + int(count)):
        print(json.dumps(["invoke", f"{name} {number}"]), flush=True)
        print(json.dumps(["ok", *write(opened, name, number)]), flush=True)
