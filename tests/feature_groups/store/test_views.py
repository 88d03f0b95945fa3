"""Feature views: what a declaration may say, how it shows itself, and what is read through it."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any
from xml.etree import ElementTree

import narwhals as nw
import pandera.polars as pa
import polars as pl
import pytest

from feature_groups.store import FeatureStore, History, Join, OnDemand
from feature_groups.store.errors import AlluviaError, DeclarationChanged, InvalidDeclaration, SchemaMismatch
from shop import (
    CUSTOMERS,
    DAY,
    FEATURES,
    START,
    Visit,
    ages,
    customers,
    group,
    minors,
    opened,
    products,
    purchases,
    spine,
    visits,
)

BY_CUSTOMER = (("customer", "customer"),)
kept = group("kept_visits", Visit, ["customer"], "at", corrections="keep")


class Told(Visit):
    """One row per customer and visit."""

    school: bool = pa.Field(metadata={"label_proxy": "is_minor"})


told = group("told", Told, ["customer"], "at")
restricted = replace(visits, restricted=True)


def of(*features: Any, **other: Any) -> dict[str, Any]:
    """Options of a view of these features, with a label and nothing else that could be in the way."""
    return {"features": list(features), "training_helpers": [], "transforms": [], "histories": {}, **other}


def history(*given: Any, **named: Any) -> dict[str, Any]:
    return {"histories": {"h": History(*given, **named)}}


def at(days: float) -> datetime:
    return START + days * DAY


def demand(expression: Callable[[], nw.Expr], kind: str = "float64", name: str = "made") -> dict[str, Any]:
    return {"transforms": [OnDemand(name, kind, expression)]}


REFUSED: list[tuple[Callable[[], dict[str, Any]], str, str]] = [
    (lambda: {"name": "Minors"}, "does not match [a-z]", "name the feature view"),
    (lambda: {"version": 0}, "The version is 0", "from 1 up"),
    (lambda: {"version": True}, "The version is True", "from 1 up"),
    (lambda: {"description": " "}, "no description", "which decision it serves"),
    (lambda: {"event_time": "select"}, "reserved word", "name the column"),
    (lambda: {"features": []}, "no features", "give features="),
    (lambda: {"features": visits}, "features is", "give a list"),
    (lambda: {"features": [visits]}, "names the group visits.v1", "visits.v1.select(...)"),
    (lambda: {"features": ["pages"]}, "features has 'pages'", "give queries"),
    (lambda: {"labels": [3]}, "labels has 3", "give queries"),
    (lambda: {"transforms": [lambda: None]}, "transforms has", "give OnDemand"),
    (lambda: {"entity": [3]}, "entity is (3,)", "name columns of the spine"),
    (lambda: {"entity": "client"}, "names 'client', which is no key", "key columns of the spine"),
    (lambda: {"histories": [visits.select("pages")]}, "histories is", "give a dict to History"),
    (lambda: {"max_age": {visits: 3}}, "max_age is", "give a dict to timedelta"),
    (lambda: {"known": "as_of"}, "Did you mean 'as_of_event'", "use 'pinned'"),
    (lambda: {"strict": 1}, "strict is 1", "True or False"),
    # Wrong on purpose.
    (lambda: {"features": [Join(visits.select("pages"), on={"customer": "customer"})]}, "joined on {", "give pairs"),  # type: ignore[arg-type]
    (lambda: {"features": [Join(visits.select("pages"), on=())]}, "joined on ()", "give pairs"),
    (
        lambda: {"features": [Join(purchases.select("amount"), on=(("a", "customer"), ("a", "product")))]},
        "a column stands twice",
        "give each once",
    ),
    (
        lambda: {"features": [Join(purchases.select("amount"), on=(("a", "customer"), ("b", "customer")))]},
        "a column stands twice",
        "give each once",
    ),
    (
        lambda: {"features": [Join(visits.select("pages"), on=(("c", "pages"),))]},
        "'pages' is not in visits.v1's",
        "on=",
    ),
    (lambda: {"features": [Join(visits.select("pages"), on=(("c", "who"),))]}, "'who' is not in visits.v1's", "on="),
    (
        lambda: {"features": [Join(visits.select("pages"), on=BY_CUSTOMER, how="inner")]},
        "keeps every row of the spine",
        "join it left",
    ),
    # Wrong on purpose.
    (lambda: {"features": [Join(visits.select("pages"), BY_CUSTOMER, prefix=3)]}, "prefix of visits.v1 is 3", "text"),  # type: ignore[arg-type]
    (
        lambda: {"features": [Join(visits.select("pages"), BY_CUSTOMER, prefix="__n0_")]},
        "'__n0_pages' does not match",
        "name the column",
    ),
    (
        lambda: {"features": [visits.select("pages"), Join(products.select("price"), on=(("customer", "product"),))]},
        "'customer' would be int64 for visits.v1 and string for products.v1",
        "another column of the spine",
    ),
    (
        lambda: {"features": [Join(visits.select("pages"), on=(("asked_at", "customer"),))]},
        "names the spine's instants and a key",
        "event_time=",
    ),
    (
        lambda: {"features": [visits.select("pages", "at"), Join(purchases.select("at"), BY_CUSTOMER)]},
        "'at' would name both visits.v1's 'at' and purchases.v1's 'at'",
        "prefix='purchases_'",
    ),
    (
        lambda: {"features": [visits.select("customer")]},
        "'customer' would name both a key of the spine and",
        "select one of them only",
    ),
    (lambda: {"training_helpers": ["pages"]}, "'pages' names both visits.v1's 'pages' and a column", "rename one"),
    (lambda: {"training_helpers": ["weight", "weight"]}, "'weight' names both", "rename one"),
    (lambda: {"labels": ["asked_at"]}, "'asked_at' names both the spine's instants", "rename one"),
    (lambda: {"labels": ["Is minor"]}, "does not match", "'is_minor'"),
    (lambda: demand(lambda: nw.col("pages") * 1.0, name="pages"), "'pages' names both", "rename one"),
    (lambda: {"features": [ages.select("band")], "labels": []}, "ages.v1 is restricted", "to labels="),
    (
        lambda: {"inference_helpers": [ages.select("band")], "training_helpers": []},
        "ages.v1 is restricted",
        "to labels=",
    ),
    (
        lambda: {"features": [visits.select("pages").join(ages.select("band"))], "training_helpers": []},
        "ages.v1 is restricted",
        "training_helpers=",
    ),
    (
        lambda: history(restricted.select("pages"), on="customer"),
        "restricted",
        "another group",
    ),
    (
        lambda: {"features": [customers.select_all()]},
        "'school' gives the label 'is_minor' away",
        "select_except('school'",
    ),
    (
        lambda: of(customers.select("country").filter(customers["school"].isin([False]))),
        "'school' gives the label 'is_minor' away",
        "in filters and joins too",
    ),
    (
        lambda: of(
            visits.select("pages").join(customers.select("country").filter(customers["school"].isin([True]))),
            labels="is_minor",
        ),
        "'school' gives the label 'is_minor' away",
        "in filters and joins too",
    ),
    (lambda: history(told.select("school"), on="customer"), "'school' gives the label", "leave it out"),
    (
        lambda: of(Join(visits.select("seconds"), BY_CUSTOMER, prefix="last_"), labels=visits.select("seconds")),
        "'seconds' is a feature and a label",
        "leave it out of one",
    ),
    (lambda: {"known": "as_of_event"}, "does not keep what was known when", "corrections='keep'"),
    (
        lambda: of(
            kept.select("pages"), labels=[], known="as_of_event", **history(purchases.select("line"), on="customer")
        ),
        "purchases.v1 does not keep",
        "corrections='keep'",
    ),
    (lambda: {"max_age": {kept: DAY}}, "max_age names kept_visits.v1, which it does not read", "one of its groups"),
    (lambda: {"max_age": {"visits": DAY}}, "max_age names visits, which it does not read", "one of its groups"),
    (lambda: {"source_delay": {customers: DAY}}, "which is static", "leave it out"),
    (lambda: {"max_age": {visits: -DAY}}, "max_age of visits.v1 is -1 day", "zero or more"),
    (
        lambda: {"histories": {"Bought": History(purchases.select("amount"), on="customer")}},
        "does not match",
        "history",
    ),
    (lambda: history(purchases.select(), on="customer"), "no plain query", "select(...)"),
    (lambda: history(customers.select("country"), on="customer"), "static", "event time"),
    (lambda: history(purchases.select("amount"), on=[]), "has on=[]", "name columns"),
    (lambda: history(purchases.select("amount"), on=3), "has on=3", "name columns"),
    (lambda: history(purchases.select("amount"), on="line"), "'line' is not in", "correct on="),
    (lambda: history(purchases.select("amount"), "customer", True), "last=True", "from 1 up"),
    (lambda: history(purchases.select("amount"), "customer", 0), "last=0", "from 1 up"),
    (lambda: demand(lambda: nw.col("page") * 1.0), "'made' cannot be computed", "correct its expression"),
    (lambda: demand(lambda: nw.col("is_minor") * 1.0), "'made' cannot be computed", "correct its expression"),
    (lambda: demand(lambda: nw.col("pages")), "'made' is int64, not float64", "cast it"),
    (lambda: demand(lambda: nw.col("pages") * 1.0, kind="real"), "'made' cannot be computed", "correct its"),
    (lambda: demand(lambda: nw.col("seconds") - nw.col("seconds").mean()), "looks at other rows", "training part"),
    (lambda: demand(lambda: nw.col("seconds").rank()), "looks at other rows", "compute it in the group"),
    (lambda: demand(lambda: nw.col("seconds").mean().over("pages")), "looks at other rows", "compute it in the group"),
    (lambda: demand(lambda: nw.col("seconds").shift(1)), "Order-dependent expressions", "correct its expression"),
]


@pytest.mark.parametrize(("options", "said", "fix"), REFUSED, ids=[f"{said[:50]}" for _, said, _ in REFUSED])
def test_what_cannot_be_meant_is_refused_with_the_way_out(
    options: Callable[[], dict[str, Any]], said: str, fix: str
) -> None:
    with pytest.raises(InvalidDeclaration) as error:
        minors(**options())
    assert said in error.value.what
    assert fix in error.value.next_step
    assert error.value.where.startswith("feature view")


def test_a_view_knows_its_columns_by_role_its_keys_and_its_contract() -> None:
    view = minors()

    assert view.names("features") == ("pages", "seconds", "last_amount", "last_price", "last_kind", "country", "haste")
    assert view.names("labels") == ("is_minor",)
    assert view.names("training_helpers") == ("band", "weight")
    assert {name: spec.type for name, spec in view.spine_keys.items()} == {"customer": "int64"}
    assert [g.id for g in view.groups] == ["visits_v1", "purchases_v1", "products_v1", "customers_v1", "ages_v1"]
    assert view.entity == ("customer",)
    spec = view.spec
    assert spec.by_name["seconds"].unit == "s"
    assert spec.by_name["haste"].type == "float64"
    assert all(column.nullable for column in spec.columns)


def test_a_proxy_is_refused_only_where_its_label_is_predicted() -> None:
    view = minors(**of(customers.select("school"), labels=["bought"]))
    assert view.feature_names == ("school",)
    assert minors(**of(customers.select("country"), labels="is_minor")).names("labels") == ("is_minor",)


def test_two_keys_of_one_group_are_told_apart_by_a_prefix() -> None:
    view = minors(
        **of(visits.select("pages"), Join(visits.select("pages"), (("friend", "customer"),), prefix="friend_"))
    )
    assert view.feature_names == ("pages", "friend_pages")
    assert list(view.spine_keys) == ["customer", "friend"]


HOSTILE = "\"><script>alert('1')</script><img src=x onerror=alert(2)>"


def test_a_view_shows_itself_as_text_and_as_a_page_with_a_picture(own_shop: FeatureStore) -> None:
    stored = own_shop.get_or_create_feature_view(minors(max_age={visits: 3 * DAY}, source_delay={purchases: DAY}))
    text = str(stored)

    assert text == repr(stored.describe())
    for line in (
        "minors v1: Is this customer a minor?",
        "asked_at; event times at or before them count",
        "max age of visits.v1",
        "3 days",
        "bought",
        "product, amount of purchases.v1",
    ):
        assert line in text
    assert re.search(r"seconds +float64 +feature +visits.v1 +s", text)
    assert re.search(r"haste +float64 +feature +computed on demand +How fast", text)
    assert re.search(r"weight +training helper +the spine", text)
    page = stored._repr_html_()
    assert all(f">{name}<" in page for name in ("pages", "last_kind", "is_minor", "weight"))
    told = "".join(ElementTree.fromstring(stored.describe().picture).itertext())
    for shown in ("spine", "visits.v1", "products.v1", "ages.v1: label", "history bought", "visible 1 day", "customer"):
        assert shown in told


class Odd(Visit):
    """One row per customer and visit."""

    pages: int = pa.Field(description=HOSTILE)


odd = group("odd_visits", Odd, ["customer"], "at", description=HOSTILE)


def test_a_hostile_description_is_text_wherever_it_is_shown(own_shop: FeatureStore) -> None:
    twice = OnDemand("twice", "int64", lambda: nw.col("pages") * 2, HOSTILE)
    view = minors(**of(odd.select("pages"), labels=[], description=HOSTILE, owner=HOSTILE) | {"transforms": [twice]})
    stored = own_shop.get_or_create_feature_view(view)

    page = stored._repr_html_()
    assert page.count("&lt;script&gt;") == 4
    assert "<script" not in page
    assert "<img" not in page
    ElementTree.fromstring(f"<html>{page}</html>")
    assert HOSTILE in str(stored)


def test_declared_again_a_view_is_the_same_one_and_its_description_may_change(own_shop: FeatureStore) -> None:
    for view in (minors(), minors(), minors(description="Whose parents must agree?", owner="legal", tags={"a": "b"})):
        assert own_shop.get_or_create_feature_view(view).name == "minors"
    log = own_shop.metadata.entries("views/minors_v1/declarations")
    assert [entry["owner"] for entry in log] == ["trust", "legal"]


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"features": FEATURES[:2], "transforms": []}, "features"),
        ({"strict": True}, "strict"),
        ({"max_age": {visits: DAY}}, "max_age"),
        ({"source_delay": {visits: DAY}}, "source_delay"),
        ({"labels": ["is_minor"]}, "labels"),
        ({"event_time": "t"}, "event_time"),
        ({"transforms": [OnDemand("haste", "float64", lambda: nw.col("pages") + nw.col("seconds"))]}, "transforms"),
        ({"histories": {"bought": History(purchases.select("product", "amount"), on="customer", last=9)}}, "histories"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_what_a_view_gives_never_changes_within_a_version(
    own_shop: FeatureStore, options: dict[str, Any], said: str
) -> None:
    own_shop.get_or_create_feature_view(minors())
    with pytest.raises(DeclarationChanged, match=f"~ {said} was ") as error:
        own_shop.get_or_create_feature_view(minors(**options))
    assert "version 2" in error.value.next_step
    assert own_shop.get_or_create_feature_view(minors(**options, version=2)).version == 2
    assert len(own_shop.metadata.entries("views/minors_v1/declarations")) == 1


def rows_of(group: Any, store: FeatureStore) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = store.get_or_create_feature_group(group).read(engine="polars").collect().to_dicts()
    return found


def test_a_query_is_read_with_what_the_joined_groups_said_at_each_event(shop: FeatureStore) -> None:
    query = (
        purchases.select("product", "amount").join(visits.select("pages"), on="customer").join(products.select("price"))
    )
    made = shop.read(query).collect()

    visited, prices = rows_of(visits, shop), {row["product"]: row["price"] for row in rows_of(products, shop)}
    expected = []
    for bought in rows_of(purchases, shop):
        before = [v for v in visited if v["customer"] == bought["customer"] and v["at"] <= bought["at"]]
        pages = max(before, key=lambda v: v["at"])["pages"] if before else None
        expected.append((bought["product"], bought["amount"], pages, prices.get(bought["product"])))
    assert made.columns == ["product", "amount", "pages", "price"]
    assert sorted(made.rows(), key=repr) == sorted(expected, key=repr)


def test_a_filter_on_the_first_group_of_a_query_keeps_its_rows_only(shop: FeatureStore) -> None:
    busy = visits.select("customer", "pages").filter(visits["pages"] > 50)
    with_country = busy.join(customers.select("country"))

    expected = sorted((row["customer"], row["pages"]) for row in rows_of(visits, shop) if row["pages"] > 50)
    for query in (busy, with_country):
        assert sorted(shop.read(query).select("customer", "pages").collect().rows()) == expected


def test_an_inner_join_of_a_query_drops_rows_and_inside_another_join_only_its_values(shop: FeatureStore) -> None:
    bought = rows_of(purchases, shop)
    known = [row for row in bought if row["product"] != "p8"]
    inner = shop.read(purchases.select("line").join(products.select("price"), how="inner")).collect()
    assert inner.height == len(known) < len(bought)

    cheap = products.select("price").filter(products["price"] < 3)
    newest = purchases.select("line", "product").join(cheap, how="inner")
    made = shop.read(customers.select("customer").join(newest, on="customer", prefix="last_")).collect()
    assert made.height == CUSTOMERS
    for who, line, product, price in made.rows():
        last = max((r for r in bought if r["customer"] == who), key=lambda r: (r["at"], r["line"]))
        counts = last["product"] in ("p0", "p1", "p2")
        assert (line, product) == ((last["line"], last["product"]) if counts else (None, None))
        assert price == (float(product[1]) if counts else None)


def test_what_is_reached_through_a_row_that_is_not_there_is_not_there(shop: FeatureStore) -> None:
    long = visits.select("seconds").filter(visits["seconds"] > 80).join(customers.select("country"))
    made = shop.read(customers.select("customer").join(long, on="customer", prefix="long_")).collect()

    assert 0 < made["long_seconds"].null_count() < CUSTOMERS
    assert made["long_country"].is_null().equals(made["long_seconds"].is_null())


def test_a_static_group_is_read_with_what_was_said_at_the_clock(shop_lake: Any) -> None:
    query = customers.select("customer").join(visits.select("pages"), on="customer")
    for days, pages in ((-1, None), (0, 0), (2.5, 2), (9, 5)):
        store = opened(shop_lake, clock=lambda now=days: at(now))  # type: ignore[misc]  # bound at once
        made = store.read(query).collect()
        assert dict(made.rows())[0] == pages


def test_a_query_is_read_at_an_instant(own_shop: FeatureStore) -> None:
    query = customers.select("customer", "country")
    with pytest.raises(AlluviaError, match="Nothing was committed by"):
        own_shop.read(query, START - 365 * 99 * DAY)
    assert own_shop.read(query, datetime.now(UTC)).collect().height == CUSTOMERS


def test_scoring_data_has_features_and_what_the_spine_brought_but_no_labels(own_shop: FeatureStore) -> None:
    view = own_shop.get_or_create_feature_view(minors(inference_helpers=[visits.select("at"), "ticket"]))
    made = view.get_batch_data(spine()).collect()

    assert made.columns == [
        *("customer", "asked_at", "weight", "ticket"),
        *("pages", "seconds", "last_amount", "last_price", "last_kind", "country", "haste", "at"),
    ]
    assert made.select("customer", "asked_at", "weight", "ticket").equals(spine())
    assert made["haste"].equals(made["pages"] / made["seconds"], null_equal=True)
    with pytest.raises(SchemaMismatch, match="'ticket' is missing"):
        view.get_batch_data(spine().drop("ticket"))


def test_scoring_data_without_a_spine_is_of_the_first_features_rows_between_two_instants(
    own_shop: FeatureStore,
) -> None:
    view = own_shop.get_or_create_feature_view(minors())
    made = view.get_batch_data(start=at(1), end=at(3)).collect()

    expected = sorted(
        (v["customer"], v["at"], v["pages"]) for v in rows_of(visits, own_shop) if at(1) <= v["at"] < at(3)
    )
    assert sorted(made.select("customer", "asked_at", "pages").rows()) == expected
    assert view.get_batch_data().collect().height == len(rows_of(visits, own_shop))
    assert view.get_batch_data(start=at(99)).collect().height == 0


def test_what_scoring_data_is_asked_for_must_be_meant(own_shop: FeatureStore) -> None:
    view = own_shop.get_or_create_feature_view(minors())
    with pytest.raises(InvalidDeclaration, match="A spine was given, and start or end"):
        view.get_batch_data(spine(), start=START)
    with pytest.raises(InvalidDeclaration, match="no instant"):
        view.get_batch_data(end=datetime(2026, 1, 1))
    static = own_shop.get_or_create_feature_view(minors(**of(customers.select("country")), name="static"))
    with pytest.raises(InvalidDeclaration, match="static: its rows say whom, but not when"):
        static.get_batch_data()


def test_feature_vectors_are_the_scoring_data_of_each_entry(own_shop: FeatureStore) -> None:
    view = own_shop.get_or_create_feature_view(minors())
    now = own_shop.clock()
    entries = [{"customer": 7}, {"customer": 4, "asked_at": at(0.5)}, {"customer": -1}, {"customer": None}]
    made = view.get_feature_vectors(entries)

    frame = pl.DataFrame(
        {"customer": [7, 4, -1, None], "asked_at": [now, at(0.5), now, now]},
        schema_overrides={"asked_at": pl.Datetime("us", "UTC")},
    )
    assert made.equals(view.get_batch_data(frame).collect().select(made.columns), null_equal=True)
    assert made.columns == list(minors().feature_names)
    assert view.get_feature_vector(entries[1]) == made.row(1, named=True)
    assert set(made.row(2)) == set(made.row(3)) == {None}
    with pytest.raises(SchemaMismatch, match="'customer' is missing"):
        view.get_feature_vector({"client": 7})


def test_scoring_data_is_read_at_the_versions_named(own_shop: FeatureStore) -> None:
    view = own_shop.get_or_create_feature_view(minors(histories={"seen": History(visits.select("pages"), "customer")}))
    before = {group: pin.version for group, pin in view.served_versions().items()}
    made, seen = view.get_batch_data(spine()).collect(), view.get_batch_history("seen", spine()).collect()
    changed = own_shop.get_or_create_feature_group(visits).read().with_columns(pl.col("pages") + 1)
    own_shop.get_or_create_feature_group(visits).insert(changed)

    assert "visits_v1" in before
    assert view.served_versions()["visits_v1"].version == before["visits_v1"] + 1
    assert view.get_batch_data(spine(), as_of=before).collect().equals(made)
    assert view.get_batch_history("seen", spine(), as_of=before).collect().equals(seen)
    assert view.get_batch_data(spine()).collect()["pages"].equals(made["pages"] + 1)
    with pytest.raises(AlluviaError, match="Version 99 is not there"):
        view.get_batch_data(spine(), as_of={"visits_v1": 99})


def test_a_history_for_scoring_is_that_of_a_training_dataset(own_shop: FeatureStore, engine: str) -> None:
    view = own_shop.get_or_create_feature_view(minors(histories={"seen": History(visits.select("pages"), "customer")}))
    dataset = view.create_training_dataset(spine())
    made = view.get_batch_history("seen", spine(), engine=engine)  # type: ignore[arg-type]  # one of the literals
    rows = made.collect() if isinstance(made, pl.LazyFrame) else pl.DataFrame(made.toArrow())

    assert rows.sort("__row", "__event").drop("__event").equals(dataset.history("seen"))
    with pytest.raises(InvalidDeclaration, match=r"no history 'sen'\. Did you mean 'seen'"):
        view.get_batch_history("sen", spine())
    manifest = dataset.manifest
    assert view.contract == manifest["declaration"]


def test_scoring_leaves_nothing_behind(own_shop: FeatureStore) -> None:
    view = own_shop.get_or_create_feature_view(minors())
    view.get_batch_data(spine().lazy()).collect()
    view.get_batch_data(start=START).collect()
    with pytest.raises(SchemaMismatch):
        view.get_batch_data(spine().lazy().drop("customer"))
    assert not list((own_shop.lake / "spool").iterdir())
    assert not (own_shop.lake / "training_datasets").exists()
