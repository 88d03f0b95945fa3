"""What holds for every computed group anybody declares: no look into the future, and increments equal rebuilds."""

from __future__ import annotations

import dataclasses
from datetime import UTC, datetime, timedelta

import narwhals as nw
import polars as pl
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from feature_groups import ratings, user_history
from feature_groups.store import FeatureGroup
from feature_groups.store.derived import made
from feature_groups.store.discovery import discover
from feature_groups.store.engines.polars import PolarsEngine
from feature_groups.store.scope import Scope, touched
from rows_from_contracts import START, rows_of

ENGINE = PolarsEngine()
DERIVED = [g for g in discover("feature_groups") if g.parents and g.event_time]
SOURCED = [g for g in discover("feature_groups") if g.source and g.event_time]
"""A static group's rows hold always: there is no instant to cut them at."""
TICK = timedelta(microseconds=1)
SLOW = [HealthCheck.data_too_large, HealthCheck.too_slow]
quick = settings(max_examples=25, deadline=None, derandomize=True, database=None, suppress_health_check=SLOW)


def lazy(rows: pl.DataFrame) -> nw.LazyFrame[pl.LazyFrame]:
    return nw.from_native(rows.lazy())


def compute(group: FeatureGroup, parents: list[pl.DataFrame], scope: Scope | None = None) -> pl.DataFrame:
    rows = ENGINE.collect(made(ENGINE, group, [lazy(p) for p in parents], scope))
    return rows.sort(list(group.key))


def parents_of(group: FeatureGroup, data: st.DataObject) -> list[pl.DataFrame]:
    return [data.draw(rows_of(p)) for p in group.parents]


def leaks(group: FeatureGroup, parents: list[pl.DataFrame], instant: object) -> bool:
    """Whether rows at or before the instant change when rows of the parents after it are taken away.

    A window ends before its instant, so what is made of windows must not depend on events at the instant either.
    """
    known = []
    for parent, rows in zip(group.parents, parents, strict=True):
        time = pl.col(parent.event_time or "")
        then = time < instant if group.aggregations else time <= instant
        known.append(rows.filter(then) if parent.event_time else rows)
    assert group.event_time is not None
    past = pl.col(group.event_time) <= instant
    return not compute(group, parents).filter(past).equals(compute(group, known).filter(past))


@pytest.mark.parametrize("group", DERIVED, ids=str)
@quick
@given(data=st.data(), seconds=st.integers(0, 40 * 86_400))
def test_what_was_known_at_an_instant_never_changes_by_what_comes_later(
    group: FeatureGroup, data: st.DataObject, seconds: int
) -> None:
    assert not leaks(group, parents_of(group, data), START + timedelta(seconds=seconds))


def test_a_planted_leak_is_found() -> None:
    def peeks(rated: nw.LazyFrame) -> nw.LazyFrame:
        known_at = nw.col("rated_at").alias("known_at")
        total = nw.col("rating").sum().over("user_id").alias("rating")
        return rated.select("user_id", known_at, "source_row_id", "movie_id", total, nw.lit(0).alias("gap"))

    peeking = dataclasses.replace(user_history.v1, transform=peeks)
    schema = ratings.v1.spec.polars_schema  # type: ignore[union-attr]  # there is one
    rows = pl.DataFrame([(1, 1, START, 3, 0), (1, 2, START + TICK * 10, 4, 1)], schema=schema, orient="row")

    assert leaks(peeking, [rows], START + TICK * 5)
    assert not leaks(user_history.v1, [rows], START + TICK * 5)


def source_leaks(group: FeatureGroup, raw: pl.DataFrame, instant: object) -> bool:
    """Whether rows at or before the instant change when the raw rows of later instants are taken away.

    Raw rows have no declared time: theirs is the one the transform gives to a row that is alone.
    """
    assert group.event_time is not None
    past = pl.col(group.event_time) <= instant
    known = [not compute(group, [raw[i]]).filter(~past).height for i in range(raw.height)]
    return not same(compute(group, [raw]).filter(past), compute(group, [raw.filter(known)]).filter(past))


def same(one: pl.DataFrame, other: pl.DataFrame) -> bool:
    return one.sort(pl.all()).equals(other.sort(pl.all()))


@pytest.mark.parametrize("group", SOURCED, ids=str)
@quick
@given(data=st.data())
def test_raw_rows_that_come_later_never_change_what_was_made(group: FeatureGroup, data: st.DataObject) -> None:
    assert group.source is not None
    raw = data.draw(rows_of(group.source))
    times = compute(group, [raw])[group.event_time].to_list()
    assert not source_leaks(group, raw, data.draw(st.sampled_from(sorted(times))))


def test_a_planted_leak_from_the_raw_rows_is_found() -> None:
    def peeks(raw: nw.LazyFrame) -> nw.LazyFrame:
        return ratings.transform(raw).with_columns(nw.col("rating").max().over("user_id"))

    peeking = dataclasses.replace(ratings.v1, transform=peeks)
    schema = ratings.v1.source.spec.polars_schema  # type: ignore[union-attr]  # there is one
    raw = pl.DataFrame([(1, 1, 3, 10**9, 0), (1, 2, 5, 10**9 + 1, 1)], schema=schema, orient="row")
    first = datetime.fromtimestamp(10**9, tz=UTC)

    assert source_leaks(peeking, raw, first)
    assert not source_leaks(ratings.v1, raw, first)


@pytest.mark.parametrize("group", [g for g in DERIVED if g.local], ids=str)
@quick
@given(data=st.data())
def test_making_anew_what_changes_touch_equals_a_rebuild(
    group: FeatureGroup, tmp_path_factory: pytest.TempPathFactory, data: st.DataObject
) -> None:
    first, *rest = group.parents
    was, now = data.draw(rows_of(first)), data.draw(rows_of(first))
    others = [data.draw(rows_of(p)) for p in rest]
    changed = pl.concat([was.join(now, on=was.columns, how="anti"), now.join(was, on=was.columns, how="anti")])
    folder = tmp_path_factory.mktemp("scope")
    scope = touched(lazy(changed), group, first.event_time, ENGINE, lambda: folder)

    old = compute(group, [was, *others])
    gone = ENGINE.collect(scope.keep(lazy(old), group, ENGINE))
    anew = compute(group, [now, *others], scope)

    kept = old.join(gone, on=list(group.key), how="anti")
    assert pl.concat([kept, anew]).sort(list(group.key)).equals(compute(group, [now, *others]))
