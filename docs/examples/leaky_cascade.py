"""What leaks do to a cascade: what its training says of it, and what it then does with users it never met.

    .venv/bin/python docs/examples/leaky_cascade.py        # on the lake that `make run` made

Everybody is routed at the twentieth rating. One declared cascade is trained in four ways that differ in two leaks:

- in sample: the router's settings are chosen, and its scores calibrated, on the very users that it is fitted on;
- latest row: each user's newest features are joined, which already tell what the user did later.

What a training says of its own users is what one would report. The users of the fold that is kept from it, asked with
what is known at their twentieth rating, are the truth; each of five folds is kept once.
"""

from __future__ import annotations

import sys
from dataclasses import dataclass, field, replace

import numpy as np
import polars as pl
from sklearn.linear_model import LogisticRegression

from feature_groups import movies, ratings
from feature_groups.store import FeatureStore, KFold, connect
from feature_groups.views import age_gate, ranking
from models import router
from models.blocks_categories import Lists
from models.blocks_counts import TfIdf
from models.bootstrap import paired_difference
from models.calibration_fit import fit_calibrator
from models.cascade import Answering
from models.cascade_decision import FittedCascade
from models.cascade_fit import assembled, fit_branch, fit_router, routed
from models.catalogue import Catalogue
from models.film_cascade import ADULTS, MINORS
from models.film_parameters import FilmParameters
from models.film_rows import asked_about, film_rows
from models.holdout_evaluation import HoldOut
from models.out_of_fold import OutOfFold
from models.out_of_fold_fit import in_sample
from models.probability_model import FittedProbabilityModel, ProbabilityModel
from models.probability_model_fit import fit_uncalibrated
from models.probability_tuning import tuned_model
from models.ranking_branch_fit import MATERIAL, SharedRatings
from models.rated_events import RatedEvents
from models.router import router_rows
from models.transform import Block, Transform

RATINGS = 20
PENALTY = 500.0

# One weight for all: so the branches depend on nobody's route, and are fitted once per fold, for all four ways.
CASCADE = FilmParameters(segment_weights=False).cascade()
FILMS_ALONE = ProbabilityModel(
    name="films_alone",
    version=1,
    transform=Transform(
        name="films_alone",
        version=1,
        inputs={router.RATED: pl.List(pl.Int64())},
        blocks=(Block("films", Lists(router.RATED, other=False), then=(TfIdf(),)),),
    ),
    classifier=LogisticRegression(C=10, solver="liblinear"),
    entity="user_id",
    label="is_under_18",
)
CANDIDATES = ((router.v1, (0.03, 0.01)), (FILMS_ALONE, (10.0,)))
"""Validation chooses a router: few directions of what was rated beside behaviour, or every film by itself."""

THEN, LATEST, OUT_OF_FOLD, IN_SAMPLE = "point in time", "latest row", "out of fold", "in sample"
HONEST, LEAKY = (THEN, OUT_OF_FOLD), (LATEST, IN_SAMPLE)
WAYS = (HONEST, (THEN, IN_SAMPLE), (LATEST, OUT_OF_FOLD), LEAKY)


def twentieth_ratings(store: FeatureStore, liked: pl.DataFrame) -> pl.DataFrame:
    """Every user just after the twentieth rating, who liked a film later; user_id and asked_at."""
    rated: pl.LazyFrame = store.get_or_create_feature_group(ratings.v1).read(engine="polars")
    in_order = rated.sort("user_id", "rated_at", "source_row_id").group_by("user_id", maintain_order=True)
    asked_at = pl.col("rated_at").get(RATINGS - 1, null_on_oob=True).dt.offset_by("1us").alias("asked_at")
    asked = in_order.agg(asked_at).drop_nulls().collect()
    later = liked.join(asked, on="user_id").filter(pl.col("rated_at") > pl.col("asked_at"))
    return asked.join(later, on="user_id", how="semi").sort("user_id")


def point_in_time(store: FeatureStore, spine: pl.DataFrame) -> pl.DataFrame:
    """What router and branches take, as it was known then, with label and fold; in the spine's order."""
    view = store.get_or_create_feature_view(age_gate.v1)
    dataset = view.create_training_dataset(spine, split=KFold(5, stratify="is_under_18"), seed=0)
    parts = [dataset.frame(name).with_columns(fold=pl.lit(name)) for name in dataset.parts]
    return router_rows(pl.concat(parts).sort("__row"), dataset.history("rated"))


def latest_row(store: FeatureStore, rows: pl.DataFrame) -> pl.DataFrame:
    """The mistake: the same of each user's newest features and ratings, as if everybody were asked at the end."""
    newest = film_rows(store, asked_about(rows["user_id"], age_gate.now(store)), {})
    return newest.with_columns(rows["is_under_18"], rows["fold"])


def honest_router(rows: pl.DataFrame) -> tuple[FittedProbabilityModel, OutOfFold]:
    """Chosen, calibrated and judged by scores of routers that had not seen the user."""
    tuned = [tuned_model(model, {"C": list(strengths)}, rows, rows["fold"]) for model, strengths in CANDIDATES]
    best = min(tuned, key=lambda one: one.tried["log_loss"].to_numpy().min())
    return fit_router(replace(CASCADE, router=best.model), rows, rows["fold"])


def flattered_router(rows: pl.DataFrame) -> tuple[FittedProbabilityModel, OutOfFold]:
    """The mistake: the same by scores of the users that the router was fitted on."""
    tried = [model.using(C=strength) for model, strengths in CANDIDATES for strength in strengths]
    said = [in_sample(model, rows) for model in tried]
    losses = [-np.log(found.probabilities[np.arange(rows.height), found.codes]).mean() for found in said]
    best = int(np.argmin(losses))
    calibrator = fit_calibrator(tried[best].calibration, said[best].raw, said[best].codes)
    return replace(fit_uncalibrated(tried[best], rows), calibrator=calibrator), said[best]


@dataclass
class Found:
    """What one way of training comes to: a frame per fold, one row per user.

    Attributes:
        looks: Users trained on: ``user_id``, ``is_under_18`` and the ``route`` that training counts with.
        truth: Users of the fold kept: the same, as the cascade decides, with ``ndcg`` and ``restricted`` of its films.
    """

    looks: list[pl.DataFrame] = field(default_factory=list)
    truth: list[pl.DataFrame] = field(default_factory=list)

    @property
    def minors(self) -> pl.DataFrame:
        """Those under 18, in truth."""
        return pl.concat(self.truth).filter("is_under_18")

    def __str__(self) -> str:
        shown, ndcg = self.minors["restricted"].to_numpy().mean(), pl.concat(self.truth)["ndcg"].to_numpy().mean()
        return f"{routes(self.looks)}{routes(self.truth)}{shown:12.3f}{ndcg:9.3f}"


def routes(frames: list[pl.DataFrame]) -> str:
    """What the routes cost per 100 users, and the share of minors that take theirs."""
    minor, policed = pl.col("is_under_18"), pl.col("route") == MINORS
    costs = CASCADE.policy.costs
    cost = 100 * ((~minor & policed) * costs[ADULTS] + (minor & ~policed) * costs[MINORS]).mean()
    said = pl.concat(frames).select(cost.alias("cost"), policed.filter(minor).mean().alias("found"))
    return f"{said['cost'].item():8.1f}{said['found'].item():9.3f}"


def trained_in_each_way(store: FeatureStore) -> dict[tuple[str, str], Found]:
    """Train in four ways without each fold, and let the cascades decide about its users."""
    films: pl.LazyFrame = store.get_or_create_feature_group(movies.v1).read(engine="polars")
    rated: pl.LazyFrame = store.get_or_create_feature_group(ratings.v1).read(engine="polars")
    events, liked = RatedEvents.of(rated.collect(), Catalogue.from_movies(films.collect())), ranking.liked(store)
    spine = twentieth_ratings(store, liked)
    later = liked.join(spine, on="user_id").filter(pl.col("rated_at") > pl.col("asked_at"))
    then = point_in_time(store, spine)
    joined = {THEN: then, LATEST: latest_row(store, then)}
    found = {way: Found() for way in WAYS}
    for fold in sorted(then["fold"].unique()):
        kept = (then["fold"] == fold).to_numpy()
        new, known = then.filter(kept), then.filter(~kept)["user_id"].to_numpy()
        material = {MATERIAL: SharedRatings.of(events.of_users(known), grids={"ease": {"penalty": (PENALTY,)}})}
        hidden = HoldOut.later(events.of_users(new["user_id"].to_numpy()), later.join(new, on="user_id", how="semi"))
        branches: dict[str, Answering | FittedCascade] = {}
        for which, scored in WAYS:
            rows = joined[which].filter(~kept)
            fitted, scores = (honest_router if scored == OUT_OF_FOLD else flattered_router)(rows)
            table = routed(CASCADE, rows, scores)
            branches = branches or {b.name: fit_branch(CASCADE, b.name, table, {}, material) for b in CASCADE.branches}
            made = assembled(CASCADE, fitted, branches).decide(new)
            told = hidden.lists(made["answer"]).select("ndcg", "restricted")
            found[which, scored].looks.append(table.select("user_id", "is_under_18", "route"))
            found[which, scored].truth.append(new.select("user_id", "is_under_18", made["route"], *told))
    return found


def main() -> None:
    """Print one line for each way, and what the leaks do to minors."""
    found = trained_in_each_way(connect(*sys.argv[1:2]))
    honest, leaky = found[HONEST], found[LEAKY]
    users = sum(frame.height for frame in honest.truth)
    print(f"{users:,} users at their rating number {RATINGS}, {honest.minors.height:,} under 18, in five folds")
    print(
        "cost: of an adult who is policed 1, of a minor who is not 7, per 100 users; found: share of the minors policed"
    )
    print("restricted: share of the films shown to minors")
    print(f"{'':28}{'as it looks':>17}{'in truth':>17}")
    print(f"{'':28}{'cost':>8}{'found':>9}{'cost':>8}{'found':>9}{'restricted':>12}{'NDCG@10':>9}")
    for way, became in found.items():
        print(f"{', '.join(way):28}{became}")
    more = paired_difference(leaky.minors["restricted"], honest.minors["restricted"], honest.minors["user_id"])
    print(f"minors are shown more restricted films with both leaks than with none, by {more}")


if __name__ == "__main__":
    main()
