from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats
from scipy.spatial.distance import jensenshannon

from drifting import POLICY, window
from feature_groups.store import connect
from feature_groups.store.deliveries import delivery_rate, refuse
from feature_groups.store.errors import ContractViolated
from feature_groups.store.metadata import Metadata
from models.artefact import pack, unpack
from models.drift_classifier import told_apart
from models.drift_findings import Finding, judged
from models.drift_measures import (
    CHI_SQUARE,
    CLIP,
    DIVERGENCE,
    KOLMOGOROV,
    MEAN,
    MISSING,
    STABILITY,
    WASSERSTEIN,
    measured,
)
from models.drift_null import null
from models.drift_profile import OTHER, DriftProfile, FeatureProfile, profiled
from models.monitoring_log import MonitoringLog
from models.monitoring_policy import Asked, MonitoringPolicy, Quality, asked_for
from models.monitoring_windows import Span, Window, alarm, end_of, window_of

NOON = datetime(2001, 2, 3, 12, tzinfo=UTC)
numbers = st.lists(st.sampled_from([-3.0, 0.0, 0.5, 1.0, 2.0, 2.5, 7.0, 100.0]), min_size=2, max_size=60)
words = st.lists(st.sampled_from(["a", "b", "c", "d"]), min_size=1, max_size=60)


def number(values: object, name: str = "x") -> pl.Series:
    return pl.Series(name, values, dtype=pl.Float64)


def of(training: pl.Series, seen: pl.Series) -> dict[str, float]:
    profile = FeatureProfile.of(training)
    return measured(profile, profile.seen(seen))


@settings(max_examples=40)
@given(numbers, numbers)
def test_measures_of_few_distinct_numbers_are_those_of_the_numbers_themselves(
    training: list[float], seen: list[float]
) -> None:
    found = of(number(training), number(seen))

    one, two = np.array(training), np.array(seen)
    spread = np.sqrt((one.var() + two.var()) / 2)
    assert found[MEAN] == pytest.approx((two.mean() - one.mean()) / (spread or 1.0))
    farthest = max(abs((one <= x).mean() - (two <= x).mean()) for x in {*training, *seen})
    assert found[KOLMOGOROV] <= farthest + 1e-9
    # Where every value of training is a bin of its own, nothing is lost.
    if set(seen) <= set(training) and len(set(training)) == len(FeatureProfile.of(number(one)).counts):
        assert found[KOLMOGOROV] == pytest.approx(farthest)
        assert found[WASSERSTEIN] == pytest.approx(stats.wasserstein_distance(one, two) / (one.std() or 1.0))


@settings(max_examples=40)
@given(words, words)
def test_measures_of_categories_are_the_textbook_s(training: list[str], seen: list[str]) -> None:
    found = of(pl.Series("x", training), pl.Series("x", seen))

    labels = sorted({*training, *seen})
    known = [label for label in labels if label in training]
    p = np.array([training.count(label) for label in known] + [0])
    q = np.array([seen.count(label) for label in known] + [sum(label not in training for label in seen)])
    shares = [np.maximum(counts / counts.sum(), CLIP) for counts in (p, q)]
    assert found[STABILITY] == pytest.approx(float(((shares[1] - shares[0]) * np.log(shares[1] / shares[0])).sum()))
    assert found[DIVERGENCE] == pytest.approx(jensenshannon(p, q, base=2) ** 2, abs=1e-9)
    both = np.vstack([p, q])[:, (p + q) > 0]
    if both.shape[1] > 1:
        textbook = stats.chi2_contingency(both, correction=False)
        assert found[CHI_SQUARE] == pytest.approx(textbook.statistic / textbook.dof)


def test_a_profile_comes_back_bit_for_bit_and_holds_no_row() -> None:
    draw = np.random.default_rng(0)
    frame = pl.DataFrame(
        {
            "number": draw.normal(size=5_000),
            "whole": draw.poisson(2, 5_000),
            "gone": pl.Series([None] * 5_000, dtype=pl.Float64),
            "word": draw.choice(["a", "b"], 5_000),
            "flag": draw.random(5_000) < 0.1,
            "many": [["x", "y"]] * 5_000,
            "items": [[1, 2, 3]] * 5_000,
            "when": [NOON] * 5_000,
        }
    )
    made = profiled(frame)
    assert {name: feature.kind for name, feature in made.items()} == {
        "number": "number",
        "whole": "number",
        "gone": "number",
        "word": "category",
        "flag": "category",
        "many": "category",
        "items": "number",
    }
    assert (made["gone"].missing, made["gone"].rows) == (5_000, 0)
    assert (made["items"].mean, made["many"].labels) == (3.0, ("x", "y", OTHER))

    stored = pack(DriftProfile({"features": made}))
    assert DriftProfile.of(unpack(stored.data, stored.sha256))["features"] == made
    assert len(stored.data) < 20_000


def test_one_outlier_hides_nothing() -> None:
    draw = np.random.default_rng(0)
    training, seen = draw.normal(size=5_000), draw.normal(0.5, size=5_000)
    found = of(number(training), number([*seen, 1_000.0]))

    assert found[STABILITY] == pytest.approx(of(number(training), number(seen))[STABILITY], abs=0.001)
    assert 0.2 < found[STABILITY] < 0.3


def test_chance_alone_is_rarely_called_a_drift_at_any_size() -> None:
    draw = np.random.default_rng(1)

    def frame(rows: int) -> pl.DataFrame:
        made = {f"f{n}": draw.gamma(2, size=rows) if n % 2 else draw.poisson(3, rows) for n in range(6)}
        return pl.DataFrame({**made, "word": draw.choice(["a", "b", "c"], rows, p=[0.9, 0.09, 0.01])})

    for rows in (60, 700):
        ps, windows = [], []
        training = profiled(frame(4_000))
        for _ in range(60):
            found = judged("features", training, frame(rows))
            ps += [f.p for f in found]
            windows.append(any(f.drifted for f in found))
        assert np.mean(np.array(ps) <= 0.05) <= 0.08, rows
        assert np.mean(windows) <= 0.1, rows


def test_thresholds_shrink_with_the_window_and_are_the_same_every_time() -> None:
    feature = FeatureProfile.of(number(np.random.default_rng(0).normal(size=2_000)))
    small, large = null(feature, 100), null(feature, 10_000)

    assert all(small.thresholds[name] > large.thresholds[name] for name in (STABILITY, KOLMOGOROV, WASSERSTEIN, MEAN))
    assert null(FeatureProfile(**{**vars(feature), "name": "y"}), 100).thresholds == small.thresholds
    # Kolmogorov's own asymptotic quantile, which binning can only make smaller.
    asymptotic = stats.kstwobign.ppf(0.99) * np.sqrt(1 / 100 + 1 / 2_000)
    assert small.thresholds[KOLMOGOROV] == pytest.approx(asymptotic, rel=0.12)


def test_a_tiny_shift_of_a_huge_window_is_certain_and_yet_does_not_matter() -> None:
    draw = np.random.default_rng(0)
    training, seen = (pl.DataFrame({"x": draw.normal(shift, size=100_000)}) for shift in (0.0, 0.03))
    (found,) = judged("features", profiled(training), seen)

    assert found.adjusted < 0.01
    assert found.severity == "none"


@pytest.mark.parametrize(("shift", "severity"), [(0.0, "none"), (0.2, "slight"), (0.4, "moderate"), (1.0, "severe")])
def test_severity_goes_by_effect(shift: float, severity: str) -> None:
    draw = np.random.default_rng(0)
    training, seen = draw.normal(size=4_000), draw.normal(shift, size=4_000)
    (found,) = judged("features", profiled(pl.DataFrame({"x": training})), pl.DataFrame({"x": seen}))

    assert found.severity == severity
    assert Finding.from_json(json.loads(json.dumps(found.to_json()))) == found


def test_missing_values_and_new_categories_are_drifts_of_their_own() -> None:
    draw = np.random.default_rng(0)
    plain = pl.DataFrame({"x": draw.normal(size=900), "word": draw.choice(["a", "b"], 900)})
    torn = plain.with_columns(
        pl.when(pl.int_range(pl.len()) % 3 == 0).then(float("nan")).otherwise("x").alias("x"),
        pl.when(pl.int_range(pl.len()) % 5 == 0).then(pl.lit("<new>")).otherwise("word").alias("word"),
    )
    found = {f.name: f for f in judged("features", profiled(plain), torn)}

    assert found["x"].severity == "severe"
    assert found["x"].missing == (0.0, pytest.approx(1 / 3))
    assert found["x"].measures[MISSING][0] == pytest.approx(1 / 3)
    assert abs(found["x"].measures[MEAN][0]) < found["x"].measures[MEAN][1]
    assert found["word"].severity == "severe"
    assert found["word"].unseen == ("<new>",)


@pytest.mark.parametrize("training", [[0.0] * 990 + [3.0] * 10, [0.0] * 1_000])
def test_a_number_that_was_nearly_always_the_same_drifts_when_it_no_longer_is(training: list[float]) -> None:
    profile = profiled(pl.DataFrame({"x": number(training)}))
    (same,) = judged("features", profile, pl.DataFrame({"x": number([0.0] * 297 + [3.0] * 3)}))
    (other,) = judged("features", profile, pl.DataFrame({"x": number([0.0] * 180 + [3.0] * 120)}))
    (less,) = judged("features", profile, pl.DataFrame({"x": number([0.0] * 180 + [-3.0] * 120)}))

    assert same.drifted is (len(set(training)) == 1)
    assert (other.severity, less.severity) == ("severe", "severe")


@pytest.mark.parametrize("values", [[], [1.0], [1.0, 1.0, 1.0], [None, None], [float("inf"), 1.0, 2.0]])
def test_whatever_training_held_any_window_can_be_judged(values: list[float | None]) -> None:
    profile = profiled(pl.DataFrame({"x": number(values)}))
    for seen in ([1.0], [None], [5.0, -5.0, None], values):
        found = judged("features", profile, pl.DataFrame({"x": number(seen)}))
        assert all(np.isfinite([f.p, f.effect, *np.ravel(list(f.measures.values()))]).all() for f in found)
    assert judged("features", profile, pl.DataFrame({"x": number([])})) == []


def test_the_classifier_sees_what_no_single_feature_shows() -> None:
    draw = np.random.default_rng(0)
    one, two = draw.normal(size=(2, 1_500))
    whole = pl.DataFrame({"user_id": np.arange(1_500), "one": one, "two": one + 0.3 * two, "three": two})
    profile = profiled(whole, ["one", "two", "three"])
    moved = whole.with_columns(two=pl.col("one") + 0.3 * pl.col("three").sample(1_500, shuffle=True, seed=1) + 0.3)

    told = told_apart(profile, whole, moved, "user_id")
    same = told_apart(profile, whole, whole.sample(1_000, seed=0), "user_id")

    assert told is not None
    assert same is not None
    assert told.severity != "none"
    assert told.by[0][0] in ("one", "two")
    assert same.severity == "none", "users who were in training are no news"
    assert told_apart(profile, whole, whole.head(5), "user_id") is None


def found_in(number: int, shift: float, name: str = "x") -> Window:
    """The window of a day in which a feature has shifted so far."""
    draw = np.random.default_rng(number)
    profile = profiled(pl.DataFrame({name: np.random.default_rng(99).normal(size=2_000)}))
    return window(number, pl.DataFrame({name: draw.normal(shift, size=500)}), profile)


def test_an_alarm_needs_the_same_drift_twice_running_and_far_enough() -> None:
    quiet, far, near = found_in(0, 0.0), found_in(1, 1.0), found_in(2, 0.25)

    assert alarm(POLICY, []) == alarm(POLICY, [far]) == alarm(POLICY, [far, quiet]) == alarm(POLICY, [quiet, far]) == ()
    assert [d.name for d in alarm(POLICY, [quiet, far, far])] == ["x"]
    assert alarm(POLICY, [far, found_in(2, 1.0, "y")]) == ()
    assert near.drifted["x"].severity == "slight"
    assert alarm(POLICY, [near, near]) == ()
    assert alarm(MonitoringPolicy(features="slight"), [near, near]) != ()
    assert alarm(MonitoringPolicy(running=3), [far, far]) == ()


def test_what_was_found_survives_a_restart_and_is_recorded_once(tmp_path: Path) -> None:
    far = found_in(1, 1.0)
    first = MonitoringLog(Metadata(tmp_path), "films", "r", "day")
    assert first.put(far)
    assert not first.put(far)

    again = MonitoringLog(Metadata(tmp_path), "films", "r", "day")
    assert again.get(far.start) == far
    later = found_in(2, 1.0)
    assert again.put(later)
    assert alarm(POLICY, again.newest(2)) != ()
    assert again.until(far.start, 5) == [far]
    assert MonitoringLog(Metadata(tmp_path), "films", "other", "day").newest(2) == []
    assert MonitoringLog(Metadata(tmp_path), "films", "r", "week").newest(2) == []


@pytest.mark.parametrize(
    ("span", "start", "end"),
    [("day", (2001, 2, 3), (2001, 2, 4)), ("week", (2001, 1, 29), (2001, 2, 5)), ("month", (2001, 2, 1), (2001, 3, 1))],
)
def test_windows_begin_at_midnight_on_mondays_and_on_the_first(
    span: Span, start: tuple[int, int, int], end: tuple[int, int, int]
) -> None:
    first = pl.select(window_of(pl.lit(NOON, dtype=pl.Datetime("us", "UTC")), span)).item()

    assert first == datetime(*start, tzinfo=UTC)
    assert end_of(first, span) == datetime(*end, tzinfo=UTC)


def of_quality(low: float, *, enough: bool = True) -> Quality:
    return Quality("ndcg@10", NOON, NOON, low + 0.01, low, low + 0.02, 100, 100, 0.05, enough)


def test_what_is_asked_for_follows_from_the_policy() -> None:
    hour = timedelta(hours=1)

    assert asked_for(POLICY).action == "none"
    assert asked_for(POLICY, alarms=["tenure"]).action == "retrain"
    assert asked_for(POLICY, quality=of_quality(0.04)).action == "retrain"
    assert asked_for(POLICY, quality=of_quality(0.06)).action == "none"
    assert asked_for(POLICY, quality=of_quality(0.04, enough=False)).action == "none"
    refused = asked_for(POLICY, refused=["ratings_v1 1 of 3"])
    assert refused.action == "none"
    assert "the champion goes on serving" in refused.why
    cooling = asked_for(POLICY, alarms=["tenure"], last=NOON, now=NOON + 23 * hour)
    assert (cooling.action, "none before 2001-02-04 12:00" in cooling.why) == ("none", True)
    assert asked_for(POLICY, alarms=["tenure"], last=NOON, now=NOON + 24 * hour).action == "retrain"


def test_the_log_knows_when_a_training_was_asked_for(tmp_path: Path) -> None:
    log = MonitoringLog(Metadata(tmp_path), "films", "r", "day")
    assert log.asked() is None
    log.ask(Asked("retrain", ("drift",)), NOON)
    assert MonitoringLog(Metadata(tmp_path), "films", "next", "month").asked() == NOON


def test_a_delivery_that_is_refused_again_counts_once(tmp_path: Path) -> None:
    metadata = connect(tmp_path).metadata
    error = ContractViolated("ratings", what="bad", state="was not written", next_step="mend it")
    written = {"recorded_at": "2001-01-01", "receipt": {"received": 10, "rejected": 1}}
    metadata.append("steps/ratings_v1", written)

    assert [refuse(metadata, "ratings_v1", key, error) for key in ("a", "a", "b")] == [True, False, True]

    found = delivery_rate(metadata, "ratings_v1")
    assert (found.deliveries, found.refused, found.code, found.newest_refused) == (3, 2, "FG102", True)
    assert (found.rate, found.rejected, found.received) == (pytest.approx(2 / 3), 1, 10)
    metadata.append("steps/ratings_v1", written | {"recorded_at": "2999-01-01"})
    assert not delivery_rate(metadata, "ratings_v1").newest_refused
    assert delivery_rate(metadata, "users_v1").rate == 0
