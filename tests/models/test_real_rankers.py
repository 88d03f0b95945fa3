"""What the rankers reach on the real ratings of users 1 to 2999, by the protocols their figures are known for."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime
from functools import cache
from pathlib import Path

import narwhals as nw
import numpy as np
import polars as pl
import pytest
from numpy.typing import NDArray
from scipy import stats

from feature_groups import movies, ratings
from feature_groups.sources.movielens_files import read_movies, read_ratings, read_users
from feature_groups.views import ranking
from models.bootstrap import Interval, interval, paired_difference
from models.catalogue import Catalogue
from models.ease import Ease
from models.film_cascade import RANKERS
from models.film_rankings import HIDDEN
from models.followed_pairs import followed_pairs
from models.histories import HistoryRule
from models.history_ridge import HistoryRidge
from models.holdout_evaluation import HoldOut
from models.item_statistics import ItemStatistics
from models.liked_pairs import liked_pairs, liked_pairs_added
from models.policy_curve import policy_curve
from models.popularity import Popularity
from models.ranker import Ranker
from models.ranker_choice import RankerChoice, ridge_rule
from models.ranker_tuning import EASE_GRID, newest_part, tuned_history_ridge, tuned_ranker, tuned_segment_weight
from models.ranking_metrics import ndcg
from models.rated_events import RatedEvents, microseconds
from models.rolling_evaluation import rolling

REAL = Path(__file__).parents[2].parent / "shared" / "data" / "ml-1m"
SINCE = datetime(2001, 1, 1, tzinfo=UTC)
RULE = HistoryRule(length=20, tau=5.0)
SEEDS = (0, 1, 2)

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not REAL.is_dir(), reason="the licensed MovieLens-1M files are not at ../shared/data/ml-1m"),
]


@cache
def rated_frame() -> pl.DataFrame:
    made: pl.DataFrame = ratings.transform(nw.from_native(read_ratings(REAL / "ratings.dat"))).to_native()
    return made


@cache
def films() -> Catalogue:
    return Catalogue.from_movies(movies.transform(nw.from_native(read_movies(REAL / "movies.dat"))).to_native())


@cache
def all_events() -> RatedEvents:
    return RatedEvents.of(rated_frame(), films())


def before(events: RatedEvents, instant: datetime = SINCE) -> RatedEvents:
    return events.where(events.times < microseconds(instant))


@cache
def minors() -> NDArray[np.int64]:
    users = read_users(REAL / "users.dat").filter(pl.col("age") == 1, pl.col("user_id") < 3000)
    return users["user_id"].to_numpy()


@cache
def ease() -> Ease:
    return Ease.fit(liked_pairs(before(all_events())), 200.0)


def ridge(events: RatedEvents, *, leak: bool = False) -> HistoryRidge:
    return HistoryRidge.fit(followed_pairs(before(events), RULE, leak_same_instant=leak), 200.0, RULE)


def judged(ranker: Ranker, events: RatedEvents) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    found = rolling(ranker, events, SINCE)
    return ndcg(found["rank"].to_numpy()), found["user_id"].to_numpy()


def figure(ranker: Ranker) -> Interval:
    found = interval(*judged(ranker, all_events()))
    assert (found.events, found.users) == (34_514, 679)
    print(f"next event, {type(ranker).__name__}, {ranker.rule}: NDCG@10 {found}")
    return found


def test_popularity_finds_what_it_is_known_to_find() -> None:
    assert figure(Popularity.fit(before(all_events()))).mean == pytest.approx(0.0286, abs=0.001)


def test_ease_finds_what_it_is_known_to_find() -> None:
    assert figure(ease()).mean == pytest.approx(0.0425, abs=0.0015)


def test_ease_of_the_last_twenty_finds_more_of_the_next_event() -> None:
    assert figure(replace(ease(), rule=RULE)).mean == pytest.approx(0.0697, abs=0.002)


def strict_and_leaky(events: RatedEvents) -> tuple[float, Interval]:
    strict, users = judged(ridge(events), events)
    leaky, _ = judged(ridge(events, leak=True), events)
    gain = paired_difference(strict, leaky, users)
    print(f"next event, ridge: strict {interval(strict, users)}, leaky {leaky.mean():.4f}, difference {gain}")
    return float(strict.mean()), gain


def test_strict_training_gains_over_training_on_the_rows_before() -> None:
    strict, gain = strict_and_leaky(all_events())
    assert 0.080 <= strict <= 0.086
    assert gain.mean >= 0.005
    assert gain.low > 0


def test_the_gain_is_the_page_order_that_the_leak_learns() -> None:
    """With the ratings of one instant in a random order strict training is as good as ever, and no better."""
    order = pl.Series("source_row_id", np.random.default_rng(0).permutation(rated_frame().height))
    strict, gain = strict_and_leaky(RatedEvents.of(rated_frame().with_columns(order), films()))
    assert 0.080 <= strict <= 0.086
    assert gain.mean < 0.003


@pytest.mark.parametrize("half", [None, 0, 1])
def test_settings_chosen_within_the_training_data_hold_later(half: int | None) -> None:
    """For all users, and for either half of them: other users, half the data, no hand on them."""
    events = all_events()
    events = events if half is None else events.where(events.users % 2 == half)
    training = before(events)
    chosen = tuned_history_ridge(training, newest_part(training)).chosen
    rule = ridge_rule(chosen)
    found, users = judged(HistoryRidge.fit(followed_pairs(training, rule), chosen["penalty"], rule), events)
    popular, _ = judged(Popularity.fit(training), events)
    low, high = (0.080, 0.088) if half is None else (0.075, 0.088)
    gain = paired_difference(found, popular, users)
    print(f"half {half}: ridge {dict(chosen)} {interval(found, users)}, popularity {popular.mean():.4f}, gain {gain}")
    assert low <= found.mean() <= high
    assert gain.low > 0.03


def test_the_ranker_of_the_branches_is_chosen_as_it_is_judged_and_is_the_better_one() -> None:
    """Ten films for everything liked from a border on: what is best for the next event is not best for that."""
    border = ranking.border(rated_frame().filter(pl.col("rating") >= ranking.POSITIVE))
    training, asked = before(all_events(), border), HoldOut.since(all_events(), border)
    validation = HoldOut.since(training, newest_part(training, HIDDEN))
    chosen, tried = tuned_ranker(validation, RANKERS)
    print(f"chosen on {len(validation.users)} users: {chosen}\n{tried}")
    found = {}
    for kind, grid in RANKERS.items():
        row = tried.filter(ranker=kind).sort("ndcg").row(-1, named=True)
        best = RankerChoice(kind, {name: row[name] for name in grid})
        found[kind] = asked.judged(best.fit(best.statistics(training)))["ndcg"].to_numpy()
        print(f"everything liked later, {best}: NDCG@10 {interval(found[kind], asked.users)}")
    popular = asked.judged(Popularity.fit(training))["ndcg"].to_numpy()
    gain = paired_difference(found["ease"], found["history_ridge"], asked.users)
    print(f"popularity {interval(popular, asked.users)}, EASE less ridge {gain}")

    assert (chosen.kind, len(asked.users)) == ("ease", 671)
    assert min(EASE_GRID["penalty"]) < chosen.setting["penalty"] < max(EASE_GRID["penalty"])
    assert found["ease"].mean() == pytest.approx(0.267, abs=0.01)
    assert gain.low > 0.1
    assert paired_difference(found["ease"], popular, asked.users).low > 0.02


@cache
def shared(seed: int) -> tuple[HoldOut, ItemStatistics, ItemStatistics]:
    held = HoldOut.drawn(all_events(), 0.2, seed)
    return held, liked_pairs(held.kept), liked_pairs(held.kept.of_users(minors()))


def by_segment(weight: int | None, penalty: float = 200.0) -> tuple[float, float, float]:
    """NDCG over the seeds of all, minors and adults; of minors' ratings alone where there is no weight."""
    found = []
    for seed in SEEDS:
        held, everybody, own = shared(seed)
        lists = held.judged(Ease.fit(own if weight is None else everybody + own.times(weight - 1), penalty))
        young = pl.col("user_id").is_in(minors())
        parts = (lists, lists.filter(young), lists.filter(~young))
        found.append([part["ndcg"].mean() for part in parts])
    total, young_mean, adult_mean = np.mean(found, axis=0).tolist()
    whose = "minors' ratings alone" if weight is None else f"everybody's ratings, minors' x {weight}"
    print(f"EASE {penalty} of {whose}: all {total:.4f}, minors {young_mean:.4f}, adults {adult_mean:.4f}")
    return total, young_mean, adult_mean


def test_one_model_for_all_serves_minors_better_than_their_own() -> None:
    total, young, adult = by_segment(1)
    assert total == pytest.approx(0.320, abs=0.006)
    assert young == pytest.approx(0.283, abs=0.015)
    _, own, _ = by_segment(None, penalty=50.0)
    assert own - young <= -0.05
    _, doubled, adult_doubled = by_segment(2)
    assert doubled == pytest.approx(young, abs=0.006)
    assert adult_doubled == pytest.approx(adult, abs=0.002)


def test_the_weight_that_validation_chooses_is_small() -> None:
    held, _, _ = shared(0)
    tuned = tuned_segment_weight(
        HoldOut.drawn(held.kept, 0.2, seed=7), minors(), RankerChoice("ease", {"penalty": 200.0})
    )
    print(tuned.tried)
    assert 1 <= tuned.chosen["weight"] <= 3


def test_the_policy_spares_minors_and_costs_little() -> None:
    """With scores as good as the router's (AUC .88), calibrated by construction."""
    held, everybody, _ = shared(0)
    ranker = Ease.fit(everybody, 200.0)
    every, policed = held.judged(ranker), held.judged(ranker, ~films().restricted)
    young = np.isin(held.users, minors())
    signal = np.random.default_rng(0).normal(size=len(young)) + np.where(young, stats.norm.ppf(0.88) * 2**0.5, 0)
    share, shift = young.mean(), stats.norm.ppf(0.88) * 2**0.5
    scores = 1 / (1 + (1 - share) / share * np.exp(shift**2 / 2 - shift * signal))
    curve = policy_curve(every, policed, scores, young, [0.0, 0.02, 0.05, 0.1, 0.2, 0.3, 2.0])
    print(curve)
    assert curve["exposure"].is_sorted()
    assert curve["adults_policed"].is_sorted(descending=True)
    everyone, at_a_tenth, nobody = (curve.filter(pl.col("threshold") == t).row(0, named=True) for t in (0.0, 0.1, 2.0))
    assert (everyone["exposure"], everyone["ndcg"]) == (0.0, pytest.approx(0.249, abs=0.006))
    assert nobody["exposure"] == pytest.approx(0.403, abs=0.02)
    assert at_a_tenth["adults_policed"] <= 0.09
    assert at_a_tenth["exposure"] <= 0.21
    assert at_a_tenth["ndcg"] >= 0.310


def test_a_minor_s_branch_shows_no_restricted_film() -> None:
    held, everybody, _ = shared(0)
    shown = held.recommended(Ease.fit(everybody, 200.0), allowed=~films().restricted)
    assert (shown >= 0).all()
    assert not films().restricted[shown].any()


def equal(one: ItemStatistics, other: ItemStatistics) -> bool:
    ours, theirs = one.parts().arrays, other.parts().arrays
    return all(ours[name].tobytes() == theirs[name].tobytes() for name in ours | theirs)


def months() -> Iterator[tuple[NDArray[np.bool_], NDArray[np.bool_]]]:
    """Which events lie before a month, and which in it."""
    events = all_events()
    instants = pl.Series(events.times).cast(pl.Datetime("us"))
    numbers = (instants.dt.year() * 12 + instants.dt.month()).to_numpy()
    for month in np.unique(numbers):
        yield numbers < month, numbers == month


@pytest.mark.parametrize("order", ["forward", "reverse", "shuffled"])
def test_monthly_sums_equal_the_full_ones_in_any_order(order: str) -> None:
    events = all_events()
    liked = [liked_pairs_added(events.where(earlier), events.where(inside)) for earlier, inside in months()]
    followed = [followed_pairs(events, RULE, following=inside) for _, inside in months()]
    assert len(liked) == 29
    for shares, full in ((liked, liked_pairs(events)), (followed, followed_pairs(events, RULE))):
        if order == "reverse":
            shares.reverse()
        if order == "shuffled":
            np.random.default_rng(0).shuffle(shares)
        total = shares[0]
        for share in shares[1:]:
            total = total + share
        assert equal(total, full)


def test_changed_users_brought_up_to_date_equal_a_rebuild() -> None:
    """Who rated in 2002 is taken from what was known before, and put in again with what is known now."""
    now = all_events()
    then = before(now, datetime(2002, 1, 1, tzinfo=UTC))
    changed = now.where(now.times >= microseconds(datetime(2002, 1, 1, tzinfo=UTC))).distinct_users
    for build in (liked_pairs, lambda events: followed_pairs(events, RULE)):
        updated = build(then) - build(then.of_users(changed)) + build(now.of_users(changed))
        assert equal(updated, build(now))
    penalised = Ease.fit(liked_pairs(now), 200.0).weights
    shares = liked_pairs(then) - liked_pairs(then.of_users(changed)) + liked_pairs(now.of_users(changed))
    assert Ease.fit(shares, 200.0).weights.tobytes() == penalised.tobytes()
