"""One decision of the released cascade, decisions in a batch, and loading a release, each in this process.

On the real files where they are (``../shared/data/ml-1m`` beside the project), else on generated ones.
"""

from __future__ import annotations

import time

import numpy as np
import polars as pl

from benchmarks.lake import scratch_home
from benchmarks.measure import REPEATS, Row, Spent, median, spend, versus
from benchmarks.rankers import files
from benchmarks.refresh import made_up_to_date
from benchmarks.report import flush, main
from deployments.server import ensure_server, stop_server
from feature_groups.store import FeatureStore, connect
from feature_groups.views import age_gate
from models.film_names import NAME
from models.film_release import FilmModel, load_films
from models.film_rows import film_rows
from models.film_scoring import FilmScoring
from models.registry import Registry

WARM_UP, MOST = 50, 2_000
LIMIT = 0.002
"""Seconds, the median of one decision."""


def rows() -> list[Row]:
    """Make a release as `make run` does, then load it and ask it."""
    with scratch_home() as settings:
        home = settings.home
        data, told = files(home)
        ensure_server(home)
        try:
            flush("refreshing and training ...")
            made_up_to_date(home, data)
        finally:
            stop_server(home)
        store = connect(settings=settings)
        registry = Registry(store, NAME)
        # Where a gate refused it, it answers just as fast.
        release = registry.champion() or registry.get(registry.releases()[-1].id)
        loading = [spend(lambda: load_films(registry, release)) for _ in range(REPEATS)]
        loaded, spent = loading[0][1], median([took for took, _ in loading])
        checked = f"hashes of {len(release.members)} members checked, golden vectors asked"
        note = f"{told}; {checked}: {loaded.golden.said.rstrip('.')}"
        ready = Row("load a release", "", spent.cpu, None, spent.wall, None, "", None, None, note)
        everybody = film_rows(store, age_gate.asked(store, age_gate.now(store)), {})
        return [*_decisions(loaded.model, everybody, told), ready, *_scoring(store, registry, told)]


def _scoring(store: FeatureStore, registry: Registry, told: str) -> list[Row]:
    if registry.champion() is None:
        return []
    scored = [spend(lambda: FilmScoring.of(store).predictions()) for _ in range(REPEATS)]
    spent, users = median([took for took, _ in scored]), scored[0][1].height
    note = f"{told}; median of {REPEATS}; {users / spent.wall:,.0f} users per second; what is decided is not written"
    what = f"score all {users:,} users from the lake: release loaded, features joined, decided"
    return [Row(what, "", spent.cpu, None, spent.wall, None, "", None, None, note)]


def _decisions(model: FilmModel, everybody: pl.DataFrame, told: str) -> list[Row]:
    single = [everybody[place : place + 1] for place in range(min(everybody.height, MOST))]
    for row in single[:WARM_UP]:
        model.decide(row)
    took, each = [], []
    begun = time.process_time()
    for row in single:
        started = time.perf_counter()
        each.append(model.decide(row))
        took.append(time.perf_counter() - started)
    alone = Spent(time.process_time() - begun, sum(took))
    p50, p99 = np.quantile(took, [0.5, 0.99])
    some = everybody.head(len(single))
    batches = [spend(lambda: model.decide(some)) for _ in range(REPEATS)]
    batch = median([spent for spent, _ in batches])
    same = pl.concat(each).equals(batches[0][1])
    one = Row(
        "one decision of the cascade, in process",
        "",
        alone.cpu / len(single),
        None,
        p50,
        None,
        f"p50 <= {LIMIT * 1000:.0f} ms",
        bool(p50 <= LIMIT) and same,
        same,
        f"{told}; p50 {p50 * 1000:.2f} ms, p99 {p99 * 1000:.2f} ms of {len(single):,} users one after the other, their "
        "rows joined before; score, route, reason and ten films; wall is p50; `same answer` means as in a batch",
    )
    many = versus(
        f"decisions about {len(single):,} users in one batch",
        batch,
        "the same one at a time",
        alone,
        limit=None,
        same=same,
        note=f"{told}; median of {REPEATS}; {len(single) / batch.wall:,.0f} rows per second",
    )
    return [one, many]


if __name__ == "__main__":
    main(rows)
