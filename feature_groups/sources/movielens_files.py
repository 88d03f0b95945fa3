r"""The three MovieLens-1M files in their original format: read strictly, written back byte for byte.

The format: one record a line, fields separated by ``::``, text in latin-1, times in seconds.

What is accepted and what is refused:

* Every line must have exactly its fields, none empty; numbers are 1 to 18 ASCII digits and nothing else.
  Values are not judged: whether a rating is 1..5 or a time is in seconds is the contract's to say.
* ``\r\n`` endings and blank lines at the end are accepted. A blank line in the middle is refused: it would
  shift `source_row_id` against other copies of the file.
* The last line must end in a newline, as it does in the original. Without one nobody can tell a whole
  timestamp from one that lost its last digits, so the file counts as cut. A cut exactly between two lines
  cannot be seen in the file; compare `file_hash` or the number of rows with the sender's.
* A file in UTF-16, UTF-32, or that has non-ASCII bytes and is valid UTF-8 as a whole, was re-encoded on the way: it
  is refused, as accents would silently turn into pairs of other letters.
"""

from __future__ import annotations

import hashlib
import io
import os
import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Final

import polars as pl

from feature_groups.sources.text_encoding import is_utf8, to_latin1, unicode_of
from feature_groups.store.errors import SourceDamaged, SourceMissing, UnsupportedFrame, did_you_mean

_INT = r"([0-9]{1,18})"
_TOO_BIG: Final = 10**18
_TEXT = r"([^:\x00-\x1f]+)"
# A title may hold single colons, but none at its end, where it would melt into the separator.
_TITLE = r"((?:[^:\x00-\x1f]|:(?!:))+)"
_RATING: Final = "::".join((_INT, _INT, _INT, _INT))
_USER: Final = "::".join((_INT, _TEXT, _INT, _INT, _TEXT))
_MOVIE: Final = "::".join((_INT, _TITLE, _TEXT))

_RATING_COLUMNS: Final = ("user_id", "movie_id", "rating", "timestamp")
_GAPS: Final = ("_gap1", "_gap2", "_gap3")
_SPACED: Final = ("user_id", "_gap1", "movie_id", "_gap2", "rating", "_gap3", "timestamp")
_USER_SCHEMA: Final = pl.Schema(
    {"user_id": pl.Int64, "gender": pl.String, "age": pl.Int64, "occupation": pl.Int64, "zip_code": pl.String}
)
_MOVIE_SCHEMA: Final = pl.Schema({"movie_id": pl.Int64, "title": pl.String, "genres": pl.String})


def read_ratings(path: Path) -> pl.DataFrame:
    """The ratings, in file order.

    Args:
        path: A file in the format of ``ratings.dat``.

    Returns:
        ``user_id``, ``movie_id``, ``rating``, ``timestamp`` (seconds since 1970 UTC, as found) and
        ``source_row_id`` (0-based line number in the file), all Int64, one row per line.

    Raises:
        SourceMissing: There is no such file.
        SourceDamaged: Some line is not a rating; see the module's rules.
    """
    raw = _read_bytes(path)
    ratings = parse_ratings(raw)
    if ratings is None:
        raise _bad_lines(path, raw, _RATING)
    return ratings.with_columns(source_row_id=pl.int_range(pl.len(), dtype=pl.Int64))


def parse_ratings(raw: bytes) -> pl.DataFrame | None:
    """The ratings in whole lines, without ``source_row_id``; None when some line is none."""
    # Only digits, colons and newlines leave Polars' number parser no room to be lenient about signs or decimals.
    if raw.translate(None, b"0123456789:\n"):
        return None
    # Polars takes one byte as separator, so "a::b" is read as a, nothing, b. No digit is a Boolean: a gap that
    # holds something is refused by its type.
    schema = {name: pl.Boolean() if name in _GAPS else pl.Int64() for name in _SPACED}
    try:
        frame = pl.read_csv(io.BytesIO(raw), has_header=False, separator=":", quote_char=None, schema=schema)
    except pl.exceptions.PolarsError:
        return None
    ratings, gaps = frame.select(_RATING_COLUMNS), frame.select(_GAPS)
    if (
        frame.height != raw.count(b"\n")
        or any(ratings.null_count().row(0))
        or any(nulls != frame.height for nulls in gaps.null_count().row(0))
        or max(ratings.max().row(0)) >= _TOO_BIG
    ):
        return None
    return ratings


def read_users(path: Path) -> pl.DataFrame:
    """The users, in file order.

    Args:
        path: A file in the format of ``users.dat``.

    Returns:
        ``user_id`` Int64, ``gender`` String, ``age`` Int64 (the code of the age band, not years),
        ``occupation`` Int64 (code) and ``zip_code`` String, one row per line.

    Raises:
        SourceMissing: There is no such file.
        SourceDamaged: Some line is not a user; see the module's rules.
    """
    return _read_small(path, _USER, _USER_SCHEMA)


def read_movies(path: Path) -> pl.DataFrame:
    """The films, in file order.

    Args:
        path: A file in the format of ``movies.dat``.

    Returns:
        ``movie_id`` Int64, ``title`` String with its year in brackets, ``genres`` String (names joined by
        ``|``, as found), one row per line.

    Raises:
        SourceMissing: There is no such file.
        SourceDamaged: Some line is not a film, or the file is re-encoded; see the module's rules.
    """
    return _read_small(path, _MOVIE, _MOVIE_SCHEMA)


def write_ratings(frame: pl.DataFrame, path: Path) -> None:
    """Write ratings so that `read_ratings` gives them back, in the frame's row order.

    Args:
        frame: Integer columns ``user_id``, ``movie_id``, ``rating``, ``timestamp``; others are ignored.
        path: The file to create or replace, in one step.

    Raises:
        UnsupportedFrame: The frame is empty, lacks a column, or holds nulls, negatives or other types.
    """
    rows = _only(frame, _RATING_COLUMNS, path)
    for name, dtype in rows.schema.items():
        if not dtype.is_integer() or not rows[name].is_between(0, _TOO_BIG - 1).fill_null(value=False).all():
            raise _unwritable(path, f"column {name!r} must be whole numbers of 1 to 18 digits, without nulls")
    spaced = rows.with_columns(pl.lit(None, pl.String).alias(gap) for gap in _GAPS).select(_SPACED)
    with _replacing(path) as tmp:
        spaced.write_csv(tmp, include_header=False, separator=":", quote_style="never")


def write_users(frame: pl.DataFrame, path: Path) -> None:
    """Write users so that `read_users` gives them back, in the frame's row order.

    Args:
        frame: The columns of `read_users`; others are ignored.
        path: The file to create or replace, in one step.

    Raises:
        UnsupportedFrame: The frame is empty, lacks a column, or a value cannot be written in this format.
    """
    _write_small(frame, path, _USER, _USER_SCHEMA)


def write_movies(frame: pl.DataFrame, path: Path) -> None:
    """Write films so that `read_movies` gives them back, in the frame's row order.

    Args:
        frame: The columns of `read_movies`; others are ignored.
        path: The file to create or replace, in one step.

    Raises:
        UnsupportedFrame: The frame is empty, lacks a column, or a value cannot be written in this format.
    """
    _write_small(frame, path, _MOVIE, _MOVIE_SCHEMA)


def file_hash(path: Path) -> str:
    """The SHA-256 of a file's bytes, in hexadecimal, without holding the file in memory.

    Raises:
        SourceMissing: There is no such file.
    """
    if not path.is_file():
        raise _missing(path)
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _read_bytes(path: Path) -> bytes:
    r"""The file with ``\n`` endings and no blank lines at its end, known to hold something and to be uncut."""
    if not path.is_file():
        raise _missing(path)
    raw = path.read_bytes()
    if b"\r\n" in raw:
        raw = raw.replace(b"\r\n", b"\n")
    if raw.endswith(b"\n\n"):
        raw = raw.rstrip(b"\n") + b"\n"
    if raw in (b"", b"\n"):
        raise _damaged(path, "It is empty.", "Fetch the file again.")
    if encoding := unicode_of(raw):
        what = f"It is in {encoding.upper()}, while this format is latin-1."
        raise _damaged(path, what, f"Convert it: {to_latin1(raw, encoding, path.name)}")
    if not raw.endswith(b"\n"):
        what = f"It was cut: line {raw.count(bytes([10])) + 1:,}, its last, does not end in a newline."
        raise _damaged(path, what, "Fetch the file again; if you know it to be whole, end it with a newline.")
    return raw


def _read_small(path: Path, line: str, schema: pl.Schema) -> pl.DataFrame:
    raw = _read_bytes(path)
    pattern = re.compile(line)
    # str.splitlines would also split at \x85, a letter like any other in latin-1.
    matches = [pattern.fullmatch(text) for text in raw[:-1].decode("latin-1").split("\n")]
    rows = [match.groups() for match in matches if match]
    if len(rows) != len(matches):
        raise _bad_lines(path, raw, line)
    return pl.DataFrame(rows, schema=dict.fromkeys(schema, pl.String), orient="row").cast(schema)


def _write_small(frame: pl.DataFrame, path: Path, line: str, schema: pl.Schema) -> None:
    rows = _only(frame, tuple(schema), path)
    if rows.schema != schema:
        raise _unwritable(path, f"the columns must be {dict(schema)}, they are {dict(rows.schema)}")
    pattern = re.compile(line)
    lines = []
    for number, row in enumerate(rows.iter_rows()):
        fields = tuple(map(str, row))
        match = pattern.fullmatch("::".join(fields))
        if None in row or not match or match.groups() != fields:
            raise _unwritable(path, f"row {number:,} would not be read back as it is")
        lines.append(match.string)
    try:
        raw = ("\n".join(lines) + "\n").encode("latin-1")
    except UnicodeEncodeError:
        raise _unwritable(path, "text must be latin-1, and some letters are not") from None
    if is_utf8(raw):
        raise _unwritable(path, "these bytes would be taken for UTF-8: was the text decoded as latin-1?")
    with _replacing(path) as tmp:
        tmp.write_bytes(raw)


def _only(frame: pl.DataFrame, columns: Sequence[str], path: Path) -> pl.DataFrame:
    absent = [name for name in columns if name not in frame.columns]
    if absent:
        raise _unwritable(path, f"the columns {absent} are needed")
    if frame.is_empty():
        raise _unwritable(path, "there must be a row: an empty file would be refused by the reader")
    return frame.select(columns)


@contextmanager
def _replacing(path: Path) -> Iterator[Path]:
    """A temporary file beside `path` which takes its place in one step when the block succeeds."""
    path.parent.mkdir(parents=True, exist_ok=True)
    tmp = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        yield tmp
        tmp.replace(path)
    finally:
        tmp.unlink(missing_ok=True)


def _missing(path: Path) -> SourceMissing:
    if path.is_dir():
        what, hint = "It is a folder.", "Name a file inside it."
    elif path.parent.is_dir():
        files = (entry.name for entry in path.parent.iterdir() if entry.is_file())
        what, hint = "There is no such file.", did_you_mean(path.name, files)
    else:
        what, hint = f"The folder {str(path.parent)!r} does not exist.", "Check the path."
    return SourceMissing(f"file {str(path)!r}", what=what, state="was not read", next_step=hint)


def _bad_lines(path: Path, raw: bytes, line: str) -> SourceDamaged:
    """Count the lines which are not records. Their contents stay out: they may be personal."""
    bad = re.compile(rb"^(?!" + line.encode() + rb"$).*$", re.MULTILINE)
    count, numbers, number, seen = 0, [], 1, 0
    for match in bad.finditer(raw, 0, len(raw) - 1):
        count += 1
        if count <= 5:
            number, seen = number + raw.count(b"\n", seen, match.start()), match.start()
            numbers.append(f"{number:,}")
    where = f"line {', '.join(numbers)}{', ...' if count > 5 else ''}"
    fields = f"{line.count('::') + 1} whole fields separated by '::'"
    what = f"{count:,} of {raw.count(bytes([10])):,} lines are not {fields}: {where}."
    return _damaged(path, what, "Fetch the file again, or correct these lines by hand.")


def _damaged(path: Path, what: str, next_step: str) -> SourceDamaged:
    return SourceDamaged(f"file {str(path)!r}", what=what, state="was not read", next_step=next_step)


def _unwritable(path: Path, why: str) -> UnsupportedFrame:
    where, what = f"frame for {str(path)!r}", f"In this format {why}."
    return UnsupportedFrame(where, what=what, state="was not written", next_step="Correct the frame.")
