"""A shop's feature groups with a hundred customers, for views, spines and training datasets; and its view of minors."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from random import Random
from typing import Any

import narwhals as nw
import pandera.polars as pa
import polars as pl

from feature_groups.store import (
    FeatureGroup,
    FeatureStore,
    FeatureView,
    History,
    Join,
    OnDemand,
    Settings,
    UtcDatetime,
    connect,
)

START = datetime(2026, 3, 1, tzinfo=UTC)
DAY = timedelta(days=1)
CUSTOMERS, VISITS = 100, 6


class Customer(pa.DataFrameModel):
    """One row per customer."""

    customer: int = pa.Field(description="Who.")
    country: str = pa.Field(description="Where they live.")
    school: bool = pa.Field(metadata={"label_proxy": "is_minor"}, description="Whether they named a school.")
    email: str = pa.Field(metadata={"pii": True}, description="How to reach them.")


class Age(pa.DataFrameModel):
    """One row per customer."""

    customer: int
    is_minor: bool
    band: str


class Visit(pa.DataFrameModel):
    """One row per customer and visit."""

    customer: int
    at: UtcDatetime
    pages: int
    seconds: float = pa.Field(nullable=True, metadata={"unit": "s"})


class Purchase(pa.DataFrameModel):
    """One row per customer, product and instant."""

    customer: int
    product: str
    at: UtcDatetime
    line: int
    amount: float


class Product(pa.DataFrameModel):
    """One row per product."""

    product: str
    price: float
    kind: str


def group(name: str, contract: Any, key: list[str], time: str | None = None, **more: Any) -> FeatureGroup:
    """A feature group, static where it has no time."""
    fixed = {"name": name, "version": 1, "description": f"{name}.", "static": time is None, "event_time": time}
    return FeatureGroup(**{**fixed, "primary_key": key, "contract": contract, **more})


customers = group("customers", Customer, ["customer"])
ages = group("ages", Age, ["customer"], restricted=True)
visits = group("visits", Visit, ["customer"], "at")
purchases = group("purchases", Purchase, ["customer", "product"], "at", sequence="line")
products = group("products", Product, ["product"])

LAST_BOUGHT = Join(
    purchases.select("amount").join(products.select("price", "kind")), on=(("customer", "customer"),), prefix="last_"
)
FEATURES = [visits.select("pages", "seconds"), LAST_BOUGHT, customers.select("country")]


def haste() -> nw.Expr:
    """Pages per second."""
    return nw.col("pages") / nw.col("seconds")


def minors(**other: Any) -> FeatureView:
    """The view, with other options where given."""
    given: dict[str, Any] = {
        "name": "minors",
        "version": 1,
        "description": "Is this customer a minor?",
        "features": FEATURES,
        "labels": [ages.select("is_minor")],
        "training_helpers": [ages.select("band"), "weight"],
        "histories": {"bought": History(purchases.select("product", "amount"), on="customer")},
        "transforms": [OnDemand("haste", "float64", haste, "How fast pages were turned.")],
        "event_time": "asked_at",
        "owner": "trust",
    }
    return FeatureView(**{**given, **other})


def fill(lake: Path) -> None:
    """Write every group's rows, one commit each, at the start of the year."""
    store = connect(lake, settings=Settings(engine="polars"), clock=lambda: START - 30 * DAY)
    random = Random(1)
    who = range(CUSTOMERS)
    rows: dict[FeatureGroup, dict[str, list[Any]]] = {
        customers: {
            "customer": list(who),
            "country": [random.choice(["at", "ch", "de"]) for _ in who],
            "school": [i % 4 == 0 for i in who],
            "email": [f"customer-{i}@example.org" for i in who],
        },
        ages: {
            "customer": list(who),
            "is_minor": [i % 5 == 0 for i in who],
            "band": [f"{i % 7}0s" for i in who],
        },
        visits: {
            "customer": [i for i in who for _ in range(VISITS)],
            "at": [START + i * timedelta(minutes=1) + n * DAY for i in who for n in range(VISITS)],
            "pages": [n + i for i in who for n in range(VISITS)],
            "seconds": [random.choice([None, random.uniform(1, 100)]) for _ in who for _ in range(VISITS)],
        },
        purchases: {
            "customer": [i for i in who for _ in range(3)],
            "product": [f"p{(i + n) % 9}" for i in who for n in range(3)],
            "at": [START + i * timedelta(minutes=2) + n // 2 * DAY for i in who for n in range(3)],
            "line": [n for _ in who for n in range(3)],
            "amount": [float(10 * i + n) for i in who for n in range(3)],
        },
        products: {
            "product": [f"p{i}" for i in range(8)],  # p8 is bought, but not known
            "price": [float(i) for i in range(8)],
            "kind": ["food" if i % 2 else "drink" for i in range(8)],
        },
    }
    for declared, columns in rows.items():
        assert declared.spec is not None
        store.get_or_create_feature_group(declared).insert(
            pl.DataFrame(columns, schema=dict(declared.spec.polars_schema))
        )


def opened(lake: Path, clock: Callable[[], datetime] = lambda: START + 3 * DAY, **settings: Any) -> FeatureStore:
    """The lake, computing with Polars."""
    return connect(lake, settings=Settings(**{"engine": "polars", **settings}), clock=clock)


def spine(times: int = 2) -> pl.DataFrame:
    """Every customer at some instants, the youngest of them before the first visit; in no order."""
    random = Random(2)
    asked = [
        (i, START + random.randrange(-DAY // timedelta(minutes=1), 9000) * timedelta(minutes=1))
        for i in range(CUSTOMERS)
        for _ in range(times)
    ]
    random.shuffle(asked)
    data = {
        "customer": [i for i, _ in asked],
        "asked_at": [t for _, t in asked],
        "weight": [1.0 + i % 3 for i, _ in asked],
        "ticket": [f"t{n}" for n in range(len(asked))],
    }
    return pl.DataFrame(data, schema_overrides={"asked_at": pl.Datetime("us", "UTC")})
