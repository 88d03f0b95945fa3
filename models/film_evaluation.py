"""How good a candidate of the example's cascade is: what its branches answer to users of whom later likings are known.

Everybody is routed by predictions out of fold: a router knows the users it was trained on too well.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Self

import numpy as np
import polars as pl
from numpy.typing import NDArray

from feature_groups.store.digest import digest
from models.bootstrap import paired_difference
from models.calibration_curve import CalibrationCurve
from models.cascade_decision import FittedCascade
from models.cascade_evaluation import PREDICTED, CascadeReport, evaluate_cascade
from models.classification_metrics import classification_metrics
from models.evaluation_report import EvaluationReport, Figure
from models.film_cascade import ADULTS, MINORS, POPULAR
from models.film_data import FilmData
from models.gates import CHAMPION
from models.out_of_fold import OutOfFold
from models.policy_curve import policy_curve
from models.ranker_choice import RankerChoice
from models.ranking_branch import RankingBranch

NDCG = "ndcg@10"
THRESHOLDS = (0.02, 0.05, 0.1, 0.125, 0.2, 0.3)
ACTIVITY = (50, 200)
"""Ratings: fewer than the first are few, from the second on they are many."""

Mask = NDArray[np.bool_]


@dataclass(frozen=True)
class Validated:
    """Which ranker validation chose for the branches.

    Attributes:
        chosen: The ranker and its setting, in words.
        reached: Per kind of ranker the NDCG of its best setting there.
        users: How many users it was chosen on.
    """

    chosen: str
    reached: Mapping[str, float]
    users: int

    @classmethod
    def of(cls, rankings: Mapping[str, Any]) -> Self:
        """What the step of the training that chose it says."""
        return cls(str(RankerChoice(**rankings["ranker"])), rankings["reached"], rankings["users"])

    @property
    def figures(self) -> list[Figure]:
        """One per kind of ranker."""
        return [Figure(f"validation {NDCG} of {kind}", ndcg, users=self.users) for kind, ndcg in self.reached.items()]


@dataclass(frozen=True)
class Served:
    """What one cascade shows to each test user.

    Attributes:
        routes: Out of fold; of users whom its router never saw, the router's own.
        lists: Per route, how good its branch's answers are for every test user, as `HoldOut.judged` says it.
    """

    routes: NDArray[np.str_]
    lists: Mapping[str, pl.DataFrame]

    @property
    def ndcg(self) -> NDArray[np.float64]:
        """Of what each user is shown."""
        found = np.full(len(self.routes), np.nan)
        for name, judged in self.lists.items():
            found[self.routes == name] = judged["ndcg"].to_numpy()[self.routes == name]
        return found


def served(cascade: FittedCascade, found: OutOfFold, data: FilmData) -> Served:
    """Ask a cascade about the test users.

    Args:
        cascade: The candidate, or the champion.
        found: Its router's predictions out of fold.
        data: What is to be judged on.
    """
    rows = data.test_rows
    score = rows.select("user_id").join(found.frame.select("user_id", "oof_score"), on="user_id", how="left")
    own = cascade.routes(rows)["score"].to_numpy()
    scores = np.where(score["oof_score"].is_null().to_numpy(), own, score["oof_score"].fill_null(0).to_numpy())
    names = cascade.routing.routes
    routes, _ = cascade.routing.policy.chosen(np.column_stack([1 - scores, scores]), names)
    lists = {name: data.test.lists(_answers(cascade, name, rows)) for name in names}
    return Served(routes, lists)


def evaluated(
    cascade: FittedCascade,
    found: OutOfFold,
    data: FilmData,
    champion: tuple[FittedCascade, OutOfFold] | None = None,
    validated: Validated | None = None,
) -> tuple[EvaluationReport, CascadeReport]:
    """Judge a candidate end to end, beside oracle routes, one model for all, popularity, and the champion.

    Args:
        cascade: The candidate.
        found: Its router's predictions out of fold.
        data: Its training data, with what is hidden from it.
        champion: What serves now, asked about the same users.
        validated: How its ranker was chosen.

    Returns:
        The report that gates judge and a release keeps, and the end-to-end tables.
    """
    candidate, users = served(cascade, found, data), data.test.users
    minor = data.test_rows["is_under_18"].to_numpy().astype(np.bool_)
    true = np.where(minor, MINORS, ADULTS)
    single = data.test.lists(_answers(cascade, ADULTS, data.test_rows))
    most_liked = data.test.lists(_unpoliced(cascade, POPULAR).answers(data.test_rows))
    segments = _segments(data)
    whole = evaluate_cascade(candidate.lists, candidate.routes, true, single, most_liked, segments)
    figures = [*_levels(whole), *_router(found), *(validated.figures if validated else ())]
    ranked = f"; films ranked by {validated.chosen}, chosen on {validated.users:,} users earlier" if validated else ""
    if champion is not None:
        before = served(*champion, data).ndcg
        for name, inside in {"all": np.ones(len(users), dtype=np.bool_), **segments}.items():
            gain = paired_difference(candidate.ndcg[inside], before[inside], users[inside])
            figures.append(Figure.of(NDCG, gain, segment=name, than=CHAMPION))
    scores = found.probabilities[:, 1]
    exposure = whole.levels.filter(pl.col("segment") == MINORS, pl.col("served_by") == PREDICTED)["restricted"]
    curve = policy_curve(single, candidate.lists[MINORS], _of(found, users), minor, THRESHOLDS) if minor.any() else None
    report = EvaluationReport(
        title="films: who may be under 18, and what to watch next",
        protocol=f"{len(users):,} users who liked something after the border, ten films each from what was known "
        f"before it; routes out of fold; the router on all users out of fold; intervals by user{ranked}",
        window=digest([users.tolist(), data.test.hidden.columns.tolist()]),
        figures=tuple(figures),
        calibration=CalibrationCurve.of(scores, found.codes),
        exposure=float(exposure[0]) if len(exposure) else None,
        curve=() if curve is None else tuple(curve.rows(named=True)),
        regret=_regret(whole),
    )
    return report, whole


def _answers(cascade: FittedCascade, name: str, rows: pl.DataFrame) -> pl.Series:
    branch = cascade.branches[name]
    assert isinstance(branch, RankingBranch)
    return branch.answers(rows)


def _unpoliced(cascade: FittedCascade, name: str) -> RankingBranch:
    branch = cascade.branches[name]
    assert isinstance(branch, RankingBranch)
    return RankingBranch(branch.ranker, policed=False, k=branch.k)


def _of(found: OutOfFold, users: NDArray[np.int64]) -> NDArray[np.float64]:
    """The scores of some users, in their order."""
    wanted = pl.DataFrame({"user_id": users}).join(found.frame, on="user_id", how="left", maintain_order="left")
    return wanted["oof_score"].to_numpy()


def _segments(data: FilmData) -> dict[str, Mask]:
    """The test users by label, gender, age band and activity; segments without a user are left out."""
    rows = data.test_rows
    few, many = ACTIVITY
    count = pl.col("count_all")
    activity = (
        pl.when(count < few).then(pl.lit("few")).when(count < many).then(pl.lit("some")).otherwise(pl.lit("many"))
    )
    told = rows.with_columns(activity.alias("ratings"))
    minor = rows["is_under_18"].to_numpy().astype(np.bool_)
    found: dict[str, Mask] = {MINORS: minor, ADULTS: ~minor}
    for column in ("gender", "age_band", "ratings"):
        for value in told[column].drop_nulls().unique().sort():
            found[f"{column}={value}"] = (told[column] == value).fill_null(value=False).to_numpy()
    return {name: inside for name, inside in found.items() if inside.any()}


def _levels(whole: CascadeReport) -> list[Figure]:
    figures = []
    for row in whole.levels.filter(pl.col("served_by") == PREDICTED).rows(named=True):
        name = "all" if row["segment"] == "everybody" else row["segment"]
        figures.append(Figure(NDCG, row["ndcg"], row["low"], row["high"], row["users"], name))
    for row in whole.differences.rows(named=True):
        than = {"gain over popularity": "popularity", "gain over single model": "single model"}.get(row["of"])
        name = "all" if row["segment"] == "everybody" else row["segment"]
        if than:
            figures.append(Figure(NDCG, row["ndcg"], row["low"], row["high"], row["users"], name, than))
    return figures


def _router(found: OutOfFold) -> list[Figure]:
    said = classification_metrics(found.probabilities[:, 1], found.codes)
    users = len(found.codes)
    return [Figure(f"router {name}", float(value), users=users) for name, value in said.items()]


def _regret(whole: CascadeReport) -> Figure:
    row = whole.differences.filter(pl.col("of") == "regret of routing", pl.col("segment") == "everybody").row(
        0, named=True
    )
    return Figure(NDCG, row["ndcg"], row["low"], row["high"], row["users"], than="oracle routes")
