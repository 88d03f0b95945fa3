"""A refresh of sums in a process of its own: ``increment_child.py LAKE ENGINE``."""

from __future__ import annotations

import sys

from feature_groups.store import Settings, connect
from summing import refreshed

if __name__ == "__main__":
    lake, engine = sys.argv[1:]
    refreshed(connect(lake, settings=Settings(engine=engine)))  # type: ignore[arg-type]  # one of the literals
