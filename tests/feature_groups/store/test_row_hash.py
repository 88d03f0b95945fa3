"""The content fingerprint against the algorithm its module documents, written out again in plain Python."""

from __future__ import annotations

import struct
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from feature_groups.store.row_hash import MODULUS, fingerprint, row_hashes
from plain_hash import M, mix, xxh64


def word(value: Any, dtype: pl.DataType) -> int:
    if isinstance(dtype, pl.List):
        inner: Any = dtype.inner
        elements = [mix(word(v, inner) ^ mix(place)) for place, v in enumerate(value, start=1) if v is not None]
        return mix((mix(len(value)) + sum(elements)) & M)
    if isinstance(dtype, pl.Decimal):
        return xxh64(f"{value:.{dtype.scale}f}".encode(), 0)
    if isinstance(value, (str, bytes)):
        return xxh64(value if isinstance(value, bytes) else value.encode(), 0)
    if isinstance(value, float):
        return int(struct.unpack("<Q", struct.pack("<d", value or 0.0))[0])
    if isinstance(value, datetime):
        return (value - datetime(1970, 1, 1, tzinfo=UTC)) // timedelta(microseconds=1) & M
    if isinstance(value, date):
        return (value - date(1970, 1, 1)).days & M
    return int(value) & M


def documented(frame: pl.DataFrame) -> int:
    """The table's fingerprint by the four steps of the module's documentation."""
    total = 0
    for row in frame.iter_rows(named=True):
        mixed = {
            name: mix(word(v, frame.schema[name]) ^ xxh64(name.encode(), 2)) for name, v in row.items() if v is not None
        }
        high = sum(m * (xxh64(name.encode(), 3) | 1) for name, m in mixed.items())
        total += mix(sum(mixed.values()) & M) + (mix(high & M) << 64)
    return total % 2**128


TYPES: dict[str, tuple[pl.DataType, st.SearchStrategy[Any]]] = {
    "tiny": (pl.Int8(), st.integers(-128, 127)),
    "small": (pl.Int16(), st.integers(-(2**15), 2**15 - 1)),
    "medium": (pl.Int32(), st.integers(-(2**31), 2**31 - 1)),
    "large": (pl.Int64(), st.integers(-(2**63), 2**63 - 1)),
    "half": (pl.Float32(), st.floats(allow_nan=False, allow_infinity=False, width=32)),
    "double": (pl.Float64(), st.floats(allow_nan=False, allow_infinity=False)),
    "flag": (pl.Boolean(), st.booleans()),
    "text": (pl.String(), st.text(st.characters(exclude_categories=["Cs"]), max_size=60)),
    "raw": (pl.Binary(), st.binary(max_size=60)),
    "day": (pl.Date(), st.dates()),
    "at": (pl.Datetime("us", "UTC"), st.datetimes(timezones=st.just(UTC))),
    "price": (pl.Decimal(18, 3), st.integers(-(10**18) + 1, 10**18 - 1).map(lambda n: Decimal(n).scaleb(-3))),
}
TYPES |= {
    f"{name}_list": (pl.List(dtype), st.lists(st.none() | values, max_size=4))
    for name, (dtype, values) in list(TYPES.items())
}
TYPES["lists"] = (pl.List(TYPES["text_list"][0]), st.lists(st.none() | TYPES["text_list"][1], max_size=3))


@st.composite
def frames(draw: st.DrawFn, rows: int = 5) -> pl.DataFrame:
    names = draw(st.lists(st.sampled_from(sorted(TYPES)), min_size=1, max_size=5, unique=True))
    height = draw(st.integers(0, rows))
    columns = {n: draw(st.lists(st.none() | TYPES[n][1], min_size=height, max_size=height)) for n in names}
    return pl.DataFrame([pl.Series(n, v, dtype=TYPES[n][0], strict=True) for n, v in columns.items()])


def total(frame: pl.DataFrame) -> int:
    return fingerprint(frame, frame.schema)


@pytest.mark.parametrize(
    ("data", "seed", "digest"),
    [
        (b"", 0, 0xEF46DB3751D8E999),
        (b"a", 0, 0xD24EC4F1A98C6E5B),
        (b"abc", 0, 0x44BC2CF5AD770999),
        (b"xxhash", 20141025, 0xB559B98D844E0635),
        (b"Call me Ishmael. Some years ago--never mind how long precisely-", 0, 0x02A2E85470D6FD96),
    ],
)
def test_the_hash_written_out_here_is_xxh64(data: bytes, seed: int, digest: int) -> None:
    assert xxh64(data, seed) == digest


@settings(max_examples=200, deadline=None)
@given(frame=frames())
def test_the_fingerprint_is_what_the_documentation_says(frame: pl.DataFrame) -> None:
    assert total(frame) == documented(frame)


@settings(max_examples=60, deadline=None)
@given(frame=frames(), seed=st.randoms(use_true_random=False))
def test_neither_the_order_of_rows_nor_of_columns_counts(frame: pl.DataFrame, seed: Any) -> None:
    order = list(range(frame.height))
    seed.shuffle(order)
    names = list(frame.columns)
    seed.shuffle(names)
    assert total(frame[order].select(names)) == total(frame)


@settings(max_examples=60, deadline=None)
@given(frame=frames(), name=st.sampled_from(sorted(TYPES)))
def test_a_column_of_null_added_later_changes_nothing(frame: pl.DataFrame, name: str) -> None:
    dtype = TYPES[name][0]
    assert total(frame.with_columns(pl.lit(None, dtype=dtype).alias("added_later"))) == total(frame)


@settings(max_examples=60, deadline=None)
@given(one=frames(), cut=st.integers(0, 5))
def test_adding_and_subtracting_rows_gives_the_fingerprint_of_the_rows_that_are_left(
    one: pl.DataFrame, cut: int
) -> None:
    assert (total(one) - total(one.head(cut))) % MODULUS == total(one.slice(cut))


@settings(max_examples=100, deadline=None)
@given(frame=frames(rows=1).filter(lambda f: f.height == 1), data=st.data())
def test_any_other_value_gives_another_fingerprint(frame: pl.DataFrame, data: st.DataObject) -> None:
    name = data.draw(st.sampled_from(frame.columns))
    dtype, values = TYPES[name]
    other = data.draw(st.none() | values)
    changed = frame.with_columns(pl.Series(name, [other], dtype=dtype, strict=True))
    assert (total(changed) == total(frame)) == changed.equals(frame)


def test_values_swapped_between_rows_or_columns_change_it() -> None:
    frame = pl.DataFrame({"a": [1, 2], "b": [3, 4]})
    assert total(frame) != total(pl.DataFrame({"a": [2, 1], "b": [3, 4]}))
    assert total(frame) != total(pl.DataFrame({"b": [1, 2], "a": [3, 4]}))
    assert total(pl.DataFrame({"a": [1, 1], "b": [2, 2]})) != total(pl.DataFrame({"a": [1, 2], "b": [2, 1]}))


def test_equal_values_of_another_width_or_sign_of_zero_are_the_same() -> None:
    for dtype in (pl.Int8, pl.Int16, pl.Int32):
        assert total(pl.DataFrame({"a": [-3, None]}, schema={"a": dtype})) == total(pl.DataFrame({"a": [-3, None]}))
    assert total(pl.DataFrame({"a": [0.5]}, schema={"a": pl.Float32})) == total(pl.DataFrame({"a": [0.5]}))
    assert total(pl.DataFrame({"a": [-0.0]})) == total(pl.DataFrame({"a": [0.0]}))
    assert total(pl.DataFrame({"a": [[-0.0]]})) == total(pl.DataFrame({"a": [[0.0]]}))


def test_things_that_look_alike_are_told_apart() -> None:
    cells = ["", " ", "a", "A", "a ", "\x00", "null", "None", "é", "e\u0301", "1", None]
    assert len({total(pl.DataFrame({"x": [c]}, schema={"x": pl.String})) for c in cells}) == len(cells)
    lists = [[], [None], ["", None], ["a,b"], ["a", "b"], ["b", "a"], ["-"], None, [None, None]]
    assert len({total(pl.DataFrame({"x": [v]}, schema={"x": pl.List(pl.String)})) for v in lists}) == len(lists)
    one_of = pl.DataFrame({"a": [1, None], "b": [None, 1]})
    assert len({total(one_of.head(1)), total(one_of.tail(1)), total(one_of), total(one_of.clear())}) == 4


def test_a_repeated_row_counts_twice() -> None:
    frame = pl.DataFrame({"a": [1], "b": ["x"]})
    assert total(pl.concat([frame, frame])) == 2 * total(frame) % MODULUS
    assert total(frame.clear()) == 0


def test_large_frames_are_hashed_in_pieces_to_the_same_sum() -> None:
    frame = pl.DataFrame({"a": pl.int_range(1_000_005, eager=True)})
    low, high = row_hashes(frame, frame.schema)
    assert len(set(low.tolist())) == frame.height
    assert total(frame) == (sum(low.tolist()) + (sum(high.tolist()) << 64)) % MODULUS


def test_no_value_depends_on_the_piece_it_is_hashed_in() -> None:
    rows = 300_001
    n = pl.int_range(rows, eager=True)
    frame = pl.DataFrame(
        {
            "whole": pl.select(pl.when(n % 7 > 0).then(n)).to_series(),
            "ratio": pl.select(pl.when(n % 5 > 0).then((n % 3 - 1) * -0.0)).to_series(),
            "half": (n / 7).cast(pl.Float32),
            "at": n.cast(pl.Datetime("us", "UTC")),
            "name": pl.select(pl.when(n % 11 > 0).then(n.cast(pl.String))).to_series(),
            "list": pl.select(pl.concat_list(n, pl.when(n % 2 > 0).then(n))).to_series(),
        }
    )
    pieces = [frame.slice(start, size) for start, size in ((0, 1), (1, 100_000), (100_001, rows))]
    assert total(frame) == sum(total(piece) for piece in pieces) % MODULUS
    some = frame.gather([0, 32_767, 32_768, 262_143, 262_144, rows - 1])
    low, high = row_hashes(frame, frame.schema)
    for place, row in zip((0, 32_767, 32_768, 262_143, 262_144, rows - 1), some.iter_slices(1), strict=True):
        assert int(low[place]) + (int(high[place]) << 64) == documented(row)


def test_columns_that_the_schema_does_not_name_do_not_count() -> None:
    frame = pl.DataFrame({"a": [1], "ingested_at": [5]})
    assert fingerprint(frame, {"a": pl.Int64()}) == total(frame.select("a"))


GOLDEN = pl.DataFrame(
    {
        "user_id": [1, -1, None],
        "ratio": [0.1, -0.0, 1e300],
        "flag": [True, False, None],
        "name": ["Ada", "", "e\u0301 and a text of more than thirty-two bytes"],
        "raw": [b"\x00\xff", None, b""],
        "day": [date(1969, 12, 31), date(2026, 1, 1), None],
        "at": [datetime(2026, 1, 1, 12, 0, 0, 1, tzinfo=UTC), None, datetime(1, 1, 1, tzinfo=UTC)],
        "price": [Decimal("1.10"), Decimal("-0.05"), None],
        "tags": [["a", None], [], None],
    },
    schema_overrides={"price": pl.Decimal(10, 2), "at": pl.Datetime("us", "UTC")},
)


def test_the_fingerprint_of_these_rows_never_changes() -> None:
    """Stored fingerprints are compared for years: another number here means another format."""
    low, high = row_hashes(GOLDEN, GOLDEN.schema)
    assert f"{total(GOLDEN):032x}" == "b840eafc1bbe42b3dd10289466fe0bcc"
    assert [f"{h:016x}{lo:016x}" for lo, h in zip(low.tolist(), high.tolist(), strict=True)] == [
        "41fa7796fa1711164b07e0d9730d921c",
        "f52c87dbaaa345e8e9e32e4ecf4e4bfb",
        "8119eb897703ebb4a825196c24a22db5",
    ]
