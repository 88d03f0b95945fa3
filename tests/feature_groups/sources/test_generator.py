from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from polars.testing import assert_frame_equal

from feature_groups.sources.generator import END, FILES, START, Truth, generate
from feature_groups.sources.generator_deliveries import KINDS, deliver
from feature_groups.sources.generator_world import GENRES
from feature_groups.sources.movielens_files import file_hash, read_movies, read_ratings, read_users
from feature_groups.store.errors import InvalidDeclaration, SourceDamaged, SourceMissing

Made = tuple[Path, Truth]


@pytest.fixture(scope="module")
def large(tmp_path_factory: pytest.TempPathFactory) -> Made:
    folder = tmp_path_factory.mktemp("large")
    return folder, generate(folder, events=200_000, users=6_000, movies=1_500, seed=1)


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory) -> Made:
    folder = tmp_path_factory.mktemp("small")
    return folder, generate(folder, events=2_000)


def hashes(folder: Path) -> dict[str, str]:
    return {name: file_hash(folder / name) for name in FILES}


def in_time(folder: Path) -> pl.DataFrame:
    ratings = read_ratings(folder / "ratings.dat").sort("user_id", "timestamp", "source_row_id")
    return ratings.with_columns(gap=pl.col("timestamp").diff().over("user_id"))


def auc(label: np.ndarray, score: np.ndarray) -> float:
    """Area under the ROC curve by rank sums; scores are continuous, so ties do not matter."""
    rank = np.argsort(np.argsort(score)) + 1
    positives = label.sum()
    return (rank[label].sum() - positives * (positives + 1) / 2) / positives / (len(label) - positives)


def test_equal_arguments_give_equal_bytes_and_another_seed_others(tmp_path: Path, small: Made) -> None:
    folder, truth = small
    again = generate(tmp_path, events=2_000)
    assert hashes(tmp_path) == hashes(folder) == truth.sha256
    assert_frame_equal(again.users, truth.users)
    assert_frame_equal(again.films, truth.films)
    np.testing.assert_array_equal(again.taste, truth.taste)
    other = generate(tmp_path, events=2_000, seed=1)
    assert not set(other.sha256.values()) & set(truth.sha256.values())


def test_a_folder_that_holds_the_same_data_is_left_alone(tmp_path: Path) -> None:
    first = generate(tmp_path, events=1_000)
    before = {path.name: path.stat().st_mtime_ns for path in tmp_path.iterdir()}
    second = generate(tmp_path, events=1_000)
    assert {path.name: path.stat().st_mtime_ns for path in tmp_path.iterdir()} == before
    assert second.sha256 == first.sha256
    assert json.loads((tmp_path / "generator.json").read_text())["sha256"] == first.sha256


SPOILERS = {
    "arguments": lambda folder: generate(folder, events=1_001),
    "file": lambda folder: (folder / "users.dat").write_bytes(b"1::F::1::10::48067\n"),
    "absent": lambda folder: (folder / "movies.dat").unlink(),
    "manifest": lambda folder: (folder / "generator.json").write_text("[]"),
}


@pytest.mark.parametrize("spoil", SPOILERS)
def test_a_folder_that_differs_is_made_anew(tmp_path: Path, spoil: str) -> None:
    wanted = generate(tmp_path, events=1_000).sha256
    SPOILERS[spoil](tmp_path)
    assert generate(tmp_path, events=1_000).sha256 == wanted
    assert hashes(tmp_path) == wanted


@pytest.mark.parametrize("events", [1, 7, 1_000, 20_000])
def test_every_scale_gives_that_many_events_of_known_users_and_films(tmp_path: Path, events: int) -> None:
    truth = generate(tmp_path, events=events)
    ratings = read_ratings(tmp_path / "ratings.dat")
    assert ratings.height == events == truth.users["events"].sum()
    assert not ratings.select("user_id", "movie_id").is_duplicated().any()
    assert ratings.join(read_users(tmp_path / "users.dat"), on="user_id", how="anti").is_empty()
    assert ratings.join(read_movies(tmp_path / "movies.dat"), on="movie_id", how="anti").is_empty()
    assert ratings["rating"].is_between(1, 5).all()
    assert ratings["timestamp"].is_between(START.timestamp(), END.timestamp(), closed="left").all()


def test_files_look_like_the_original(large: Made) -> None:
    folder, _ = large
    users, movies = read_users(folder / "users.dat"), read_movies(folder / "movies.dat")
    assert set(users["age"]) == {1, 18, 25, 35, 45, 50, 56}
    assert set(users["gender"]) == {"M", "F"}
    assert users["zip_code"].str.contains(r"^\d{5}$").all()
    assert movies["title"].is_unique().all()
    assert movies["title"].str.contains(r"^.+ \((19\d\d|2000)\)$").all()
    assert not (folder / "movies.dat").read_bytes().isascii()
    assert set(movies["genres"].str.split("|").explode()) == set(GENRES)
    assert movies["movie_id"].max() > movies.height
    assert large[1].users["events"].min() == 20
    assert large[1].users["events"].quantile(0.99) > 3 * large[1].users["events"].median()


def test_half_of_the_rows_share_their_second_and_go_back_in_the_file(large: Made) -> None:
    folder, _ = large
    assert (in_time(folder)["gap"] == 0).mean() == pytest.approx(0.53, abs=0.08)
    assert (read_ratings(folder / "ratings.dat")["timestamp"].diff() < 0).mean() == pytest.approx(0.48, abs=0.08)


def test_most_users_come_once_and_a_quarter_returns(large: Made) -> None:
    folder, _ = large
    span = (
        in_time(folder).group_by("user_id").agg(days=(pl.col("timestamp").max() - pl.col("timestamp").min()) / 86_400)
    )
    assert span["days"].median() < 1
    assert (span["days"] > 30).mean() == pytest.approx(0.23, abs=0.04)
    late = read_ratings(folder / "ratings.dat").filter(
        pl.col("timestamp") >= datetime(2001, 1, 1, tzinfo=UTC).timestamp()
    )
    assert 0.05 < late.height / 200_000 < 0.20


def test_the_share_of_minors_is_the_one_asked_for(tmp_path: Path, large: Made) -> None:
    assert large[1].users["is_under_18"].sum() == round(0.037 * 6_000)
    assert (read_users(large[0] / "users.dat")["age"] == 1).sum() == 222
    more = generate(tmp_path, events=200_000, users=6_000, movies=1_500, seed=1, minors_share=0.12)
    assert more.users["is_under_18"].sum() == 720
    assert more.sha256["movies.dat"] == large[1].sha256["movies.dat"]


def test_code_10_betrays_minors_as_in_the_original(tmp_path: Path) -> None:
    generate(tmp_path, events=60_000, users=30_000, movies=200)
    users = read_users(tmp_path / "users.dat")
    minor, student = users["age"] == 1, users["occupation"] == 10
    assert (minor & student).sum() / student.sum() == pytest.approx(0.84, abs=0.05)
    assert (minor & student).sum() / minor.sum() == pytest.approx(0.73, abs=0.05)


def test_popularity_is_zipf_with_a_cutoff_and_ratings_follow_quality(large: Made) -> None:
    folder, truth = large
    counts = read_ratings(folder / "ratings.dat")["movie_id"].value_counts()["count"].sort(descending=True).to_numpy()
    rank = np.arange(1, 301)
    slope = np.polyfit(np.log(rank[9:]), np.log(counts[9:300]), 1)[0]
    assert -1.0 < slope < -0.4
    assert counts[len(counts) // 2 :].sum() / counts.sum() < 0.12
    films = read_ratings(folder / "ratings.dat").group_by("movie_id").agg(pl.len(), pl.col("rating").mean())
    films = films.join(truth.films, on="movie_id").filter(pl.col("len") >= 30)
    assert films.select(pl.corr("len", "weight", method="spearman")).item() > 0.9
    assert films.select(pl.corr("rating", "quality")).item() > 0.85


def test_the_oracle_knows_minors_well_but_not_perfectly_and_is_calibrated(large: Made) -> None:
    users = large[1].users
    assert auc(users["is_under_18"].to_numpy(), users["p_under_18"].to_numpy()) == pytest.approx(0.94, abs=0.03)
    assert users["p_under_18"].mean() == pytest.approx(0.037, abs=0.006)


def test_behaviour_alone_tells_minors_nearly_as_well_as_the_oracle(large: Made) -> None:
    folder, truth = large
    events = read_ratings(folder / "ratings.dat").join(truth.films, on="movie_id")
    seen = np.zeros(truth.taste.shape)
    np.add.at(seen, (events["user_id"].to_numpy() - 1, events["cluster"].to_numpy()), 1)
    share = (seen + 0.5) / (seen + 0.5).sum(axis=1, keepdims=True)
    minor, half = truth.users["is_under_18"].to_numpy(), np.arange(len(share)) % 2 == 0
    # Naive Bayes on shares, fitted on one half of the users and judged on the other.
    pull = np.log(share[half & minor].mean(axis=0) / share[half & ~minor].mean(axis=0))
    score = (seen @ pull) / np.sqrt(seen.sum(axis=1) + 20)
    found = auc(minor[~half], score[~half])
    assert 0.78 < found < auc(minor, truth.users["p_under_18"].to_numpy())


def genre_shares(folder: Path, since: float) -> np.ndarray:
    rows = read_ratings(folder / "ratings.dat").filter(pl.col("timestamp") >= since)
    genres = rows.join(read_movies(folder / "movies.dat"), on="movie_id")["genres"].str.split("|").explode()
    return np.array([(genres == genre).mean() for genre in GENRES])


def next_film(folder: Path, films: pl.DataFrame, column: str, start: float, end: float) -> float:
    """How often the next row of a user in another second has the same value of `column`, against chance."""
    rows = in_time(folder).join(films, on="movie_id", how="left", maintain_order="left")
    rows = rows.with_columns(before=pl.col(column).shift(1).over("user_id"))
    rows = rows.filter(pl.col("timestamp").is_between(start, end), pl.col("gap") > 0)
    chance = (rows[column].value_counts(normalize=True)["proportion"] ** 2).sum()
    return float((rows[column] == rows["before"]).mean()) / chance


def test_the_films_before_tell_the_next_one(large: Made) -> None:
    assert next_film(large[0], large[1].films, "cluster", 0, 1e10) > 5


def test_after_a_taste_shift_genres_are_as_before_and_neighbours_are_not(tmp_path: Path) -> None:
    cut = datetime(2000, 9, 1, tzinfo=UTC)
    truth = generate(tmp_path / "shift", events=100_000, users=1_500, movies=1_000, taste_shift=cut)
    calm = generate(tmp_path / "calm", events=100_000, users=1_500, movies=1_000)
    assert truth.sha256["movies.dat"] == calm.sha256["movies.dat"]
    instant = cut.timestamp()
    old, new = (next_film(tmp_path / "shift", truth.films, c, instant, 1e10) for c in ("cluster", "cluster_after"))
    assert old < 0.6 * new
    assert next_film(tmp_path / "shift", truth.films, "cluster", 0, instant - 1) > 0.8 * new
    assert np.abs(genre_shares(tmp_path / "calm", instant) - genre_shares(tmp_path / "shift", instant)).max() < 0.015


def test_titles_tell_the_cluster_only_when_planted(tmp_path: Path) -> None:
    shares = {}
    for signal in (0.0, 0.7):
        truth = generate(tmp_path, events=2_000, users=100, movies=1_500, title_signal=signal)
        films = read_movies(tmp_path / "movies.dat").join(truth.films, on="movie_id")
        commonest = pl.col("cluster").mode().min().over(pl.col("title").str.split(" ").list.first())
        shares[signal] = films.select((pl.col("cluster") == commonest).mean()).item()
        assert truth.films["title_tells"].mean() == pytest.approx(signal, abs=0.05)
    assert shares[0.7] > 0.6
    assert shares[0.0] < 0.4


def test_a_short_timeline_holds_every_event(tmp_path: Path) -> None:
    start, end = datetime(2001, 5, 1, tzinfo=UTC), datetime(2001, 5, 4, tzinfo=UTC)
    generate(tmp_path, events=5_000, start=start, end=end)
    times = read_ratings(tmp_path / "ratings.dat")["timestamp"]
    assert start.timestamp() <= times.min() <= times.max() < end.timestamp()


@pytest.mark.parametrize(
    ("arguments", "why"),
    [
        ({"events": 10, "users": 11}, "at least one event per user"),
        ({"events": 1_000, "users": 1, "movies": 100}, "60 % of all films"),
        ({"minors_share": 1.5}, "are shares"),
        ({"seed": -1}, "seed is negative"),
        ({"start": END, "end": START}, "timeline is empty"),
        ({"start": datetime(2001, 1, 1)}, "start has no time zone"),
    ],
)
def test_arguments_that_contradict_each_other_are_refused(tmp_path: Path, arguments: dict, why: str) -> None:
    with pytest.raises(InvalidDeclaration, match=why):
        generate(tmp_path, **arguments)
    assert not list(tmp_path.iterdir())


@pytest.fixture
def delivered(tmp_path: Path, small: Made):
    base = read_ratings(small[0] / "ratings.dat").drop("source_row_id")

    def make(kind: str) -> tuple[pl.DataFrame, pl.DataFrame]:
        return base, read_ratings(deliver(small[0], tmp_path / "ratings.dat", kind, rows=50)).drop("source_row_id")

    return make


def test_extended_appends_one_more_day_and_redelivered_repeats_earlier_rows_out_of_order(delivered) -> None:
    base, later = delivered("extended")
    assert_frame_equal(later.head(base.height), base)
    added = later.slice(base.height)
    assert added.height == 50
    assert (added["timestamp"] // 86_400 == base["timestamp"].max() // 86_400 + 1).all()
    assert not later.select("user_id", "movie_id").is_duplicated().any()
    base, later = delivered("redelivered")
    assert_frame_equal(later.head(base.height), base)
    again = later.slice(base.height)
    assert again.join(base, on=base.columns, how="anti").is_empty()
    assert again.height == 50
    assert not again["timestamp"].is_sorted()


def test_other_deliveries_change_one_column_each(delivered, small) -> None:
    base, later = delivered("corrected")
    assert_frame_equal(later.drop("rating"), base.drop("rating"))
    assert (later["rating"] != base["rating"]).sum() == 50
    assert later["rating"].is_between(1, 5).all()
    base, later = delivered("milliseconds")
    assert_frame_equal(later, base.with_columns(pl.col("timestamp") * 1_000))
    base, later = delivered("out_of_range")
    assert_frame_equal(later, base.with_columns(pl.col("rating") * 2))
    base, later = delivered("unknown_films")
    assert_frame_equal(later.drop("movie_id"), base.drop("movie_id"))
    assert later.join(read_movies(small[0] / "movies.dat"), on="movie_id", how="anti").height == 50


@pytest.mark.parametrize("kind", [*KINDS, "cut_in_half"])
def test_a_delivery_is_the_same_each_time(tmp_path: Path, small: Made, kind: str) -> None:
    first, second = (deliver(small[0], tmp_path / name, kind) for name in ("a.dat", "b.dat"))
    assert file_hash(first) == file_hash(second)
    assert file_hash(first) != small[1].sha256["ratings.dat"]


def test_a_cut_an_unknown_delivery_and_an_empty_folder_are_refused(tmp_path: Path, small: Made) -> None:
    with pytest.raises(SourceDamaged, match="It was cut"):
        read_ratings(deliver(small[0], tmp_path / "ratings.dat", "cut_in_half"))
    with pytest.raises(InvalidDeclaration, match="Did you mean 'milliseconds'"):
        deliver(small[0], tmp_path / "ratings.dat", "millisecond")
    with pytest.raises(SourceMissing):
        deliver(tmp_path / "absent", tmp_path / "out.dat", "extended")
