"""Visitors of a shop with a planted segment: small rows, models and cascades for tests of routing."""

from __future__ import annotations

import numpy as np
import polars as pl
from sklearn.base import BaseEstimator
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.tree import DecisionTreeClassifier

from models.blocks_categories import Lists
from models.blocks_counts import Svd, TfIdf
from models.blocks_numbers import Numbers
from models.cascade import Branch, Cascade
from models.probability_model import Calibration, ProbabilityModel
from models.regression_branch_fit import Regression
from models.threshold import RoutingPolicy
from models.transform import Block, Transform

INPUTS = {"bought": pl.List(pl.Int64()), "age": pl.Float64(), "visits": pl.Float64()}


def visitors(n: int = 240, seed: int = 0) -> pl.DataFrame:
    """Three segments that show in what is bought and in age; what each spends follows a line of its own."""
    draw = np.random.default_rng(seed)
    segment = draw.integers(0, 3, n)
    bought = [sorted(draw.choice(20, 5, replace=False) + 10 * s) for s in segment]
    age, visits = draw.normal(20 + 6 * segment, 5), draw.poisson(4, n).astype(float)
    spent = np.array([10.0, -5.0, 2.0])[segment] * visits + draw.normal(size=n)
    held = {
        "visitor": np.arange(n),
        "bought": pl.Series(bought, dtype=INPUTS["bought"]),
        "age": age,
        "visits": visits,
        "segment": pl.Series([["child", "grown", "old"][s] for s in segment]),
        "is_child": segment == 0,
        "likes_cake": age + draw.normal(size=n) > 20,
        "spent": spent,
    }
    return pl.DataFrame(held)


SEEN = Transform(
    "seen",
    1,
    INPUTS,
    (
        Block("bought", Lists("bought", other=False), then=(TfIdf(), Svd(6)), normalise="zscore"),
        Block("numbers", Numbers(("age", "visits")), normalise="zscore"),
    ),
)
NUMBERS = Transform("numbers", 1, {"visits": pl.Float64()}, (Block("numbers", Numbers(("visits",))),))


def model(
    label: str = "is_child", classifier: BaseEstimator | None = None, calibration: Calibration = "platt"
) -> ProbabilityModel:
    return ProbabilityModel(
        "gate",
        1,
        SEEN,
        classifier or LogisticRegression(C=0.3),
        "visitor",
        label,
        calibration,
    )


def spending() -> Regression:
    return Regression(NUMBERS, Ridge(alpha=0.1), "spent")


THREE = Cascade(
    name="spending",
    version=1,
    router=model("segment", DecisionTreeClassifier(max_depth=4, random_state=0)),
    branches=(
        Branch("young", spending(), on="child", fallback="anybody"),
        Branch("middle", spending(), on="grown", fallback="young"),
        Branch("retired", spending(), on="old"),
        Branch("anybody", Regression(NUMBERS, Ridge(alpha=1.0), "spent")),
    ),
    policy=RoutingPolicy(costs={"young": 1, "middle": 1, "retired": 1}, safe_route="middle"),
)
"""Three routes by a tree, and a branch that only takes over."""

NESTED = Cascade(
    name="shop",
    version=1,
    router=model("is_child"),
    branches=(
        Branch("grown_ups", spending(), on=False),
        Branch(
            "children",
            Cascade(
                name="sweets",
                version=1,
                router=model("likes_cake"),
                branches=(Branch("cake", spending(), on=True), Branch("fruit", spending(), on=False)),
                policy=RoutingPolicy(costs={"cake": 1, "fruit": 1}, safe_route="fruit"),
            ),
            on=True,
            fallback="grown_ups",
        ),
    ),
    policy=RoutingPolicy(costs={"grown_ups": 1, "children": 4}, safe_route="children", band=0.05),
)
"""A cascade of cascades."""
