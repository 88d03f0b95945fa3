"""One write in a process of its own: ``child.py LAKE OPERATION NUMBER KEY``; says its receipt as JSON."""

from __future__ import annotations

import json
import sys

from batches import batch, opened
from feature_groups.store import Settings, connect

if __name__ == "__main__":
    lake, operation, number, key = sys.argv[1:]
    group = opened(connect(lake, settings=Settings(engine="polars")))
    receipt = batch(operation, int(number)).write(group, key)
    print(json.dumps(receipt.to_json()))
