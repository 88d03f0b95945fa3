from __future__ import annotations

import dataclasses
from collections.abc import Callable
from pathlib import Path

import polars as pl
import pytest

from feature_groups.sources import movielens
from feature_groups.sources.generator import generate
from feature_groups.sources.generator_deliveries import deliver
from feature_groups.sources.movielens_files import read_movies, read_users, write_movies, write_users
from feature_groups.store import FeatureStore, Source
from feature_groups.store.errors import AlluviaError, ContractViolated, SourceDamaged, SourceMissing
from feature_groups.store.materialize import read_source
from feature_groups.store.source import file_hash

EVENTS = 1_000


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A first delivery."""
    folder = tmp_path_factory.mktemp("delivery")
    generate(folder, events=EVENTS)
    return folder


@pytest.fixture
def read(light_store: FeatureStore) -> Callable[..., pl.DataFrame]:
    """Reads a source of a folder, as a step does."""

    def rows(source: Source, folder: Path, previous: int | None = None) -> pl.DataFrame:
        return light_store.shop.polars.collect(read_source(light_store, source, folder, previous).frame)

    return rows


@pytest.mark.parametrize("source", [movielens.ratings, movielens.users, movielens.movies], ids=lambda s: s.name)
def test_a_good_delivery_is_read_whole(source: Source, made: Path, read: Callable[..., pl.DataFrame]) -> None:
    lines = (made / source.path).read_bytes().count(b"\n")
    rows = read(source, made, previous=lines)

    assert rows.height == lines
    assert rows.columns == source.spec.names


@pytest.mark.parametrize(
    ("kind", "error", "said"),
    [
        ("milliseconds", ContractViolated, "1,000 of 1,000 rows break timestamp less_than(4102444800)"),
        ("cut_in_half", SourceDamaged, "It was cut: line"),
    ],
)
def test_a_bad_delivery_of_ratings_is_refused(
    kind: str, error: type[AlluviaError], said: str, made: Path, tmp_path: Path, read: Callable[..., pl.DataFrame]
) -> None:
    deliver(made, tmp_path / "ratings.dat", kind)

    with pytest.raises(error) as caught:
        read(movielens.ratings, tmp_path)
    assert said in caught.value.what
    assert str(tmp_path / "ratings.dat") in caught.value.where


def cut(made: Path, folder: Path, kept: int) -> None:
    """The first lines only: a cut between two lines, which no file tells."""
    lines = (made / "ratings.dat").read_bytes().splitlines(keepends=True)
    (folder / "ratings.dat").write_bytes(b"".join(lines[:kept]))


def test_a_delivery_cut_between_two_lines_is_known_by_the_one_before(
    made: Path, tmp_path: Path, read: Callable[..., pl.DataFrame]
) -> None:
    cut(made, tmp_path, EVENTS - 1)

    assert read(movielens.ratings, tmp_path).height == EVENTS - 1
    with pytest.raises(SourceDamaged, match=r"It has 999 rows; the delivery before had 1,000\.") as caught:
        read(movielens.ratings, tmp_path, previous=EVENTS)
    assert "declare max_shrink on the source 'movielens_ratings'" in caught.value.next_step


@pytest.mark.parametrize(("kept", "accepted"), [(900, True), (899, False)])
def test_a_source_that_may_shrink_may_shrink_so_far(
    kept: int, accepted: bool, made: Path, tmp_path: Path, read: Callable[..., pl.DataFrame]
) -> None:
    shrinking = dataclasses.replace(movielens.ratings, max_shrink=0.1)
    cut(made, tmp_path, kept)

    if accepted:
        assert read(shrinking, tmp_path, previous=EVENTS).height == kept
    else:
        with pytest.raises(SourceDamaged):
            read(shrinking, tmp_path, previous=EVENTS)


def test_an_age_that_is_no_band_is_refused_and_not_shown(
    made: Path, tmp_path: Path, read: Callable[..., pl.DataFrame]
) -> None:
    users = read_users(made / "users.dat")
    write_users(users.with_columns(age=pl.lit(77, pl.Int64())), tmp_path / "users.dat")

    with pytest.raises(ContractViolated) as caught:
        read(movielens.users, tmp_path)
    assert f"{users.height} of {users.height} rows break age isin" in caught.value.what
    assert "77" not in caught.value.what


def test_a_film_without_a_year_is_refused(made: Path, tmp_path: Path, read: Callable[..., pl.DataFrame]) -> None:
    movies = read_movies(made / "movies.dat")
    first = pl.int_range(pl.len()) == 0
    bare = pl.when(first).then(pl.lit("Toy Story")).otherwise("title")
    write_movies(movies.with_columns(title=bare), tmp_path / "movies.dat")

    with pytest.raises(ContractViolated, match=r"1 of \d+ rows break title str_matches.*'Toy Story'"):
        read(movielens.movies, tmp_path)


def test_a_missing_file_is_told_with_what_is_there(tmp_path: Path, read: Callable[..., pl.DataFrame]) -> None:
    (tmp_path / "rating.dat").touch()
    with pytest.raises(SourceMissing, match=r"ratings\.dat'\. Did you mean 'rating\.dat'\?"):
        read(movielens.ratings, tmp_path)
    (tmp_path / "ratings.dat").mkdir()
    with pytest.raises(SourceMissing, match=r"ratings\.dat' is no file\."):
        read(movielens.ratings, tmp_path)
    with pytest.raises(SourceMissing, match="There is no folder"):
        read(movielens.ratings, tmp_path / "nowhere")


def test_a_file_is_known_by_its_content(made: Path, tmp_path: Path) -> None:
    copy = tmp_path / "copy.dat"
    copy.write_bytes((made / "ratings.dat").read_bytes())
    assert file_hash(copy) == file_hash(made / "ratings.dat")
    copy.write_bytes(copy.read_bytes().replace(b"::5::", b"::4::", 1))
    assert file_hash(copy) != file_hash(made / "ratings.dat")


def test_every_raw_column_says_what_it_is() -> None:
    for source in (movielens.ratings, movielens.users, movielens.movies):
        assert source.description
        assert [column.name for column in source.spec.columns if not column.description] == []
