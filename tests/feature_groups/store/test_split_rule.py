"""A split rule is a value: stored, compared, printed, and refused when it cannot be kept."""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from datetime import UTC, datetime, timedelta, timezone

import pandas as pd
import polars as pl
import pytest
from polars.testing import assert_series_equal

from feature_groups.store import EntityTimeSplit, HashSplit, KFold, TimeSplit
from feature_groups.store.errors import EmptyBatch, SplitRefused
from feature_groups.store.split_rule import Split
from split_rules import RULES, SPINE, START, TEST, TIMES, US, split


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: type(rule).__name__)
def test_a_rule_is_a_value_that_survives_json(rule: Split) -> None:
    again = Split.from_json(json.loads(json.dumps(rule.to_json())))
    assert (again, hash(again), repr(again)) == (rule, hash(rule), repr(rule))
    assert split(again, SPINE).to_list() == split(rule, SPINE).to_list()
    assert len({*RULES, again}) == len(RULES)


def test_a_rule_reads_as_it_is_written() -> None:
    assert repr(RULES[4]) == (
        "EntityTimeSplit(entities=HashSplit(train=0.5, validation=0.25, test=0.25), times=TimeSplit(test_from="
        "2001-08-23T00:00:00+00:00, validation_from=2000-10-27T00:00:00+00:00, until=2002-06-19T00:00:00+00:00, "
        "embargo=7d))"
    )


def test_equal_instants_make_equal_rules() -> None:
    berlin = timezone(timedelta(hours=1))
    rule = TimeSplit(test_from=TEST, embargo=timedelta(days=2))
    assert rule == TimeSplit(test_from=TEST.astimezone(berlin), embargo=timedelta(hours=48))
    from_pandas = TimeSplit(test_from=pd.Timestamp(TEST), embargo=pd.Timedelta(days=2))
    assert (from_pandas, from_pandas.to_json()) == (rule, rule.to_json())


def test_a_rule_says_what_it_reads() -> None:
    read = [rule.reads(["user_id"], "t") for rule in RULES]
    assert read[:4] == [("user_id",), ("town", "user_id"), ("t",), ("t",)]
    assert read[4:] == [("user_id", "t"), ("user_id",), ("user_id", "minor")]
    for rule, columns in zip(RULES, read, strict=True):
        assert_series_equal(split(rule, SPINE.select(columns)), split(rule, SPINE))


NAIVE = datetime(2001, 1, 1)
EARLIEST = datetime.min.replace(tzinfo=timezone(timedelta(hours=2)))


@pytest.mark.parametrize(
    ("declare", "said"),
    [
        (lambda: HashSplit(0.7), "0.7 + 0.1 + 0.1 sum to 0.9, not 1"),
        (lambda: HashSplit(1.1, -0.1, 0), "The share train is 1.1"),
        (lambda: HashSplit(0.9, -0.1, 0.2), "The share validation is -0.1"),
        (lambda: HashSplit(math.nan), "The share train is nan"),
        (lambda: HashSplit(True, 0, 0), "The share train is True"),
        (lambda: HashSplit(0, 0.5, 0.5), "Nothing is left to train on"),
        (lambda: HashSplit(by="user_id"), "give a list such as by="),
        (lambda: HashSplit(by=["a", "a"]), "a column is named twice"),
        (lambda: TimeSplit(test_from=NAIVE), "give a datetime with a time zone"),
        # Wrong on purpose.
        (lambda: TimeSplit(test_from=TEST, until="2001"), "until is '2001'"),  # type: ignore[arg-type]
        (lambda: TimeSplit(test_from=EARLIEST), "give an instant that exists in UTC"),
        (lambda: TimeSplit(test_from=TEST, embargo=-US), "use a timedelta of 0 or more"),
        (lambda: TimeSplit(test_from=TEST, embargo=timedelta.max), "no time is left to train on"),
        (lambda: TimeSplit(test_from=TEST, until=TEST), "is not after test_from"),
        (lambda: TimeSplit(test_from=TEST, validation_from=TEST), "no time is left"),
        (lambda: TimeSplit(test_from=TEST, validation_from=TEST - US, embargo=US), "no time is left"),
        (lambda: EntityTimeSplit(HashSplit(), TimeSplit(test_from=TEST)), "make them agree"),
        # Wrong on purpose.
        (lambda: EntityTimeSplit(HashSplit(), TEST), "write EntityTimeSplit(HashSplit"),  # type: ignore[arg-type]
        (lambda: KFold(1), "k is 1"),
        (lambda: KFold(2.0), "k is 2.0"),  # type: ignore[arg-type]  # wrong on purpose
        (lambda: KFold(stratify=["minor"]), "name one column"),  # type: ignore[arg-type]  # wrong on purpose
        (lambda: Split.from_json({"kind": "hsh"}), "Did you mean 'hash'?"),
        (lambda: Split.from_json({"kind": "hash", "trian": 1}), "unexpected keyword argument 'trian'"),
        (lambda: Split.from_json({"kind": "time", "test_from": "soon", "embargo": 0}), "soon"),
        (lambda: Split.from_json({"kind": "time"}), "embargo"),
    ],
)
def test_a_rule_that_means_nothing_is_refused(declare: Callable[[], Split], said: str) -> None:
    with pytest.raises(SplitRefused) as refused:
        declare()
    assert said in str(refused.value)


def with_(**columns: object) -> pl.DataFrame:
    return SPINE.with_columns(**columns)  # type: ignore[arg-type]  # polars takes a dict of types


LATE = TimeSplit(test_from=datetime(2024, 1, 1, tzinfo=UTC))
HALVES = HashSplit(0.5, 0, 0.5)


@pytest.mark.parametrize(
    ("rule", "frame", "said"),
    [
        (HashSplit(by=["usr_id"]), SPINE, "There is no column 'usr_id'. Did you mean 'user_id'?"),
        (HashSplit(by=["row", "x"]), with_(x=1.5), "Column 'x' is float64"),
        (HashSplit(by=["x"]), with_(x=pl.concat_list("row")), "Column 'x' is list<int64>"),
        (HashSplit(by=["x"]), with_(x=pl.col("town").cast(pl.Categorical)), "Categorical is not storable; use str"),
        (KFold(stratify="x"), with_(x=1.5), "Column 'x' is float64"),
        (KFold(stratify="major"), SPINE, "There is no column 'major'."),
        (TIMES, SPINE.drop("t"), "There is no column 't'."),
        (TIMES, with_(t=pl.col("t").dt.replace_time_zone(None)), "a timestamp with a time zone"),
        (TIMES, with_(t=pl.col("t").dt.date()), "Column 't' is Date"),
        (HALVES, with_(user_id=pl.col("user_id").replace(3, None)), " of 500 rows have no user_id."),
        (TIMES, with_(t=pl.when(pl.col("row") > 1).then("t")), "2 of 500 rows have no t."),
        (KFold(stratify="x"), with_(x=pl.when(pl.col("row") > 1).then("minor")), "2 of 500 rows have no x."),
        (HashSplit(0.98, 0.01, 0.01), SPINE.head(9), "different values of user_id are too few for the share 0.01"),
        (LATE, SPINE, "The test part has no rows: it takes rows from 2024-01-01T00:00:00+00:00, and the rows lie"),
        (TimeSplit(test_from=START), SPINE, "The train part has no rows: it takes rows before 2000-01-01T00:00"),
        (EntityTimeSplit(HALVES, TimeSplit(test_from=TEST)), SPINE.head(1), "part has no rows: 0 rows are of its"),
        (KFold(5), SPINE.filter(pl.col("user_id") < 3), "Only 3 entities for 5 folds."),
        (KFold(50, "minor"), SPINE, "Only 9 entities of minor = True for 50 folds.\n  Next: choose k=9 at most"),
        (KFold(2, "row"), SPINE, "Only 1 entity of row ="),
    ],
)
def test_a_frame_that_cannot_be_split_is_refused(rule: Split, frame: pl.DataFrame, said: str) -> None:
    with pytest.raises(SplitRefused) as refused:
        split(rule, frame)
    assert said in str(refused.value)


def test_an_empty_frame_a_missing_entity_and_a_bad_seed_are_refused() -> None:
    with pytest.raises(EmptyBatch):
        split(HALVES, SPINE.head(0))
    with pytest.raises(SplitRefused, match="There is no entity"):
        HALVES.validate(SPINE.schema, [], "t")
    for seed in (-1, 2**64, True, 1.0):
        with pytest.raises(SplitRefused, match="The seed is"):
            split(HALVES, SPINE, seed)  # type: ignore[arg-type]  # wrong on purpose
