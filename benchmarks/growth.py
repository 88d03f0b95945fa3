"""How computing a change log grows with the events: rows per CPU-second and peak memory, on either engine."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import timedelta
from pathlib import Path

import polars as pl

from benchmarks.lake import scratch_home, session
from benchmarks.measure import Row, Spent, spend
from benchmarks.memory import Watch
from benchmarks.report import MARK, RESULTS, flush, main
from feature_groups.sources.generator import generate
from feature_groups.sources.movielens_files import read_ratings
from feature_groups.store import Aggregation, Settings, stop_session
from feature_groups.store.engine import Engine
from feature_groups.store.engines.polars import PolarsEngine
from feature_groups.store.engines.spark import SparkEngine
from feature_groups.store.window_slices import ChangeLogSpec

SIZES = (100_000, 1_000_000, 10_000_000)
ENGINES = ("polars", "spark")
EVENTS_PER_BUCKET = 300_000
"""A bucket and what is made of it must fit a worker: 300,000 events take about half a gigabyte."""

_USERS = 10_000
_DAY = timedelta(days=1)
_WINDOWS = (_DAY, 7 * _DAY, 30 * _DAY, None)
SPEC = ChangeLogSpec(
    key=("user_id",),
    time="known_at",
    order=("source_row_id",),
    aggregations=(
        Aggregation("count", windows=_WINDOWS),
        Aggregation("mean", "rating", [30 * _DAY, None]),
        Aggregation("std", "rating"),
        Aggregation("min", "rating", [30 * _DAY]),
        Aggregation("max", "rating", [30 * _DAY]),
        Aggregation("last", "rated_at"),
        Aggregation("n_unique", "movie_id", [30 * _DAY]),
        Aggregation("last_n", "movie_id", n=5),
    ),
    resolution=None,
    decimals={},
    where="the benchmark's ratings",
)


@dataclass(frozen=True)
class Run:
    """One engine's work on one number of events.

    Attributes:
        engine: Which.
        events: Rows read.
        rows: Rows written.
        spent: CPU and wall seconds, the session's start not included.
        peaks: Bytes resident at most, by kind; see `Watch`.
    """

    engine: str
    events: int
    rows: int
    spent: Spent
    peaks: dict[str, int]

    @property
    def rate(self) -> float:
        """Rows written per CPU-second."""
        return self.rows / self.spent.cpu


def rows() -> list[Row]:
    """Each run in a process of its own; both engines' rows are compared, a range of users at a time."""
    found: list[Run] = []
    lines = []
    with scratch_home() as settings:
        home = settings.home
        for size in SIZES:
            made, _ = spend(lambda size=size: _generate(home, size))
            for engine in ENGINES:
                flush(f"growth: {engine}, {size:,} events ...")
                found.append(_process(home, engine, size))
            ours = found[-len(ENGINES) :]
            same = _same_rows(home, size)
            lines += [_row(run, same=same, generated=made.cpu) for run in ours if size >= 1_000_000]
            for engine in ENGINES:
                shutil.rmtree(home / f"{engine}-{size}")
    draw(found, RESULTS / "growth.png")
    return lines


def _row(run: Run, *, same: bool, generated: float) -> Row:
    peaks = ", ".join(f"{kind} {run.peaks[kind] / 1e9:.1f}" for kind in ("python", "jvm", "workers") if run.peaks[kind])
    note = (
        f"{run.rows:,} rows, {run.rate:,.0f} per CPU-second; peak memory {run.peaks['all'] / 1e9:.1f} GB ({peaks}); "
        f"Parquet to Parquet, once; generating took {generated:.0f} CPU-s; both engines' rows are equal"
    )
    what = f"change log of {run.events / 1e6:.0f} M generated events, {run.engine.capitalize()}"
    return Row(what, "", run.spent.cpu, None, run.spent.wall, None, "", None, same, note)


def _generate(home: Path, size: int) -> None:
    """Ratings of the generator as a Parquet file."""
    folder = home / f"generated-{size}"
    generate(folder, events=size, seed=7)
    ratings = read_ratings(folder / "ratings.dat")
    instant = pl.from_epoch("timestamp", time_unit="s").cast(pl.Datetime("us", "UTC"))
    events = ratings.select("user_id", "movie_id", "rating", "source_row_id", known_at=instant, rated_at=instant)
    (home / f"events-{size}").mkdir()
    events.write_parquet(home / f"events-{size}" / "part.parquet", compression="lz4", row_group_size=500_000)
    shutil.rmtree(folder)


def _process(home: Path, engine: str, size: int) -> Run:
    command = [sys.executable, "-m", "benchmarks.growth", engine, str(home), str(size)]
    said = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout
    told = json.loads(next(line for line in said.splitlines() if line.startswith(MARK)).removeprefix(MARK))
    return Run(engine, size, told["rows"], Spent(**told["spent"]), told["peaks"])


def run(name: str, home: Path, size: int) -> None:
    """In a process of its own: one engine's change log of one number of events, and what it took."""
    buckets = max(8, size // EVENTS_PER_BUCKET)
    settings = Settings(home=home, engine="spark", spark_buckets=buckets)
    engine: Engine = PolarsEngine() if name == "polars" else SparkEngine(settings)
    if name == "spark":
        session(settings)
    made = 0

    def compute(events: int, to: str) -> int:
        log = engine.change_log(engine.files(str(home / f"events-{events}")), SPEC)
        return engine.write_files(log, str(home / to))

    def watched() -> None:
        nonlocal made
        made = compute(size, f"{name}-{size}")

    compute(SIZES[0], f"warm-up-{name}-{size}")
    with Watch() as memory:
        spent, _ = spend(watched)
    stop_session()
    told = {"rows": made, "spent": asdict(spent), "peaks": memory.peaks}
    print(MARK + json.dumps(told))


def _same_rows(home: Path, size: int) -> bool:
    """Whether both engines wrote the same rows, looked at by ranges of users to need little memory."""
    logs = [pl.scan_parquet(home / f"{engine}-{size}" / "*.parquet") for engine in ENGINES]
    last = logs[0].select(pl.col("user_id").max()).collect().item()
    for first in range(0, last + 1, _USERS):
        users = pl.col("user_id").is_between(first, first + _USERS - 1)
        one, other = (log.filter(users).collect().sort("user_id", "known_at") for log in logs)
        if not one.equals(other, null_equal=True):
            return False
    return True


def draw(runs: Sequence[Run], path: Path) -> None:
    """Rows per CPU-second and peak memory against the events, a line per engine."""
    import matplotlib as mpl

    mpl.use("Agg")
    from matplotlib import pyplot as plt

    figure, (speed, memory) = plt.subplots(1, 2, figsize=(9, 3.4), layout="constrained")
    for engine in ENGINES:
        mine = [run for run in runs if run.engine == engine]
        events = [run.events for run in mine]
        speed.plot(events, [run.rate / 1e3 for run in mine], marker="o", label=engine.capitalize())
        memory.plot(events, [run.peaks["all"] / 1e9 for run in mine], marker="o", label=engine.capitalize())
    speed.set(xscale="log", ylim=0, xlabel="events", ylabel="thousand rows per CPU-second", title="Change log: speed")
    memory.set(xscale="log", ylim=0, xlabel="events", ylabel="GB", title="Change log: peak memory, all processes")
    for axes in (speed, memory):
        axes.grid(alpha=0.3)
        axes.legend()
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, dpi=110)
    plt.close(figure)


if __name__ == "__main__":
    if len(sys.argv) > 1:
        run(sys.argv[1], Path(sys.argv[2]), int(sys.argv[3]))
    else:
        main(rows)
