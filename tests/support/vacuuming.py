"""A vacuum in a process of its own: ``vacuuming.py LAKE``; keeps nothing but what is pinned and the newest version."""

from __future__ import annotations

import sys
from datetime import timedelta

from feature_groups.store import Settings, connect

if __name__ == "__main__":
    connect(sys.argv[1], settings=Settings(engine="polars")).vacuum(retain=timedelta(0))
