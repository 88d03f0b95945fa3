"""Spines of every kind give the same data; what cannot be joined is said by column and leaves nothing behind."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import polars as pl
import pytest
from deltalake import DeltaTable
from polars.testing import assert_frame_equal

import shop
from feature_groups.store import FeatureStore, Join, StoredFeatureView
from feature_groups.store.errors import BatchUnreadable, EmptyBatch, SchemaMismatch, UnsupportedFrame
from shop import CUSTOMERS, DAY, START, minors, purchases, spine, visits
from visits import in_memory

BERLIN = ZoneInfo("Europe/Berlin")
TIMES = pl.Datetime("us", "UTC")


@pytest.fixture
def view(own_shop: FeatureStore) -> StoredFeatureView:
    return own_shop.get_or_create_feature_view(minors())


def folder(tmp_path: Path) -> Path:
    """The spine in three files whose names are in its order, beside one that is none."""
    path = tmp_path / "odd [1] *"
    path.mkdir()
    (path / "_SUCCESS").touch()
    for number, start in enumerate(range(0, 2 * CUSTOMERS, 70)):
        spine()[start : start + 70].write_parquet(path / f"part-{number}.parquet")
    return path


def delta(tmp_path: Path) -> Path:
    for start in (0, 120):
        spine()[start : start + (120 if start == 0 else 999)].write_delta(tmp_path / "table", mode="append")
    return tmp_path / "table"


def of_spark(store: FeatureStore, frame: pl.DataFrame) -> Any:
    """A Spark frame that was read from a file, and so keeps its order."""
    path = store.lake / "handed_over"
    path.mkdir()
    frame.write_parquet(path / "part-0.parquet")
    return store.shop.spark().files(str(path)).to_native()


KINDS: dict[str, Callable[[Path], object]] = {
    "polars": lambda _: spine(),
    "lazy": lambda _: spine().lazy(),
    "pandas": lambda _: spine().to_pandas(),
    "pandas with arrow columns": lambda _: spine().to_pandas(use_pyarrow_extension_array=True),
    "arrow": lambda _: spine().to_arrow(),
    "dicts": lambda _: spine().to_dicts(),
    "columns": lambda _: spine().to_dict(as_series=False),
    "parquet": lambda tmp: spine().write_parquet(tmp / "a.parquet") or tmp / "a.parquet",
    "parquet, as text": lambda tmp: spine().write_parquet(tmp / "[a].parquet") or f"{tmp}/[a].parquet",
    "folder": folder,
    "delta": lambda tmp: str(delta(tmp)),
    "delta table": lambda tmp: DeltaTable(delta(tmp)),
    "narrow keys": lambda _: spine().with_columns(pl.col("customer").cast(pl.UInt16)),
    "keys as whole floats": lambda _: spine().with_columns(pl.col("customer").cast(pl.Float64)),
    "nanoseconds": lambda _: spine().with_columns(
        pl.col("asked_at").dt.cast_time_unit("ns") + pl.duration(nanoseconds=999)
    ),
    "milliseconds of Berlin": lambda _: spine().with_columns(
        pl.col("asked_at").dt.cast_time_unit("ms").dt.convert_time_zone("Europe/Berlin")
    ),
    "datetimes of Berlin": lambda _: [
        {**row, "asked_at": row["asked_at"].astimezone(BERLIN)} for row in spine().to_dicts()
    ],
}


@pytest.mark.parametrize("kind", KINDS)
def test_a_spine_of_any_kind_gives_the_same_data(
    view: StoredFeatureView, tmp_path: Path, kind: str, expected: pl.DataFrame
) -> None:
    made = view.get_batch_data(KINDS[kind](tmp_path)).collect()
    # The rows of a Delta table have no order.
    assert_frame_equal(made, expected, check_exact=True, check_row_order="delta" not in kind)


@pytest.fixture(scope="module")
def expected(shop_lake: Path) -> pl.DataFrame:
    """The scoring data by plain Python: the newest visit and purchase of each customer at each instant."""
    store = shop.opened(shop_lake)
    visited, bought, country, product = (
        store.get_or_create_feature_group(g).read(engine="polars").collect().to_dicts()
        for g in (visits, purchases, shop.customers, shop.products)
    )
    of_customer = {row["customer"]: row["country"] for row in country}
    of_product = {row["product"]: row for row in product}
    rows = []
    for row in spine().to_dicts():
        mine = [v for v in visited if v["customer"] == row["customer"] and v["at"] <= row["asked_at"]]
        visit = max(mine, key=lambda v: v["at"], default={})
        theirs = [b for b in bought if b["customer"] == row["customer"] and b["at"] <= row["asked_at"]]
        last = max(theirs, key=lambda b: (b["at"], b["line"]), default={})
        known = of_product.get(last.get("product"), {})
        pages, seconds = visit.get("pages"), visit.get("seconds")
        rows.append(
            row
            | {"pages": pages, "seconds": seconds, "last_amount": last.get("amount")}
            | {
                "last_price": known.get("price"),
                "last_kind": known.get("kind"),
                "country": of_customer[row["customer"]],
            }
            | {"haste": None if seconds is None else pages / seconds}
        )
    schema = {**spine().schema, "pages": pl.Int64, "seconds": pl.Float64, "last_amount": pl.Float64}
    schema |= {"last_price": pl.Float64, "last_kind": pl.String, "country": pl.String, "haste": pl.Float64}
    return pl.DataFrame(rows, schema=schema)


def test_a_spine_from_either_engine_is_joined_on_either(
    view: StoredFeatureView, own_shop: FeatureStore, engine: str, expected: pl.DataFrame
) -> None:
    made = in_memory(view.get_batch_data(of_spark(own_shop, spine()), engine=engine))
    made = made if engine == "polars" else made.sort("__row").drop("__row")
    assert_frame_equal(made, expected, check_exact=True)


def test_a_stored_group_read_lazily_is_a_spine(own_shop: FeatureStore, view: StoredFeatureView) -> None:
    rows: pl.LazyFrame = own_shop.get_or_create_feature_group(visits).read(engine="polars")
    made = view.get_batch_data(rows.select("customer", asked_at="at", weight=pl.lit(1.0))).collect()
    assert made.height == rows.select(pl.len()).collect().item()
    assert made["pages"].null_count() == 0


def test_a_plan_that_never_gives_its_rows_in_the_same_order_is_computed_once(own_shop: FeatureStore) -> None:
    view = shop.opened(own_shop.lake, polars_rows=17).get_or_create_feature_view(minors())
    drawn = spine().lazy().select(pl.col("customer").cast(pl.Int32).shuffle(), "asked_at", "weight")
    made = view.get_batch_data(drawn).collect()
    again = view.get_batch_data(made.select("customer", "asked_at", "weight")).collect()
    assert_frame_equal(made, again)
    assert made["customer"].sort().equals(spine()["customer"].sort())
    assert not made["customer"].equals(spine()["customer"])


def test_columns_that_only_the_spine_has_are_carried_as_they_came(view: StoredFeatureView) -> None:
    odd = spine().with_columns(
        day=pl.lit(date(1, 1, 1)), blob=pl.lit(b"\x00"), tags=pl.lit(["a", None], dtype=pl.List(pl.String)),
        none=pl.lit(None, dtype=pl.Int8), float=pl.lit(float("nan")),
    )  # fmt: skip
    made = view.get_batch_data(odd).collect()
    assert_frame_equal(made.select(odd.columns), odd)


def test_an_empty_spine_is_scored_to_nothing_and_makes_no_dataset(
    view: StoredFeatureView, own_shop: FeatureStore
) -> None:
    empty = spine().clear()
    assert view.get_batch_data(empty).collect().shape == (0, 11)
    with pytest.raises(EmptyBatch, match="no rows"):
        view.create_training_dataset(empty)
    untouched(own_shop)


def untouched(store: FeatureStore) -> None:
    """Nothing was made, numbered, pinned, or left in the spool."""
    spool, made = store.lake / "spool", store.lake / "training_datasets"
    assert not spool.exists() or not list(spool.iterdir())
    assert not made.exists() or not list(made.rglob("*"))
    assert not store.metadata.names("views/minors_v1/datasets")
    assert not store.metadata.names("pins")


def changed(*columns: pl.Expr) -> pl.DataFrame:
    return spine().with_columns(*columns)


BAD: dict[str, tuple[Callable[[], object], list[str]]] = {
    "naive times": (
        lambda: changed(pl.col("asked_at").dt.replace_time_zone(None)),
        ["'asked_at' has naive times", "dt.replace_time_zone(<zone of the data>)"],
    ),
    "naive times in pandas": (
        lambda: spine().to_pandas().assign(asked_at=lambda d: d["asked_at"].dt.tz_localize(None)),
        ["'asked_at' has naive times"],
    ),
    "naive and aware times": (
        lambda: [{"customer": 1, "asked_at": t, "weight": 1.0} for t in (START, START.replace(tzinfo=None))],
        ["'asked_at' is Object, not an instant"],
    ),
    "dates": (lambda: changed(pl.col("asked_at").dt.date()), ["'asked_at' is Date, not an instant"]),
    "numbers for times": (lambda: changed(pl.col("asked_at").dt.epoch()), ["'asked_at' is Int64, not an instant"]),
    "text for times": (lambda: changed(pl.col("asked_at").cast(pl.String)), ["'asked_at' is String, not an instant"]),
    "NULL times": (
        lambda: changed(pl.when(pl.col("weight") > 2).then("asked_at").alias("asked_at")),
        ["'asked_at' is NULL in 134 of 200 rows: a decision has an instant"],
    ),
    "times after the calendar": (
        lambda: changed(pl.lit(2**52).cast(pl.Datetime("ms", "UTC")).alias("asked_at")),
        ["'asked_at' lies outside the years 1 to 9999 in 200 rows"],
    ),
    "text keys": (
        lambda: changed(pl.lit("a1").alias("customer")),
        ["'customer' is String, the contract says int64: 200 of 200 values would change, e.g. 'a1'"],
    ),
    "broken float keys": (
        lambda: changed(pl.col("customer") + 0.5),
        ["'customer' is Float64, the contract says int64: 200 of 200 values would change"],
    ),
    "keys too large": (
        lambda: changed(pl.lit(2**63, dtype=pl.UInt64).alias("customer")),
        ["'customer' is UInt64", "200 of 200 values would change, e.g. 9223372036854775808"],
    ),
    "truth for keys": (lambda: changed(pl.lit(value=True).alias("customer")), ["'customer' is Boolean"]),
    "times for keys": (lambda: changed(pl.col("asked_at").alias("customer")), ["'customer' is Datetime"]),
    "no key": (lambda: spine().drop("customer"), ["'customer' is missing"]),
    "no key, but nearly": (lambda: spine().rename({"customer": "customer_id"}), ["Did you mean 'customer_id'?"]),
    "no instants": (lambda: spine().drop("asked_at"), ["'asked_at' is missing"]),
    "nothing that was promised": (lambda: spine().drop("weight"), ["'weight' is missing"]),
    "a feature": (lambda: changed(pl.lit(1).alias("pages")), ["'pages' comes from a feature group too"]),
    "a label": (lambda: changed(pl.lit(1).alias("is_minor")), ["'is_minor' comes from a feature group too"]),
    "a transform": (lambda: changed(pl.lit(1.0).alias("haste")), ["'haste' comes from a feature group too"]),
    "reserved names": (
        lambda: changed(pl.lit(1).alias("__row"), pl.lit("train").alias("__part")),
        ["'__row' starts with __", "'__part' starts with __"],
    ),
    "what cannot be stored": (
        lambda: changed(pl.struct("weight").alias("struct"), pl.lit(DAY).alias("span"), pl.lit(None).alias("void")),
        ["'struct': Struct", "'span': Duration", "'void': Null"],
    ),
    "unsigned and local extras": (
        lambda: changed(pl.lit(1, pl.UInt8).alias("small"), pl.lit(START.replace(tzinfo=None)).alias("local")),
        ["'small': UInt8", "use int64", "'local': Datetime", "UtcDatetime"],
    ),
    "everything at once": (
        lambda: changed(
            pl.col("asked_at").dt.replace_time_zone(None), pl.lit("a").alias("customer"), pl.lit(1).alias("pages")
        ).drop("weight"),
        ["in 4 ways", "'weight' is missing", "'pages' comes from", "'customer' is String", "'asked_at' has naive"],
    ),
}  # fmt: skip


@pytest.mark.parametrize("bad", BAD)
@pytest.mark.parametrize("lazy", [False, True], ids=["eager", "lazy"])
def test_what_does_not_fit_is_said_by_column_and_leaves_nothing_behind(
    view: StoredFeatureView, own_shop: FeatureStore, bad: str, lazy: bool
) -> None:
    make, said = BAD[bad]
    data: Any = make()
    data = data.lazy() if lazy and isinstance(data, pl.DataFrame) else data
    with pytest.raises(SchemaMismatch) as error:
        view.create_training_dataset(data)
    assert error.value.where == "spine of feature view 'minors' v1"
    for words in said:
        assert words in error.value.what
    if bad not in ("nothing that was promised", "a label", "everything at once"):
        with pytest.raises(SchemaMismatch) as scoring:
            view.get_batch_data(data)
        assert scoring.value.what == error.value.what
    untouched(own_shop)


def test_every_problem_of_a_key_column_is_counted_over_all_slices(own_shop: FeatureStore) -> None:
    small = shop.opened(own_shop.lake, polars_rows=9).get_or_create_feature_view(minors())
    late = spine().with_columns(pl.when(pl.int_range(pl.len()) < 190).then("customer").otherwise(0.5).alias("customer"))
    with pytest.raises(SchemaMismatch, match="'customer' is Float64"):
        small.get_batch_data(late)
    untouched(own_shop)


def written(path: Path, text: str) -> Path:
    path.write_text(text)
    return path


UNREADABLE: dict[str, tuple[Callable[[Path], object], type[Exception], str]] = {
    "a list of things": (lambda _: [object()], UnsupportedFrame, "one per row"),
    "an array": (lambda _: spine()["weight"].to_numpy(), UnsupportedFrame, "not a frame"),
    "no rows": (lambda _: [], UnsupportedFrame, "has no columns"),
    "a path to nowhere": (lambda tmp: tmp / "nothing.parquet", UnsupportedFrame, "is not there"),
    "text": (lambda tmp: written(tmp / "a.csv", "customer\\n1"), UnsupportedFrame, "another kind"),
    "an empty folder": (lambda tmp: tmp, UnsupportedFrame, "holds no Parquet"),
    "no Parquet in it": (lambda tmp: written(tmp / "a.parquet", "customer"), BatchUnreadable, "parquet"),
    "a plan that fails": (
        lambda _: spine().lazy().with_columns(pl.col("ticket").cast(pl.Int64)), BatchUnreadable, "conversion",
    ),
    "a plan of other columns": (lambda _: spine().lazy().select("who"), BatchUnreadable, "who"),
}  # fmt: skip


@pytest.mark.parametrize("kind", UNREADABLE)
def test_what_is_no_spine_is_said_and_leaves_nothing_behind(
    view: StoredFeatureView, own_shop: FeatureStore, tmp_path: Path, kind: str
) -> None:
    make, error, said = UNREADABLE[kind]
    (tmp_path / "given").mkdir()
    for verb in (view.create_training_dataset, view.get_batch_data):
        with pytest.raises(error, match=f"(?i)spine of feature view 'minors' v1 was not joined(?s:.*){said}"):
            verb(make(tmp_path / "given"))
    untouched(own_shop)


def test_what_does_not_fit_in_a_spark_frame_is_said_too(view: StoredFeatureView, own_shop: FeatureStore) -> None:
    from pyspark.sql import functions as F

    given = of_spark(own_shop, spine())
    local = given.withColumn("asked_at", F.col("asked_at").cast("timestamp_ntz")).withColumn("pages", F.lit(1))
    with pytest.raises(SchemaMismatch, match=r"in 2 ways(?s:.*)'pages' comes from(?s:.*)'asked_at' has naive times"):
        view.create_training_dataset(local)
    with pytest.raises(SchemaMismatch, match=r"'asked_at' is NULL in 200 of 200 rows"):
        view.get_batch_data(given.withColumn("asked_at", F.lit(None).cast("timestamp")))
    odd = given.withColumns({"void": F.lit(None), "span": F.expr("interval 1 day")})
    with pytest.raises(SchemaMismatch, match=r"in 2 ways:(?s:.*)'void' is void; cast(?s:.*)'span' is interval day"):
        view.create_training_dataset(odd)
    with pytest.raises(SchemaMismatch, match=r"'map': Map"):
        view.create_training_dataset(given.withColumn("map", F.create_map("ticket", "weight")))
    with pytest.raises(BatchUnreadable, match=r"(?i)divi"):
        view.create_training_dataset(given.withColumn("boom", F.raise_error(F.lit("division of labour")).cast("int")))
    untouched(own_shop)


def test_a_key_of_several_columns_may_come_under_other_names(own_shop: FeatureStore) -> None:
    wanted = Join(purchases.select("amount"), on=(("client", "customer"), ("article", "product")))
    other = own_shop.get_or_create_feature_view(minors(features=[wanted], transforms=[], name="others", histories={}))
    asked = pl.DataFrame({"client": [3, 3, None], "article": ["p3", "p8", "p3"], "asked_at": [START + 9 * DAY] * 3})
    made = other.get_batch_data(asked).collect()
    assert made["amount"].to_list() == [30.0, None, None]


def test_instants_an_hour_apart_that_a_clock_in_berlin_shows_alike_are_two(own_shop: FeatureStore) -> None:
    view = own_shop.get_or_create_feature_view(minors())
    twice = [datetime(2026, 10, 25, 2, 30, fold=fold, tzinfo=BERLIN) for fold in (0, 1)]
    made = view.get_batch_data([{"customer": 1, "asked_at": t} for t in twice]).collect()
    assert made["asked_at"].to_list() == [datetime(2026, 10, 25, hour, 30, tzinfo=UTC) for hour in (0, 1)]
