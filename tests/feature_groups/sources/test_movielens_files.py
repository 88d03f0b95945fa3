from __future__ import annotations

import re
import shutil
import subprocess
import tracemalloc
from pathlib import Path

import polars as pl
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from polars.testing import assert_frame_equal

from feature_groups.sources.movielens_blocks import scan_ratings
from feature_groups.sources.movielens_files import (
    file_hash,
    read_movies,
    read_ratings,
    read_users,
    write_movies,
    write_ratings,
    write_users,
)
from feature_groups.store.errors import SourceDamaged, SourceMissing, UnsupportedFrame

REAL = Path(__file__).parents[3].parent / "shared" / "data" / "ml-1m"
RATINGS = b"1::10::5::978300760\n1::11::3::978302109\n2::10::4::978301968\n"
READERS = {"ratings": read_ratings, "users": read_users, "movies": read_movies}

in_tmp = settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
numbers = st.integers(0, 10**18 - 1)
letters = st.characters(min_codepoint=32, max_codepoint=255, exclude_characters=":")
fields = st.text(letters, min_size=1, max_size=12)
titles = st.lists(fields, min_size=1, max_size=3).map(":".join)


def as_utf8(text: str) -> bool:
    """Whether latin-1 bytes of the text could be taken for UTF-8, which reader and writer both refuse."""
    raw = text.encode("latin-1")
    try:
        raw.decode("utf-8")
    except UnicodeDecodeError:
        return False
    return not raw.isascii()


@in_tmp
@given(rows=st.lists(st.tuples(numbers, numbers, numbers, numbers), min_size=1, max_size=30))
def test_ratings_written_are_read_back(tmp_path: Path, rows: list[tuple[int, ...]]) -> None:
    frame = pl.DataFrame(rows, schema=["user_id", "movie_id", "rating", "timestamp"], orient="row")
    write_ratings(frame, tmp_path / "ratings.dat")
    expected = frame.with_columns(source_row_id=pl.int_range(pl.len(), dtype=pl.Int64))
    assert_frame_equal(read_ratings(tmp_path / "ratings.dat"), expected)


@in_tmp
@given(rows=st.lists(st.tuples(numbers, titles, fields), min_size=1, max_size=20))
def test_films_with_latin1_titles_are_read_back(tmp_path: Path, rows: list[tuple[int, str, str]]) -> None:
    frame = pl.DataFrame(rows, schema={"movie_id": pl.Int64, "title": pl.String, "genres": pl.String}, orient="row")
    if as_utf8("\n".join(f"{title}\n{genres}" for _, title, genres in rows)):
        with pytest.raises(UnsupportedFrame, match="taken for UTF-8"):
            write_movies(frame, tmp_path / "movies.dat")
    else:
        write_movies(frame, tmp_path / "movies.dat")
        assert_frame_equal(read_movies(tmp_path / "movies.dat"), frame)


@in_tmp
@given(rows=st.lists(st.tuples(numbers, fields, numbers, numbers, fields), min_size=1, max_size=20))
def test_users_written_are_read_back(tmp_path: Path, rows: list[tuple[int, str, int, int, str]]) -> None:
    columns = {"user_id": pl.Int64, "gender": pl.String, "age": pl.Int64, "occupation": pl.Int64, "zip_code": pl.String}
    frame = pl.DataFrame(rows, schema=columns, orient="row")
    if not as_utf8("\n".join(f"{row[1]}\n{row[4]}" for row in rows)):
        write_users(frame, tmp_path / "users.dat")
        assert_frame_equal(read_users(tmp_path / "users.dat"), frame)


@settings(in_tmp, max_examples=150)
@given(
    place=st.integers(0, len(RATINGS) - 1),
    length=st.integers(0, 3),
    insert=st.lists(st.sampled_from(list(b':\n\r0 9-+."a,\x00\xff')), max_size=3),
)
def test_a_spoiled_file_is_read_only_if_every_line_still_is_a_rating(
    tmp_path: Path, place: int, length: int, insert: list[int]
) -> None:
    raw = RATINGS[:place] + bytes(insert) + RATINGS[place + length :]
    path = tmp_path / "ratings.dat"
    path.write_bytes(raw)
    text = re.sub(rb"\n+\Z", b"\n", raw.replace(b"\r\n", b"\n"))
    lines = text.removesuffix(b"\n").split(b"\n")
    found = [re.fullmatch(rb"([0-9]{1,18})::([0-9]{1,18})::([0-9]{1,18})::([0-9]{1,18})", line) for line in lines]
    if text.endswith(b"\n") and all(found):
        expected = [tuple(map(int, match.groups())) for match in found if match]
        assert read_ratings(path).drop("source_row_id").rows() == expected
        assert_frame_equal(scan_ratings(path, block=30).lazy().collect(), read_ratings(path))
    else:
        with pytest.raises(SourceDamaged) as damage:
            read_ratings(path)
        with pytest.raises(SourceDamaged) as damage_of_blocks:
            scan_ratings(path, block=30).lazy().collect()
        assert str(damage_of_blocks.value) == str(damage.value)


def test_the_row_id_is_the_place_in_the_file(tmp_path: Path) -> None:
    (tmp_path / "ratings.dat").write_bytes(RATINGS)
    assert read_ratings(tmp_path / "ratings.dat")["source_row_id"].to_list() == [0, 1, 2]


def test_a_large_file_is_read_block_by_block(tmp_path: Path) -> None:
    path = tmp_path / "ratings.dat"
    path.write_bytes(RATINGS.replace(b"\n", b"\r\n") * 50 + b"\r\n\r\n")
    whole, scanned = read_ratings(path), scan_ratings(path, block=100)
    assert isinstance(scanned, pl.LazyFrame)
    assert_frame_equal(scanned.collect(), whole)
    assert_frame_equal(scanned.head(40).collect(), whole.head(40))
    some = scanned.filter(pl.col("movie_id") == 11).select("source_row_id").collect()
    assert_frame_equal(some, whole.filter(pl.col("movie_id") == 11).select("source_row_id"))


def test_windows_endings_and_blank_last_lines_are_accepted(tmp_path: Path) -> None:
    (tmp_path / "unix.dat").write_bytes(RATINGS)
    (tmp_path / "windows.dat").write_bytes(RATINGS.replace(b"\n", b"\r\n") + b"\r\n\r\n")
    assert_frame_equal(read_ratings(tmp_path / "unix.dat"), read_ratings(tmp_path / "windows.dat"))


@pytest.mark.parametrize(
    ("kind", "raw", "bad"),
    [
        ("ratings", b"1::10::5::978300760\n\n2::10::4::978301968\n", "1 of 3 lines are not 4 .* line 2"),
        ("ratings", b"1::10::5\n1::10::5::9::9\n", "2 of 2 lines are not 4 .* line 1, 2"),
        ("ratings", b"1::10::4.5::978300760\n", "1 of 1 lines"),
        ("ratings", b"1::10:::978300760\n", "1 of 1 lines"),
        ("ratings", b"-1::10::5::978300760\n", "1 of 1 lines"),
        ("ratings", b"1:7:10::5::978300760\n", "1 of 1 lines"),
        ("ratings", b"9999999999999999999::1::5::978300760\n", "1 of 1 lines"),
        ("ratings", b"1::10::5::9783\n" + b"x\n" * 7, r"7 of 8 lines .* line 2, 3, 4, 5, 6, \.\.\."),
        ("users", b"1::F::1::10::48067\n2::M::x::16::70072\n", "1 of 2 lines are not 5 .* line 2"),
        ("users", b"1::F::1::10\n", "1 of 1 lines"),
        ("movies", b"1::A: B (1995)::Drama\nx::C (1995)::Drama\n", "1 of 2 lines are not 3 .* line 2"),
        ("movies", b"1::A::B (1995)::Drama\n", "1 of 1 lines"),
        ("movies", b"1::A (1995)::\n", "1 of 1 lines"),
    ],
)
def test_a_malformed_line_is_counted_and_located(tmp_path: Path, kind: str, raw: bytes, bad: str) -> None:
    (tmp_path / "file.dat").write_bytes(raw)
    with pytest.raises(SourceDamaged, match=bad) as error:
        READERS[kind](tmp_path / "file.dat")
    assert "file.dat" in error.value.where


def test_an_error_does_not_show_what_a_line_says(tmp_path: Path) -> None:
    (tmp_path / "users.dat").write_bytes(b"1::F::teen::10::48067\n")
    with pytest.raises(SourceDamaged) as error:
        read_users(tmp_path / "users.dat")
    assert "teen" not in str(error.value)
    assert "48067" not in str(error.value)


@pytest.mark.parametrize("kind", READERS)
@pytest.mark.parametrize("raw", [b"", b"\n", b"\r\n\r\n"])
def test_an_empty_file_is_damaged(tmp_path: Path, kind: str, raw: bytes) -> None:
    (tmp_path / "file.dat").write_bytes(raw)
    with pytest.raises(SourceDamaged, match="It is empty"):
        READERS[kind](tmp_path / "file.dat")


@pytest.mark.parametrize("cut", range(1, 20))
def test_a_file_cut_within_its_last_line_is_damaged(tmp_path: Path, cut: int) -> None:
    (tmp_path / "ratings.dat").write_bytes(RATINGS[:-cut])
    with pytest.raises(SourceDamaged, match="It was cut: line 3, its last"):
        read_ratings(tmp_path / "ratings.dat")


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-16-be", "utf-32"])
@pytest.mark.parametrize("kind", READERS)
def test_a_file_turned_into_unicode_is_refused_with_the_command_that_helps(
    tmp_path: Path, kind: str, encoding: str
) -> None:
    text = {"ratings": "1::10::5::9\n", "users": "1::F::1::10::4é\n", "movies": "1::Café (1995)::Drama\n"}[kind] * 40
    whole, path = text.encode("latin-1"), tmp_path / "file.dat"
    path.write_bytes(text.encode(encoding))
    if path.read_bytes() == whole:
        # Ratings are ASCII, which UTF-8 without a mark leaves as it is.
        assert READERS[kind](path).height == 40
        return

    with pytest.raises(SourceDamaged, match=r"It is in UTF-\d+(LE|BE)?, while this format is latin-1") as error:
        READERS[kind](path)

    if shutil.which("iconv"):
        command = error.value.next_step.removeprefix("Convert it: ")
        subprocess.run(command, shell=True, check=True, cwd=tmp_path)
        assert (tmp_path / "file.dat.latin1").read_bytes() == whole


@pytest.mark.parametrize("kind", READERS)
@pytest.mark.parametrize("raw", [b"\0" * 4096, b"\0" * 64 + RATINGS, b"\0"])
def test_a_file_whose_blocks_were_never_written_is_damaged_and_not_taken_for_unicode(
    tmp_path: Path, kind: str, raw: bytes
) -> None:
    (tmp_path / "file.dat").write_bytes(raw)
    with pytest.raises(SourceDamaged, match=r"It was cut|lines are not") as error:
        READERS[kind](tmp_path / "file.dat")
    assert "UTF" not in str(error.value)


def test_a_missing_file_names_the_closest_one(tmp_path: Path) -> None:
    (tmp_path / "ratings.dat").write_bytes(RATINGS)
    with pytest.raises(SourceMissing, match=r"Did you mean 'ratings\.dat'"):
        read_ratings(tmp_path / "rating.dat")
    with pytest.raises(SourceMissing, match="It is a folder"):
        read_ratings(tmp_path)
    with pytest.raises(SourceMissing, match=r"folder .* does not exist"):
        file_hash(tmp_path / "absent" / "ratings.dat")


@pytest.mark.parametrize(
    ("row", "why"),
    [
        ((1, "A::B", "Drama"), "row 0 would not be read back"),
        ((1, "A:", "Drama"), "row 0 would not be read back"),
        ((1, "A\nB", "Drama"), "row 0 would not be read back"),
        ((1, "", "Drama"), "row 0 would not be read back"),
        ((-1, "A", "Drama"), "row 0 would not be read back"),
        ((1, None, "Drama"), "row 0 would not be read back"),
        ((1, "Ł", "Drama"), "must be latin-1"),
    ],
)
def test_what_could_not_be_read_back_is_not_written(tmp_path: Path, row: tuple[int, str, str], why: str) -> None:
    frame = pl.DataFrame([row], schema={"movie_id": pl.Int64, "title": pl.String, "genres": pl.String}, orient="row")
    with pytest.raises(UnsupportedFrame, match=why):
        write_movies(frame, tmp_path / "movies.dat")
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("value", [-1, None, 4.5, "5", 10**18])
def test_ratings_that_are_not_plain_numbers_are_not_written(tmp_path: Path, value: object) -> None:
    frame = pl.DataFrame({"user_id": [1], "movie_id": [1], "rating": [value], "timestamp": [1]})
    with pytest.raises(UnsupportedFrame, match="'rating'"):
        write_ratings(frame, tmp_path / "ratings.dat")
    with pytest.raises(UnsupportedFrame, match="timestamp"):
        write_ratings(frame.drop("timestamp"), tmp_path / "ratings.dat")
    with pytest.raises(UnsupportedFrame, match="there must be a row"):
        write_ratings(frame.clear(), tmp_path / "ratings.dat")
    assert not list(tmp_path.iterdir())


@pytest.mark.skipif(not REAL.is_dir(), reason="the licensed MovieLens-1M files are not at ../shared/data/ml-1m")
@pytest.mark.parametrize(
    ("name", "read", "write", "rows"),
    [
        ("ratings.dat", read_ratings, write_ratings, 487_650),
        ("users.dat", read_users, write_users, 6_040),
        ("movies.dat", read_movies, write_movies, 3_883),
    ],
)
def test_the_original_files_are_read_whole_and_written_back_byte_for_byte(tmp_path, name, read, write, rows) -> None:
    frame = read(REAL / name)
    assert frame.height == rows
    write(frame, tmp_path / name)
    assert file_hash(tmp_path / name) == file_hash(REAL / name)


def test_hashing_does_not_hold_the_file_in_memory(tmp_path: Path) -> None:
    path = tmp_path / "zeros"
    path.write_bytes(bytes(1 << 23))
    tracemalloc.start()
    try:
        assert file_hash(path) == "2daeb1f36095b44b318410b3f4e8b5d989dcc7bb023d1426c492dab0a3053e74"
        assert tracemalloc.get_traced_memory()[1] < 1 << 20
    finally:
        tracemalloc.stop()
