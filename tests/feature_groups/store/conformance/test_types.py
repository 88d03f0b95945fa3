from __future__ import annotations

import math
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Annotated, Any

import narwhals as nw
import pandera.polars as pa
import polars as pl
import pytest
from hypothesis import HealthCheck, given, settings
from polars.testing import assert_frame_equal
from polars.testing.parametric import column, dataframes

from feature_groups.store import FeatureGroup, Settings, UtcDatetime, connect
from feature_groups.store.engines.spark import SparkEngine
from feature_groups.store.row_hash import fingerprint
from feature_groups.store.statistics import Statistics
from visits import in_memory

FIRST, LAST = datetime(1, 1, 1, tzinfo=UTC), datetime(9999, 12, 31, 23, 59, 59, 999999, tzinfo=UTC)
NINES = "9" * 38


class Everything(pa.DataFrameModel):
    """One row per number, with a column of every type."""

    number: int
    word: str
    day: date
    tiny: pl.Int8 = pa.Field(nullable=True)
    small: pl.Int16 = pa.Field(nullable=True)
    middle: pl.Int32 = pa.Field(nullable=True)
    large: int = pa.Field(nullable=True)
    single: pl.Float32 = pa.Field(nullable=True)
    double: float = pa.Field(nullable=True)
    flag: bool = pa.Field(nullable=True)
    text: str = pa.Field(nullable=True)
    blob: pl.Binary = pa.Field(nullable=True)
    born: date = pa.Field(nullable=True)
    instant: UtcDatetime = pa.Field(nullable=True)
    whole: Annotated[pl.Decimal, 38, 0] = pa.Field(nullable=True)
    exact: Annotated[pl.Decimal, 38, 18] = pa.Field(nullable=True)
    money: Annotated[pl.Decimal, 9, 2] = pa.Field(nullable=True)
    numbers: list[int] = pa.Field(nullable=True)
    # A type for Pandera, none for mypy.
    floats: pl.List(pl.Float32) = pa.Field(nullable=True)  # type: ignore[valid-type]
    doubles: list[float] = pa.Field(nullable=True)
    words: list[str] = pa.Field(nullable=True)
    days: pl.List(pl.Date) = pa.Field(nullable=True)  # type: ignore[valid-type]  # a type for Pandera, none for mypy
    # A type for Pandera, none for mypy.
    instants: pl.List(pl.Datetime("us", "UTC")) = pa.Field(nullable=True)  # type: ignore[valid-type]
    flags: list[bool] = pa.Field(nullable=True)
    # A type for Pandera, none for mypy.
    amounts: pl.List(pl.Decimal(38, 10)) = pa.Field(nullable=True)  # type: ignore[valid-type]


GROUP = FeatureGroup(
    name="everything",
    version=1,
    description="Rows with every type.",
    primary_key=["number", "word", "day"],
    static=True,
    contract=Everything,
)
assert GROUP.spec is not None
SCHEMA = GROUP.spec.polars_schema
TEXTS = ["", "a\x00b", "'\"`\\", "üßÇ😀👨‍👩‍👧", "e\u0301", "é", "\u202etxt", "null", "NaN", " a ", "\n\t\r"]
TEXTS += ["x" * 65536]


def rows() -> pl.DataFrame:
    """Extremes, NULLs and oddities of every type; the value lists are repeated to one length."""
    values: dict[str, list[Any]] = {
        "tiny": [-128, 127, 0, None],
        "small": [-(2**15), 2**15 - 1, None],
        "middle": [-(2**31), 2**31 - 1, None],
        "large": [-(2**63), 2**63 - 1, 2**53 + 1, None],
        "single": [0.0, -0.0, 1e-45, 3.4028234663852886e38, -3.4028234663852886e38, 0.1, None],
        "double": [0.0, -0.0, 5e-324, 1.7976931348623157e308, -1.7976931348623157e308, 0.1 + 0.2, None],
        "flag": [True, False, None],
        "text": [*TEXTS, None],
        "blob": [b"", b"\x00\xff", bytes(range(256)), None],
        "born": [date(1, 1, 1), date(9999, 12, 31), date(1582, 10, 10), date(1900, 2, 28), date(1969, 12, 31), None],
        "instant": [
            FIRST,
            LAST,
            datetime(1500, 1, 1, tzinfo=UTC),
            datetime(1677, 9, 21, tzinfo=UTC),
            datetime(1883, 11, 18, 12, 0, 0, 1, tzinfo=UTC),
            datetime(1969, 12, 31, 23, 59, 59, 999999, tzinfo=UTC),
            datetime(2026, 3, 29, 1, 30, tzinfo=UTC),
            datetime(2262, 4, 11, 23, 47, 17, tzinfo=UTC),
            None,
        ],
        "whole": [Decimal(NINES), Decimal(f"-{NINES}"), Decimal(0), Decimal(2**64), None],
        "exact": [Decimal("9" * 20 + "." + "9" * 18), Decimal("-0.000000000000000001"), Decimal(0), None],
        "money": [Decimal("9999999.99"), Decimal("-0.01"), None],
        "numbers": [[], [None], [2**63 - 1, None, -(2**63)], None],
        "floats": [[], [0.1, None, -0.0], [3.4028234663852886e38], None],
        "doubles": [[5e-324, -0.0], [None, None], None],
        "words": [["", "a\x00b", None, "😀"], [], None],
        "days": [[date(1, 1, 1), None, date(9999, 12, 31)], None],
        "instants": [[FIRST, None, LAST, datetime(1582, 10, 10, 1, tzinfo=UTC)], [], None],
        "flags": [[True, None, False], None],
        "amounts": [[Decimal("9" * 28 + "." + "9" * 10), None], None],
    }
    count = max(map(len, values.values()))
    made = {name: [given[n % len(given)] for n in range(count)] for name, given in values.items()}
    made |= {"number": list(range(count)), "word": [t[:40] for t in (TEXTS * 2)[:count]]}
    made["day"] = [[date(1, 1, 1), date(9999, 12, 31), date(2000, 2, 29)][n % 3] for n in range(count)]
    return pl.DataFrame({name: pl.Series(name, made[name], dtype=dtype) for name, dtype in SCHEMA.items()})


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> Any:
    """The rows, inserted with Polars; changed in every column, with Spark."""
    lake = tmp_path_factory.mktemp("types")
    light = connect(lake, settings=Settings(engine="polars")).get_or_create_feature_group(GROUP)
    heavy = connect(lake, settings=Settings(engine="spark")).get_or_create_feature_group(GROUP)
    given = rows()
    return light, heavy, given, light.insert(given)


def test_every_value_of_every_type_is_read_back_by_both_engines(written: Any) -> None:
    light, _, given, receipt = written
    assert receipt.inserted == given.height
    for engine in ("polars", "spark"):
        found = in_memory(light.read(1, engine=engine))
        assert found.schema == SCHEMA
        assert_frame_equal(found.sort("number"), given, check_exact=True)
        changes = in_memory(light.read_changes(0, 1, engine=engine)).select(list(SCHEMA))
        assert changes.schema == SCHEMA
        assert_frame_equal(changes.sort("number"), given, check_exact=True)
    signs = in_memory(light.read(1)).sort("number")["double"].head(2).to_list()
    assert [math.copysign(1.0, value) for value in signs] == [1.0, -1.0]


def test_both_engines_know_the_rows_again_and_change_them_alike(written: Any) -> None:
    light, heavy, given, receipt = written
    for again in (light, heavy):
        same = again.insert(given.reverse())
        assert (same.committed, same.unchanged, same.fingerprint) == (False, given.height, receipt.fingerprint)
        assert same.content_hash == receipt.content_hash
    spark = in_memory(light.read(1, engine="spark")), light.read(1, engine="spark")
    assert light.insert(spark[1]).unchanged == given.height
    moved = given.with_columns(pl.col(list(SCHEMA)[3:]).shift(1))
    changed = heavy.insert(moved)
    assert (changed.updated, changed.unchanged) == (given.height, 0)
    assert changed.fingerprint == f"{fingerprint(moved, SCHEMA):032x}"
    for engine in ("polars", "spark"):
        found = in_memory(light.read(changed.version, engine=engine)).sort("number")
        assert_frame_equal(found, moved, check_exact=True)
        feed = in_memory(light.read_changes(1, engine=engine)).sort("number")
        for kind, expected in (("update_preimage", given), ("update_postimage", moved)):
            part = feed.filter(pl.col("_change_type") == kind).select(list(SCHEMA))
            assert_frame_equal(part, expected, check_exact=True)


def test_statistics_of_both_engines_agree_and_say_where_they_estimate(written: Any) -> None:
    light, heavy, given, _ = written
    frame = nw.from_native(given.lazy())
    exact = Statistics("polars", *light._store.shop.polars.statistics(frame, GROUP.spec))
    spark: Any = light.read(1, engine="spark")
    engine = heavy._store.shop.spark()
    rough = Statistics("spark", *engine.statistics(nw.from_native(spark), GROUP.spec))
    assert exact.rows == rough.rows
    for name in SCHEMA:
        left, right = exact[name], rough[name]
        assert left.approximate == ()
        assert (left.count, left.nulls) == (right.count, right.nulls)
        assert (left.minimum, left.maximum) == (right.minimum, right.maximum)
        if SCHEMA[name].is_numeric() and (largest := max(abs(float(left.minimum)), abs(float(left.maximum)))) < 1e300:
            # Sums of floats depend on their order: equal by the digits of the largest value.
            assert right.mean == pytest.approx(left.mean, rel=1e-12, abs=1e-12 * largest)
        if "distinct" in right.approximate:
            assert right.distinct == pytest.approx(left.distinct, abs=1)
        if "quantiles" in right.approximate:
            assert set(left.quantiles) == set(right.quantiles)
            assert left.quantiles["0.01"] == right.quantiles["0.01"]
            assert left.quantiles["0.99"] == right.quantiles["0.99"]
        if right.top:
            assert sorted(n for _, n in left.top) == sorted(n for _, n in right.top)
    assert any("quantiles" in rough[name].approximate for name in SCHEMA)
    none = nw.from_native(spark.limit(0))
    assert [c.count for c in engine.statistics(none, GROUP.spec)[1]] == [0] * len(SCHEMA)


RANDOM = [
    column(name, dtype=dtype, allow_null=name not in GROUP.key)
    for name, dtype in SCHEMA.items()
    if not isinstance(dtype, (pl.List, pl.Datetime))
]


def test_the_fingerprint_of_random_rows_is_the_same_on_both_engines(tmp_path: Any) -> None:
    made: list[pl.DataFrame] = []

    @settings(max_examples=25, deadline=None, derandomize=True, database=None, suppress_health_check=list(HealthCheck))
    @given(dataframes(RANDOM, min_size=1, max_size=20, allow_infinity=False))
    def collect(frame: pl.DataFrame) -> None:
        made.append(frame)

    collect()
    lists = rows().select(pl.col(name) for name, dtype in SCHEMA.items() if isinstance(dtype, (pl.List, pl.Datetime)))
    schema = pl.Schema({name: dtype for name, dtype in SCHEMA.items() if name not in lists.columns})
    everything = pl.concat([frame.select(list(schema)).cast(dict(schema)) for frame in made])
    picked = lists[[n % lists.height for n in range(everything.height)]]
    everything = everything.with_columns(picked.get_columns()).select(list(SCHEMA))
    engine = SparkEngine(Settings(lake=tmp_path))
    everything.write_parquet(tmp_path / "part-0.parquet")
    assert engine.fingerprint(engine.files(str(tmp_path)), SCHEMA) == fingerprint(everything, SCHEMA)


@pytest.mark.parametrize("zone", ["America/New_York", "Asia/Kathmandu"])
def test_the_zone_of_the_process_changes_nothing(written: Any, zone: str, monkeypatch: pytest.MonkeyPatch) -> None:
    import time

    light, heavy, given, _ = written
    monkeypatch.setenv("TZ", zone)
    time.tzset()
    try:
        assert_frame_equal(in_memory(light.read(1, engine="spark")).sort("number"), given, check_exact=True)
        found = light.read(1, engine="spark").select("instant")
        spec = GROUP.spec
        assert spec is not None
        engine = heavy._store.shop.spark()
        only = type(spec)(spec.grain, (spec.by_name["instant"],), ())
        (instant,) = engine.statistics(nw.from_native(found), only)[1]
        assert (instant.minimum, instant.maximum) == (FIRST, LAST)
        assert instant.maximum.utcoffset() == timedelta(0)
    finally:
        monkeypatch.undo()
        time.tzset()
