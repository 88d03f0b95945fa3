"""What point-in-time joins are worth: the age gate after a user's twentieth rating, joined as it was and as it is.

    .venv/bin/python docs/examples/latest_row.py        # on the lake that `make run` made

The question at the twentieth rating can only be answered from twenty ratings. Whoever joins each user's newest row
instead trains and tests on everything the user did later. The same logistic regression, the same five folds by user.
"""

from __future__ import annotations

import sys

import numpy as np
import polars as pl
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import roc_auc_score
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import StandardScaler

from feature_groups import age_labels, ratings, user_activity
from feature_groups.store import FeatureStore, FeatureView, KFold, connect

RATINGS = 20

v1 = FeatureView(
    name="age_gate_early",
    version=1,
    description="Is this user under 18, judged at their twentieth rating?",
    features=[user_activity.v1.select_except("last_rated_at")],
    labels=[age_labels.v1.select("is_under_18")],
    event_time="asked_at",
)


def twentieth_ratings(store: FeatureStore) -> pl.DataFrame:
    """Every user who rated more than twenty films, just after the twentieth rating; user_id and asked_at."""
    rated: pl.LazyFrame = store.get_or_create_feature_group(ratings.v1).read(engine="polars")
    in_order = rated.sort("user_id", "rated_at", "source_row_id").group_by("user_id", maintain_order=True)
    asked_at = pl.col("rated_at").get(RATINGS - 1, null_on_oob=True).dt.offset_by("1us").alias("asked_at")
    return (
        in_order.agg(asked_at, pl.len().alias("ratings")).filter(pl.col("ratings") > RATINGS).drop("ratings").collect()
    )


def joined_to_the_latest_row(store: FeatureStore, spine: pl.DataFrame) -> pl.DataFrame:
    """The mistake: every user's newest row, whatever the question's instant."""
    rows: pl.LazyFrame = store.get_or_create_feature_group(user_activity.v1).read(engine="polars")
    newest = rows.sort("known_at").unique("user_id", keep="last").collect()
    joined = spine.join(newest, on="user_id", how="left", maintain_order="left")
    return joined.select(v1.feature_names)


def model() -> Pipeline:
    """Missing values by the mean, standardised, L2."""
    return make_pipeline(
        SimpleImputer(keep_empty_features=True), StandardScaler(), LogisticRegression(C=0.03, max_iter=2000)
    )


def out_of_fold(train: np.ndarray, serve: np.ndarray, label: np.ndarray, fold: np.ndarray) -> float:
    """AUC of scores for `serve` by models that were fitted to `train` without the row's fold."""
    scores = np.zeros(len(label))
    for held in np.unique(fold):
        fitted = model().fit(train[fold != held], label[fold != held])
        scores[fold == held] = fitted.predict_proba(serve[fold == held])[:, 1]
    return float(roc_auc_score(label, scores))


def main() -> None:
    """Print the three figures."""
    store = connect(*sys.argv[1:2])
    view = store.get_or_create_feature_view(v1)
    spine = twentieth_ratings(store)
    dataset = view.create_training_dataset(spine, split=KFold(5, stratify="is_under_18"), seed=0)
    parts = [dataset.frame(name).with_columns(fold=pl.lit(i)) for i, name in enumerate(dataset.parts)]
    data = pl.concat(parts).sort("__row")
    label, fold = data["is_under_18"].to_numpy(), data["fold"].to_numpy()
    then = data.select(v1.feature_names).cast(pl.Float64).to_numpy()
    latest = joined_to_the_latest_row(store, data.select("user_id")).cast(pl.Float64).to_numpy()
    print(f"{len(label):,} users at their rating number {RATINGS}, {label.sum():,} under 18; AUC, out of fold")
    print(f"  trained and tested on the latest row, as it looks:  {out_of_fold(latest, latest, label, fold):.3f}")
    print(f"  the same model on what is known when it is asked:   {out_of_fold(latest, then, label, fold):.3f}")
    print(f"  trained and tested point in time:                   {out_of_fold(then, then, label, fold):.3f}")


if __name__ == "__main__":
    main()
