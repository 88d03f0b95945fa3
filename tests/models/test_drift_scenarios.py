"""The scenarios that monitoring must tell apart, D1 to D6, on generated ratings; D1 also on the real ones."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from drifting import POLICY, SEEN, alarms, detected, months, per_user, rated, window
from feature_groups.sources.generator import Truth, generate
from models.catalogue import Catalogue
from models.drift_classifier import told_apart
from models.drift_profile import profiled
from models.ease import Ease
from models.histories import HistoryRule
from models.liked_pairs import liked_pairs
from models.monitoring_policy import Quality, asked_for
from models.outcomes import quality, with_outcomes
from models.rated_events import RatedEvents
from models.rolling_evaluation import microseconds

REAL = Path(__file__).parents[2].parent / "shared" / "data" / "ml-1m"
SHIFT = datetime(2000, 9, 1, tzinfo=UTC)


@dataclass(frozen=True)
class World:
    """Generated ratings, and what is true of them."""

    truth: Truth
    rows: pl.DataFrame


def world(folder: Path, taste_shift: datetime | None = None) -> World:
    truth = generate(folder, events=60_000, users=1_500, movies=1_000, minors_share=0.045, taste_shift=taste_shift)
    return World(truth, rated(folder))


@pytest.fixture(scope="module")
def plain(tmp_path_factory: pytest.TempPathFactory) -> World:
    return world(tmp_path_factory.mktemp("plain"))


@pytest.fixture(scope="module")
def shifted(tmp_path_factory: pytest.TempPathFactory) -> World:
    """The same world, in which taste is another one from an instant on."""
    return world(tmp_path_factory.mktemp("shifted"), SHIFT)


def month(number: int) -> datetime:
    """The first instant of a month, counted from January 2000."""
    return datetime(2000 + number // 12, number % 12 + 1, 1, tzinfo=UTC)


@pytest.mark.skipif(not REAL.is_dir(), reason="the licensed MovieLens-1M files are not at ../shared/data/ml-1m")
def test_d1_new_users_become_returning_ones_in_the_real_ratings() -> None:
    rows = rated(REAL)
    profile = profiled(months(rows, month(10), month(11)), SEEN)
    december, spring = months(rows, month(11), month(12)), months(rows, month(12), month(18))

    found = [window(0, december, profile), window(1, spring, profile)]

    psi = [{f.name: f.measures["PSI"][0] for f in one.findings} for one in found]
    print(psi)
    assert psi[0]["tenure"] == pytest.approx(0.218, rel=0.05)
    assert psi[1]["tenure"] == pytest.approx(7.28, rel=0.05)
    assert max(one[quiet] for one in psi for quiet in ("rating", "film_year")) < 0.03
    _, second = alarms(found)
    assert [(d.name, d.severity) for d in second] == [("tenure", "severe")]
    assert asked_for(POLICY, alarms=[d.name for d in second]).action == "retrain"


def test_d1_new_users_become_returning_ones(plain: World) -> None:
    profile = profiled(months(plain.rows, month(10), month(11)), SEEN)
    found = [window(n, months(plain.rows, month(n), month(n + 1)), profile) for n in (11, 12, 13)]

    december, january, february = alarms(found)

    assert (december, january) == ((), ()), "still slight, and severe for the first time"
    assert [(d.name, d.severity) for d in february] == [("earlier", "severe"), ("tenure", "severe")]
    quiet = [f.effect for one in found for f in one.findings if f.name in ("rating", "film_year")]
    assert max(quiet) < 0.05
    assert asked_for(POLICY, alarms=[d.name for d in february]).action == "retrain"


def test_d2_more_minors_are_seen_in_what_the_router_says(plain: World) -> None:
    users = plain.truth.users
    scores, minors = users["p_under_18"].to_numpy(), users["is_under_18"].to_numpy()

    null, tripled, many = (detected(scores, minors, share, 1_000, 60) for share in (None, 0.12, 0.2))
    print(null, tripled, many)

    assert null["mean"] <= 0.1
    assert tripled["mean"] >= 0.6
    assert tripled["monitoring"] >= 0.6
    assert many["mean"] >= 0.95
    assert many["monitoring"] >= 0.95
    assert tripled["PSI > .1"] <= 0.1, "a fixed limit would have said nothing"


def test_d2_ends_with_a_training_where_thresholds_are_chosen_again(plain: World) -> None:
    users = plain.truth.users
    said = users.select(pl.col("p_under_18").alias("score"), (pl.col("p_under_18") > 0.1).alias("route"))
    minors, rest = said.filter(users["is_under_18"]), said.filter(~users["is_under_18"])
    scores, features = profiled(said), profiled(said.head(0))

    def day(number: int, share: float) -> pl.DataFrame:
        young = int(1_000 * share)
        parts = [(minors, young), (rest, 1_000 - young)]
        return pl.concat([part.sample(n, with_replacement=True, seed=number) for part, n in parts])

    days = [window(n, said.head(0), features, day(n, share), scores) for n, share in enumerate((0.045, 0.12, 0.12))]
    before, first, second = alarms(days)

    assert (before, first) == ((), ())
    assert {d.name for d in second} <= {"score of new users", "route of new users"}
    assert second[0].prediction
    assert asked_for(POLICY, alarms=[d.name for d in second]).action == "retrain"


def judged_later(made: World) -> tuple[Quality, pl.DataFrame]:
    """What a recommender of the time before the shift is worth in the two months after it; and the ratings of these.

    It is asked just before every rating, of what was rated strictly before.
    """
    later = months(made.rows, SHIFT, SHIFT + timedelta(days=60))
    catalogue = Catalogue.from_movies(made.rows.select("movie_id", "genres").unique("movie_id"))
    events = RatedEvents.of(made.rows, catalogue)
    before = events.where(events.times < microseconds(SHIFT))
    ranker = Ease.fit(liked_pairs(before), 50.0, HistoryRule(length=20, tau=5.0))
    known = later.filter(pl.col("tenure") > 0).select("user_id", asked_at="rated_at").unique(maintain_order=True)
    asked = known["user_id"].to_numpy(), known["asked_at"].dt.epoch("us").to_numpy()
    shown = ranker.top(ranker.rule.before(events, *asked), 10, seen=HistoryRule().before(events, *asked))
    said = known.with_columns(
        pl.format("{} {}", "user_id", "asked_at").alias("prediction_id"),
        pl.lit("r").alias("release"),
        pl.Series("movies", catalogue.items[shown]).arr.to_list(),
    )
    row = quality(with_outcomes(said, later)).row(0, named=True)
    figures = row["ndcg"], row["low"], row["high"], row["judged"], known["user_id"].n_unique()
    return Quality("ndcg@10", SHIFT, SHIFT + timedelta(days=60), *figures, 0.0, enough=True), later


def test_d5_another_taste_leaves_the_features_quiet_and_is_told_by_what_users_like_later(
    plain: World, shifted: World
) -> None:
    kept, later = judged_later(plain)
    fell, others = judged_later(shifted)
    floor = kept.value / 2
    print(kept, fell)

    profile = profiled(later, SEEN)
    assert window(0, others, profile).drifted == {}
    assert not replace(kept, floor=floor).breached
    breach = replace(fell, floor=floor)
    assert breach.breached
    asked = asked_for(POLICY, quality=breach)
    assert asked.action == "retrain"
    assert "below the floor" in asked.why


def test_d6_a_hundred_clean_windows_give_at_most_one_alarm(plain: World) -> None:
    users = per_user(plain.rows).join(plain.truth.users.select("user_id", "p_under_18"), on="user_id")
    said = users.select(pl.col("p_under_18").alias("score"), (pl.col("p_under_18") > 0.1).alias("route"))
    features = [name for name in users.columns if name not in ("user_id", "p_under_18")]
    seen, scores = profiled(users, features), profiled(said)
    draw = np.random.default_rng(6)

    clean = []
    for number in range(100):
        chosen = draw.choice(users.height, 300)
        clean.append(window(number, users[chosen], seen, said[chosen], scores))

    fired = sum(bool(found) for found in alarms(clean))
    print("alarms", fired, "windows in which anything drifted", sum(bool(one.drifted) for one in clean))
    assert fired <= 1
    told = told_apart(seen, users, users[draw.choice(users.height, 300)], "user_id")
    assert told is not None
    assert told.severity == "none"
