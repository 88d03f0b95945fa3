"""The rows the benchmarks write and check: ten columns of mixed types, their contract and their feature group."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta

import numpy as np
import pandera.polars as pa
import polars as pl

from feature_groups.store import FeatureGroup, UtcDatetime

START = datetime(2025, 1, 1, tzinfo=UTC)
COUNTRIES = ["AT", "BE", "CH", "DE", "ES", "FR", "IT", "NL", "PL", "SE"]
PRODUCTS = 100_000
BAD_EVERY = 59_000


class Contract(pa.DataFrameModel):
    """One row per user and instant of purchase."""

    user_id: int = pa.Field(ge=1, le=10_000_000)
    bought_at: UtcDatetime = pa.Field(ge=datetime(2020, 1, 1, tzinfo=UTC), lt=datetime(2100, 1, 1, tzinfo=UTC))
    amount: float = pa.Field(in_range={"min_value": 0.0, "max_value": 10_000.0})
    quantity: pl.Int32 = pa.Field(in_range={"min_value": 1, "max_value": 20})
    country: str = pa.Field(isin=COUNTRIES)
    product: str = pa.Field(str_matches=r"^p-[0-9]{6}$")
    rating: pl.Float32 = pa.Field(in_range={"min_value": 0.0, "max_value": 5.0}, nullable=True)
    returned: bool = pa.Field()
    shipped_on: pl.Date = pa.Field(ge=date(2020, 1, 1))
    weights: list[float] = pa.Field(nullable=True)


purchases = FeatureGroup(
    name="purchases",
    version=1,
    description="What users bought, made up for the benchmarks.",
    primary_key=["user_id"],
    event_time="bought_at",
    contract=Contract,
)


def purchase_rows(rows: int, *, first: int = 0, seed: int = 7) -> pl.DataFrame:
    """Purchases number `first` to `first + rows`, one every ten milliseconds, all of them good.

    Args:
        rows: How many.
        first: Number of the first; other numbers have other keys.
        seed: Of the values.

    Returns:
        Shape (rows, 10), with exactly the contract's columns and types.
    """
    chance = np.random.default_rng([seed, first])
    number = np.arange(first, first + rows)
    instants = np.datetime64(START.replace(tzinfo=None), "us") + number * np.timedelta64(10_000, "us")
    lengths = chance.integers(0, 5, rows)
    elements = pl.Series("w", chance.normal(size=int(lengths.sum())).round(3))
    of_row = pl.Series("row", np.repeat(np.arange(rows), lengths))
    lists = pl.DataFrame({"row": of_row, "w": elements}).group_by("row", maintain_order=True).agg("w")
    weights = pl.DataFrame({"row": np.arange(rows)}).join(lists, on="row", how="left", maintain_order="left")["w"]
    return pl.DataFrame(
        {
            "user_id": chance.integers(1, 1_000_000, rows),
            "bought_at": pl.Series(instants).dt.replace_time_zone("UTC"),
            "amount": chance.gamma(2.0, 40.0, rows).round(2),
            "quantity": pl.Series(chance.integers(1, 21, rows), dtype=pl.Int32),
            "country": pl.Series(COUNTRIES).gather(chance.integers(0, len(COUNTRIES), rows)),
            "product": pl.select(pl.format("p-{}", pl.lit(pl.Series(_digits(chance, rows))))).to_series(),
            "rating": _sometimes(chance, pl.Series(chance.integers(0, 11, rows) / 2, dtype=pl.Float32), 0.3),
            "returned": chance.random(rows) < 0.05,
            "shipped_on": pl.Series(instants + np.timedelta64(2, "D")).cast(pl.Date),
            "weights": weights,
        }
    )


def changed_rows(rows: pl.DataFrame) -> pl.DataFrame:
    """The same keys with other amounts."""
    return rows.with_columns(pl.col("amount") + 1.0)


def with_bad_cells(rows: pl.DataFrame) -> pl.DataFrame:
    """The rows with one bad cell in every 59,000, each of its own kind."""
    number = pl.int_range(pl.len())
    here = number % BAD_EVERY == 0
    kind = number // BAD_EVERY % 6
    return rows.with_columns(
        pl.when(here & (kind == 0)).then(-1.0).otherwise("amount").alias("amount"),
        pl.when(here & (kind == 1)).then(pl.lit(99, pl.Int32)).otherwise("quantity").alias("quantity"),
        pl.when(here & (kind == 2)).then(pl.lit("XX")).otherwise("country").alias("country"),
        pl.when(here & (kind == 3)).then(pl.lit("p-12")).otherwise("product").alias("product"),
        pl.when(here & (kind == 4)).then(pl.lit(7.5, pl.Float32)).otherwise("rating").alias("rating"),
        pl.when(here & (kind == 5)).then(None).otherwise("user_id").alias("user_id"),
    )


def span(rows: int) -> timedelta:
    """The time that so many purchases take."""
    return timedelta(milliseconds=10 * rows)


def same_rows(one: pl.DataFrame, other: pl.DataFrame) -> bool:
    """Whether two frames hold the same purchases in any order."""
    names = list(Contract.to_schema().columns)
    key = ["bought_at", "user_id"]
    return one.select(names).sort(key).equals(other.select(names).sort(key))


def _digits(chance: np.random.Generator, rows: int) -> pl.Series:
    return pl.Series(chance.integers(0, PRODUCTS, rows)).cast(pl.String).str.zfill(6)


def _sometimes(chance: np.random.Generator, values: pl.Series, missing: float) -> pl.Series:
    gone = pl.Series(chance.random(values.len()) < missing)
    return pl.select(pl.when(pl.lit(gone)).then(None).otherwise(pl.lit(values))).to_series()
