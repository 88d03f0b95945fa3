"""EASE beside implicit's ALS: what a fit takes and how good it is; and statistics brought up to date beside a rebuild.

On the real files where they are (``../shared/data/ml-1m`` beside the project), else on generated ones.
"""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import narwhals as nw
import numpy as np
from threadpoolctl import threadpool_limits

from benchmarks.lake import scratch_home
from benchmarks.measure import REPEATS, Row, Spent, alternate, median, spend, versus
from benchmarks.memory import peak_memory
from benchmarks.report import MARK, main
from feature_groups import movies, ratings
from feature_groups.sources.generator import generate
from feature_groups.sources.movielens_files import read_movies, read_ratings
from models.bootstrap import paired_difference
from models.catalogue import Catalogue
from models.ease import EVERYTHING_LIKED, Ease
from models.followed_pairs import followed_pairs
from models.histories import HistoryRule
from models.holdout_evaluation import HoldOut
from models.item_statistics import ItemStatistics
from models.liked_pairs import liked_pairs, liked_pairs_added
from models.ranking_metrics import TOP, ndcg_of_lists
from models.rated_events import RatedEvents

REAL = Path(__file__).parents[1].parent / "shared" / "data" / "ml-1m"
GENERATED = 500_000
PENALTY = 500.0
"""Chosen by `tuned_ease` on another hold-out of the real ratings."""

ALS = {"factors": 48, "regularization": 30.0, "alpha": 4.0, "iterations": 15}
"""The best of 35 settings (16 to 128 factors, regularization .05 to 100, alpha 1 to 8) on that hold-out."""

LIMIT = 0.5
"""Of a rebuild, for some more ratings."""


def rows() -> list[Row]:
    """The fits, each in processes of its own for its memory; then the statistics."""
    with scratch_home() as settings:
        folder, told = files(settings.home)
        return [_fits(folder, told), *_updates(_events(folder), told)]


def _fits(folder: Path, told: str) -> Row:
    found: dict[str, list[dict[str, Any]]] = {"ours": [], "als": []}
    for _ in range(REPEATS):
        for way, results in found.items():
            command = [sys.executable, "-m", "benchmarks.rankers", way, str(folder)]
            said = subprocess.run(command, check=True, capture_output=True, text=True).stdout
            line = next(line for line in said.splitlines() if line.startswith(MARK))
            results.append(json.loads(line.removeprefix(MARK)))
    ours, theirs = ([Spent(r["cpu"], r["wall"]) for r in results] for results in found.values())
    ease, als = found["ours"][0], found["als"][0]
    gain = paired_difference(ease["ndcg"], als["ndcg"], range(len(ease["ndcg"])))
    return versus(
        "fit EASE: statistics and solution, all users' likes but a hidden fifth",
        median(ours),
        "implicit's ALS, tuned",
        median(theirs),
        limit=None,
        same=gain.low >= 0,
        note=f"{told}; NDCG@10 of what is hidden {np.mean(ease['ndcg']):.4f} against {np.mean(als['ndcg']):.4f} "
        f"(difference {gain}): `same answer` means not worse; peak memory of the process {ease['peak']:.2f} GB against "
        f"{als['peak']:.2f}, before the fit {ease['before']:.2f} and {als['before']:.2f}; one thread each",
    )


def _updates(events: RatedEvents, told: str) -> list[Row]:
    """What the newest ratings add is added."""
    rule = HistoryRule(length=20, tau=5.0)
    newest = events.times >= np.quantile(events.times, 0.995)
    earlier, added = events.where(~newest), events.where(newest)
    history, liked = followed_pairs(earlier, rule), liked_pairs(earlier)
    found: dict[str, ItemStatistics] = {}

    def keep(name: str, made: ItemStatistics) -> None:
        found[name] = made

    def followed() -> None:
        keep("followed", history + followed_pairs(events, rule, following=newest))

    def together() -> None:
        keep("liked", liked + liked_pairs_added(earlier, added))

    made = []
    for name, update, rebuild in (
        ("followed", followed, lambda: keep("followed again", followed_pairs(events, rule))),
        ("liked", together, lambda: keep("liked again", liked_pairs(events))),
    ):
        spent = alternate({"update": lambda _, w=update: w, "rebuild": lambda _, w=rebuild: w})
        one, other = (found[key].parts().arrays for key in (name, f"{name} again"))
        made.append(
            versus(
                f"statistics of {name} pairs with the newest {int(newest.sum()):,} of {len(events):,} ratings",
                spent["update"],
                "the same made anew",
                spent["rebuild"],
                limit=LIMIT,
                same=all(one[part].tobytes() == other[part].tobytes() for part in one | other),
                note=f"{told}; {len(added.distinct_users)} users gave them; `same answer` means equal bit for bit",
            )
        )
    return made


def one(way: str, folder: Path) -> None:
    """In a process of its own: fit, judge, and print what it took."""
    held = HoldOut.drawn(_events(folder))
    before = peak_memory()
    with threadpool_limits(1):
        spent, shown = _ease(held) if way == "ours" else _als(held)
        told = {"cpu": spent.cpu, "wall": spent.wall, "before": before, "peak": peak_memory()}
    print(MARK + json.dumps({**told, "ndcg": ndcg_of_lists(shown, held.hidden).tolist()}))


def _ease(held: HoldOut) -> tuple[Spent, Any]:
    spent, ranker = spend(lambda: Ease.fit(liked_pairs(held.kept), PENALTY))
    return spent, held.recommended(ranker)


def _als(held: HoldOut) -> tuple[Spent, Any]:
    from implicit.als import AlternatingLeastSquares
    from scipy.sparse import csr_matrix

    ends = np.full(len(held.users), np.iinfo(np.int64).max)
    liked = EVERYTHING_LIKED.before(held.kept, held.users, ends).matrix(len(held.kept.catalogue))
    matrix = csr_matrix(liked)
    matrix.sort_indices()
    model = AlternatingLeastSquares(**ALS, num_threads=1, random_state=0)
    spent, _ = spend(lambda: model.fit(matrix, show_progress=False))
    shown, _ = model.recommend(np.arange(len(held.users)), matrix, N=TOP, filter_already_liked_items=True)
    return spent, shown.astype(np.int32)


def files(home: Path) -> tuple[Path, str]:
    """The folder of the ratings to measure with, made below a home where there are no real ones; and what they are."""
    if REAL.is_dir():
        return REAL, "ratings of MovieLens-1M's users 1 to 2999"
    generate(home / "generated", events=GENERATED)
    return home / "generated", f"{GENERATED:,} generated ratings"


def _events(folder: Path) -> RatedEvents:
    films = movies.transform(nw.from_native(read_movies(folder / "movies.dat"))).to_native()
    rated = ratings.transform(nw.from_native(read_ratings(folder / "ratings.dat"))).to_native()
    return RatedEvents.of(rated, Catalogue.from_movies(films))


if __name__ == "__main__":
    if len(sys.argv) > 1:
        one(sys.argv[1], Path(sys.argv[2]))
    else:
        main(rows)
