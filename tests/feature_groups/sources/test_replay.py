from __future__ import annotations

import itertools
from datetime import UTC, datetime
from pathlib import Path

import polars as pl
import pytest

from feature_groups.sources.generator_year import CHANGE, END, START, generate_year
from feature_groups.sources.movielens_files import read_movies, read_ratings, read_users
from feature_groups.sources.replay import Replay
from feature_groups.store.errors import InvalidDeclaration, SourceMissing


@pytest.fixture(scope="module")
def year(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("year")
    generate_year(folder, events=12_000, users=400)
    return folder


def test_each_delivery_holds_what_was_known_at_a_months_end_and_keeps_the_rows_before_it(
    year: Path, tmp_path: Path
) -> None:
    replay, before = Replay(year), pl.DataFrame()
    for month in replay.months:
        replay.deliver(month, tmp_path)
        rows = read_ratings(tmp_path / "ratings.dat")
        assert rows.height == month.rows == before.height + month.new
        assert rows.head(before.height).equals(before) or before.is_empty()
        fresh = rows.tail(month.new)["timestamp"]
        assert fresh.min() >= month.start.timestamp()
        assert fresh.max() < month.end.timestamp()
        assert set(read_users(tmp_path / "users.dat")["user_id"]) == set(rows["user_id"])
        before = rows
    assert (
        before.select(pl.exclude("source_row_id"))
        .sort(pl.all())
        .equals(read_ratings(year / "ratings.dat").select(pl.exclude("source_row_id")).sort(pl.all()))
    )
    assert read_movies(tmp_path / "movies.dat").equals(read_movies(year / "movies.dat"))


def test_a_year_has_twelve_months_from_its_first_event_on(year: Path) -> None:
    months = Replay(year).months
    assert [month.number for month in months] == list(range(1, 13))
    assert (months[0].start, months[-1].end) == (START, END)
    assert all(a.end == b.start for a, b in itertools.pairwise(months))
    assert all(month.new for month in months)


def test_minors_join_more_often_after_the_change(year: Path) -> None:
    minors = read_users(year / "users.dat").filter(pl.col("age") == 1)["user_id"].implode()
    joined = read_ratings(year / "ratings.dat").group_by("user_id").agg(pl.col("timestamp").min())
    late = pl.col("timestamp") >= CHANGE.timestamp()
    before, after = (joined.filter(when)["user_id"].is_in(minors).mean() for when in (~late, late))
    assert 0.03 < before < 0.10
    assert after > 2 * before


def test_the_same_year_is_the_same_bytes(year: Path, tmp_path: Path) -> None:
    generate_year(tmp_path, events=12_000, users=400)
    for name in ("ratings.dat", "users.dat", "movies.dat"):
        assert (tmp_path / name).read_bytes() == (year / name).read_bytes()


def test_what_cannot_be_replayed_is_refused(year: Path, tmp_path: Path) -> None:
    with pytest.raises(InvalidDeclaration, match="0 months"):
        Replay(year, 0)
    with pytest.raises(SourceMissing):
        Replay(tmp_path)


def test_a_month_later_may_be_in_another_year(year: Path) -> None:
    assert Replay(year, 14).months[-1].end == datetime(2003, 3, 1, tzinfo=UTC)
