"""Estimators as bytes: every process writes the same ones, and what comes back answers the same."""

from __future__ import annotations

import hashlib
import importlib
import os
import subprocess
import sys
from typing import Any

import numpy as np
import pytest
from scipy import sparse
from sklearn.calibration import CalibratedClassifierCV
from sklearn.compose import ColumnTransformer
from sklearn.decomposition import TruncatedSVD
from sklearn.ensemble import HistGradientBoostingClassifier, RandomForestClassifier
from sklearn.feature_extraction.text import CountVectorizer, TfidfVectorizer
from sklearn.impute import SimpleImputer
from sklearn.isotonic import IsotonicRegression
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.neighbors import KNeighborsClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import (
    FunctionTransformer,
    OneHotEncoder,
    PowerTransformer,
    QuantileTransformer,
    RobustScaler,
    StandardScaler,
)
from sklearn.tree import DecisionTreeClassifier

from children import PROJECT
from members import Gate
from models.artefact import pack
from models.estimator_bytes import estimator_from_bytes, estimator_to_bytes
from models.trusted import TRUSTED

RANDOM = np.random.default_rng(5)
ROWS = RANDOM.normal(size=(60, 4)).round(4)
LABELS = (ROWS[:, 0] + 0.5 * RANDOM.normal(size=60) > 0).astype(int)
WORDS = [" ".join(RANDOM.choice(["red", "green", "blue", "the", "grey"], 4)) for _ in range(60)]
MIXED = np.array([["a", 1.0], ["b", np.nan], ["a", 3.0]], dtype=object)


def fitted() -> dict[str, tuple[Any, Any]]:
    """Fitted estimators, each with what to ask it."""
    svd = TruncatedSVD(2, random_state=0)
    mixed = ColumnTransformer(
        [("kind", OneHotEncoder(handle_unknown="ignore"), [0]), ("size", SimpleImputer(add_indicator=True), [1])]
    )
    numbers = [StandardScaler(), RobustScaler(), PowerTransformer(), QuantileTransformer(n_quantiles=10)]
    classifiers = [
        LogisticRegression(),
        CalibratedClassifierCV(LogisticRegression(), method="sigmoid", cv=3),
        CalibratedClassifierCV(LogisticRegression(), method="isotonic", cv=3),
        HistGradientBoostingClassifier(max_iter=3, random_state=0),
        RandomForestClassifier(3, random_state=0),
        DecisionTreeClassifier(random_state=0),
        KNeighborsClassifier(),
    ]
    found: dict[str, tuple[Any, Any]] = {
        "words": (make_pipeline(TfidfVectorizer(stop_words="english"), svd).fit(WORDS), WORDS),
        "own stop words": (CountVectorizer(stop_words=["the"]).fit(WORDS), WORDS),
        "mixed": (mixed.fit(MIXED), MIXED),
        "isotonic": (IsotonicRegression(out_of_bounds="clip").fit(ROWS[:, 0], LABELS), ROWS[:, 0]),
        "log": (FunctionTransformer(np.log1p).fit(ROWS), np.abs(ROWS)),
        "ridge": (Ridge().fit(ROWS, LABELS), ROWS),
    }
    found |= {type(n).__name__: (n.fit(ROWS), ROWS) for n in numbers}
    return found | {f"{number} {type(c).__name__}": (c.fit(ROWS, LABELS), ROWS) for number, c in enumerate(classifiers)}


def answer(estimator: Any, asked: Any) -> bytes:
    verb = next(v for v in ("predict_proba", "predict", "transform") if hasattr(estimator, v))
    answered = getattr(estimator, verb)(asked)
    dense = answered.toarray() if sparse.issparse(answered) else answered
    return np.ascontiguousarray(dense).tobytes()


FITTED = fitted()


@pytest.mark.parametrize("name", FITTED)
def test_a_round_trip_changes_no_bit_of_the_answer_and_no_byte(name: str) -> None:
    estimator, asked = FITTED[name]
    before = answer(estimator, asked)
    data = estimator_to_bytes(estimator, name)
    back = estimator_from_bytes(data, name)
    assert answer(back, asked) == before
    assert estimator_to_bytes(estimator, name) == data
    assert estimator_to_bytes(estimator_from_bytes(data, name), name) == data


def test_every_process_writes_the_same_bytes() -> None:
    code = (
        "import hashlib, sys; sys.path.insert(0, sys.argv[1]); import test_estimator_bytes as t\n"
        "from models.artefact import pack; from members import Gate; print(pack(Gate.fitted()).sha256)\n"
        "for n, (e, _) in t.FITTED.items(): print(hashlib.sha256(t.estimator_to_bytes(e, n)).hexdigest())"
    )
    said = subprocess.run(
        [sys.executable, "-c", code, str(PROJECT / "tests" / "models")],
        env={**os.environ, "PYTHONPATH": f"{PROJECT}:{PROJECT / 'tests' / 'support'}", "PYTHONHASHSEED": "7"},
        capture_output=True,
        text=True,
        check=True,
    ).stdout.split()
    here = [hashlib.sha256(estimator_to_bytes(estimator, name)).hexdigest() for name, (estimator, _) in FITTED.items()]
    assert said == [pack(Gate.fitted()).sha256, *here]


def test_every_trusted_name_is_there() -> None:
    """Names that a new scikit-learn has no more are to be taken off the list."""
    named = [name.rpartition(".") for name in TRUSTED - {"builtins.NoneType"}]
    assert [n for n in named if not hasattr(importlib.import_module(n[0]), n[2])] == []
