"""Splits: which part a row lands in depends on the values of declared columns only."""

from __future__ import annotations

import json
import math
from datetime import UTC, datetime, timedelta
from random import Random

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from polars.testing import assert_series_equal

from feature_groups.store import EntityTimeSplit, HashSplit, KFold, TimeSplit
from feature_groups.store.split_report import SplitReport
from feature_groups.store.split_rule import Split
from plain_hash import M, mix, xxh64
from split_rules import END, RULES, SPINE, START, TEST, TIMES, US, VALIDATION, spine, split

seeds = st.integers(0, 2**64 - 1)
few = settings(max_examples=25, deadline=None)
by_rule = pytest.mark.parametrize("rule", RULES, ids=lambda rule: type(rule).__name__)


def by_row(rule: Split, frame: pl.DataFrame, seed: int = 7) -> dict[int, str | None]:
    return dict(zip(frame["row"], split(rule, frame, seed), strict=True))


@by_rule
@few
@given(seed=seeds, order=st.randoms(use_true_random=False))
def test_the_order_of_the_rows_does_not_matter(rule: Split, seed: int, order: Random) -> None:
    shuffled = SPINE[order.sample(range(SPINE.height), SPINE.height)]
    assert by_row(rule, shuffled, seed) == by_row(rule, SPINE, seed)


@by_rule
def test_every_row_gets_a_declared_part_or_none(rule: Split) -> None:
    parts = split(rule, SPINE)
    assert (parts.dtype, parts.len(), parts.name) == (pl.String, SPINE.height, "split")
    assert set(parts) - {None} == set(rule.names)
    windowed = isinstance(rule, EntityTimeSplit) or rule == TIMES
    assert (parts.null_count() > 0) == windowed


@by_rule
def test_no_declared_group_of_rows_lies_in_two_parts(rule: Split) -> None:
    if columns := rule.grouped_by(["user_id"]):
        parts = SPINE.with_columns(split(rule, SPINE)).drop_nulls("split")
        assert parts.group_by(columns).agg(pl.col("split").n_unique())["split"].max() == 1


@pytest.mark.parametrize("rule", [r for r in RULES if not isinstance(r, KFold)], ids=lambda rule: type(rule).__name__)
@few
@given(seed=seeds, count=st.integers(300, 499), order=st.randoms(use_true_random=False))
def test_new_rows_move_no_old_row(rule: Split, seed: int, count: int, order: Random) -> None:
    old = SPINE[order.sample(range(SPINE.height), count)]
    everybody = by_row(rule, SPINE, seed)
    assert by_row(rule, old, seed) == {row: everybody[row] for row in old["row"]}


@few
@given(seed=seeds, users=st.lists(st.integers(-(2**63), 2**63 - 1), min_size=60, max_size=60, unique=True))
def test_the_side_is_the_documented_number(seed: int, users: list[int]) -> None:
    names = [f"n{u}" for u in users]
    frame = pl.DataFrame({"user_id": users, "name": names})
    rule = HashSplit(0.5, 0, 0.5, by=["name", "user_id"])

    def side(user: int) -> str:
        words = {"user_id": user & M, "name": xxh64(f"n{user}".encode(), 0)}
        row = mix(sum(mix(word ^ xxh64(column.encode(), 2)) for column, word in words.items()) & M)
        return "train" if (mix(row ^ mix(seed)) >> 11) / 2**53 < 0.5 else "test"

    assert rule.assign(frame, entity=[], time="", seed=seed).to_list() == [side(u) for u in users]


def test_the_side_of_a_user_is_the_same_for_ever() -> None:
    frame = pl.DataFrame({"user_id": range(1, 31)})
    sides = "".join(p[1] for p in HashSplit(0.6, 0.2, 0.2).assign(frame, entity=["user_id"], time="t", seed=42))
    assert sides == "erearraeaarararearrraerarrrrrr"


@pytest.mark.parametrize("dtype", [pl.Int8, pl.Int16, pl.Int32])
def test_the_width_of_an_integer_does_not_matter(dtype: type[pl.DataType]) -> None:
    for rule in RULES:
        assert_series_equal(split(rule, SPINE.with_columns(pl.col("user_id").cast(dtype))), split(rule, SPINE))


@pytest.mark.parametrize("key", ["number", "text", "pair"])
def test_sides_are_drawn_evenly_and_seeds_are_independent(key: str) -> None:
    n = 20_000
    ids = pl.DataFrame({"a": range(n)})
    if key == "text":
        ids = ids.select(pl.format("user {}", "a").alias("a"))
    if key == "pair":
        ids = ids.select(pl.col("a") // 100, b=pl.col("a") % 100)
    shares = np.array([0.8, 0.1, 0.1])
    drawn = [HashSplit(*shares).assign(ids, entity=ids.columns, time="", seed=s) for s in (0, 1, 2**63)]
    for parts in drawn:
        seen = np.array([(parts == name).sum() for name in ("train", "validation", "test")])
        chi = ((seen - n * shares) ** 2 / (n * shares)).sum()
        assert math.exp(-chi / 2) > 1e-4  # the upper tail of chi-square with 2 degrees of freedom
    for one, other in ((0, 1), (0, 2), (1, 2)):
        pairs = pl.DataFrame({"one": drawn[one], "other": drawn[other]}).group_by("one", "other").len()
        seen = pairs.sort("one", "other")["len"].to_numpy().reshape(3, 3)
        expected = np.outer(seen.sum(axis=1), seen.sum(axis=0)) / n
        chi = ((seen - expected) ** 2 / expected).sum()
        assert math.exp(-chi / 2) * (1 + chi / 2) > 1e-4  # 4 degrees of freedom


instants = st.one_of(
    st.datetimes(datetime(1999, 1, 1), datetime(2003, 1, 1)).map(lambda t: t.replace(tzinfo=UTC)),
    st.tuples(st.sampled_from([START, VALIDATION, TEST, END]), st.integers(-2, 2)).map(lambda x: x[0] + x[1] * US),
)


@settings(max_examples=100, deadline=None)
@given(
    times=st.lists(instants, max_size=20),
    embargo=st.integers(0, 3).map(lambda n: n * US) | st.timedeltas(timedelta(0), timedelta(days=100)),
    validated=st.booleans(),
    until=st.none() | st.just(END),
    zone=st.sampled_from(["UTC", "Europe/Berlin", "Asia/Kathmandu"]),
)
def test_time_windows_are_half_open_with_the_embargo_before_each_boundary(
    times: list[datetime], embargo: timedelta, validated: bool, until: datetime | None, zone: str
) -> None:
    validation_from = VALIDATION if validated else None
    rule = TimeSplit(validation_from=validation_from, test_from=TEST, until=until, embargo=embargo)

    def part(t: datetime) -> str | None:
        if t >= TEST:
            return "test" if until is None or t < until else None
        if t >= TEST - embargo:
            return None
        if validation_from is not None and t >= validation_from:
            return "validation"
        return "train" if validation_from is None or t < validation_from - embargo else None

    at = [START, VALIDATION, TEST, TEST - US - embargo, *times]  # the first three fill all parts
    frame = pl.DataFrame({"t": pl.Series(at).dt.convert_time_zone(zone)})
    assert rule.assign(frame, entity=[], time="t", seed=0).to_list() == [part(t) for t in at]


def test_entity_and_time_together_keep_the_rows_that_both_put_into_one_part() -> None:
    entities, times = HashSplit(0.5, 0.25, 0.25), TIMES
    pairs = zip(split(entities, SPINE), split(times, SPINE), strict=True)
    assert split(EntityTimeSplit(entities, times), SPINE).to_list() == [e if e == t else None for e, t in pairs]


@few
@given(seed=seeds, k=st.integers(2, 8), data=st.integers(0, 10))
def test_folds_are_even_overall_and_within_each_label_of_the_entities(seed: int, k: int, data: int) -> None:
    frame = spine(users=100, seed=data)
    folds = frame.with_columns(split(KFold(k, stratify="minor"), frame, seed))
    entities = folds.group_by("user_id").agg(pl.col("split").unique(), pl.col("minor").any()).explode("split")
    assert entities.height == frame["user_id"].n_unique()
    for of_label in (entities, *entities.partition_by("minor")):
        sizes = of_label["split"].value_counts()["count"]
        assert (len(sizes), sizes.max() - sizes.min() <= 1) == (k, True)


def test_folds_of_another_seed_are_other_folds() -> None:
    assert split(KFold(3), SPINE, 1).to_list() != split(KFold(3), SPINE, 2).to_list()


def test_the_report_counts_rows_and_entities() -> None:
    frame = pl.DataFrame({"user_id": [1, 1, 2, 3, 3], "t": [START, TEST, TEST, START, TEST - US]})
    rule = TimeSplit(test_from=TEST, embargo=timedelta(days=1))
    report = SplitReport.of(rule, frame, split(rule, frame), entity=["user_id"])
    assert str(report).splitlines() == [
        "TimeSplit(test_from=2001-08-23T00:00:00+00:00, embargo=1d): 5 rows of 3 entities, 1 of them in several parts",
        "part        rows  share  entities",
        "train          2  40.0%         2",
        "test           2  40.0%         2",
        "in no part     1  20.0%         1",
    ]
    assert (report["test"].rows, report.share("train")) == (2, 0.4)
    assert "<td>in no part</td><td>1</td><td>20.0%</td>" in report._repr_html_()
    assert SplitReport.from_json(json.loads(json.dumps(report.to_json()))) == report
