"""What monitoring finds on the router's features and scores of the real users 1 to 2999."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import polars as pl
import pytest

from drifting import alarms, detected, window
from feature_groups.store import connect, stop_session
from feature_groups.store.discovery import discover
from feature_groups.views import age_gate
from models import router
from models.drift_profile import profiled
from models.out_of_fold import OutOfFold
from models.out_of_fold_fit import fit_out_of_fold, stratified_folds
from small_world import refresh

REAL = Path(__file__).parents[2].parent / "shared" / "data" / "ml-1m"
NEEDED = ("movies", "ratings", "users", "age_labels", "user_activity", "user_history")

pytestmark = [
    pytest.mark.slow,
    pytest.mark.timeout(1800),
    pytest.mark.skipif(not REAL.is_dir(), reason="the licensed MovieLens-1M files are not at ../shared/data/ml-1m"),
]


@pytest.fixture(scope="module")
def users(tmp_path_factory: pytest.TempPathFactory) -> tuple[pl.DataFrame, OutOfFold]:
    """Every user with all features at the end of the data, and what the router says of them out of fold."""
    store = connect(tmp_path_factory.mktemp("real") / "lake")
    refresh(store, [group for group in discover("feature_groups") if group.name in NEEDED], REAL)
    stop_session()
    asked = age_gate.asked(store, age_gate.now(store))
    dataset = store.get_or_create_feature_view(age_gate.v1).create_training_dataset(asked)
    rows = router.router_rows(dataset.frame(), dataset.history("rated"))
    return rows, fit_out_of_fold(router.v1, rows, stratified_folds(router.v1, rows, seed=0))[1]


def test_d2_more_minors_are_seen_in_what_the_router_says(users: tuple[pl.DataFrame, OutOfFold]) -> None:
    _, found = users
    scores, minors = found.probabilities[:, 1], found.codes == 1

    null, tripled, many = (detected(scores, minors, share, 1_000, 300) for share in (None, 0.12, 0.2))
    print(null, tripled, many, sep="\n")

    assert null["mean"] <= 0.05
    assert tripled["mean"] >= 0.6
    assert tripled["monitoring"] >= 0.6
    assert many["mean"] >= 0.95
    assert many["monitoring"] >= 0.95
    assert tripled["PSI > .1"] == 0


@pytest.mark.parametrize("rows", [300, 700])
@pytest.mark.parametrize("seed", [0, 1, 2])
def test_d6_a_hundred_clean_windows_give_at_most_one_alarm(
    users: tuple[pl.DataFrame, OutOfFold], rows: int, seed: int
) -> None:
    seen, found = users
    score = found.probabilities[:, 1]
    said = pl.DataFrame({"score": score, "route": np.where(score >= 0.1, "minors", "adults").tolist()})
    features = profiled(seen, [output.name for output in age_gate.v1.outputs("features")])
    scores = profiled(said)
    draw = np.random.default_rng(seed)

    clean = []
    for number in range(100):
        chosen = draw.choice(seen.height, rows)
        clean.append(window(number, seen[chosen], features, said[chosen], scores))

    fired = sum(bool(alarm) for alarm in alarms(clean))
    print(f"{rows} rows, seed {seed}: {fired} alarms; {sum(bool(one.drifted) for one in clean)} windows drifted")
    assert fired <= 1
