"""What the shop of CONTRIBUTING gets delivered: visits of two hundred users, some of whom like to come back."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

START = datetime(2026, 1, 1, tzinfo=UTC)
USERS, DAYS = 200, 60


def visits(seed: int = 0) -> pl.DataFrame:
    """Visits in no order: who sees many pages comes back soon, and spends more."""
    draw = np.random.default_rng(seed)
    rows: list[dict[str, Any]] = []
    for user in range(1, USERS + 1):
        at, pages = 0.0, int(draw.integers(2, 30))
        while True:
            at += draw.exponential(2000 / pages**2) + 0.1
            if at > DAYS:
                break
            seen = max(1, pages + int(draw.integers(-1, 2)))
            arrived = START + timedelta(seconds=int(at * 86400))
            left = arrived + timedelta(minutes=seen)
            spent = round(seen * draw.random(), 2)
            rows.append({"user_id": user, "arrived_at": arrived, "left_at": left, "pages": seen, "spent": spent})
    times = dict.fromkeys(("arrived_at", "left_at"), pl.Datetime("us", "UTC"))
    return pl.DataFrame(rows, schema_overrides=times).sample(fraction=1, shuffle=True, seed=seed)


def write(folder: Path) -> Path:
    """The files, as the web server leaves them."""
    made = folder / "landing"
    made.mkdir(exist_ok=True)
    visits().write_parquet(made / "visits.parquet")
    return made
