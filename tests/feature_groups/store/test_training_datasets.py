"""Training datasets: numbered, pinned, split, guarded, damaged, and made again to the last bit."""

from __future__ import annotations

import json
import logging
import math
import shutil
from collections.abc import Callable
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
from polars.testing import assert_frame_equal

from children import start
from dataset_maker import SPLIT, make
from feature_groups.store import (
    EntityTimeSplit,
    FeatureStore,
    HashSplit,
    Join,
    KFold,
    StoredFeatureView,
    TimeSplit,
    TrainingDataset,
)
from feature_groups.store.errors import (
    DatasetDamaged,
    DatasetDiffers,
    NoSuchVersion,
    SplitRefused,
    TableDamaged,
    UnknownTrainingDataset,
)
from feature_groups.store.pins import Pins
from shop import CUSTOMERS, DAY, START, minors, opened, products, purchases, spine, visits
from visits import in_memory

TIMED = TimeSplit(validation_from=START + 2 * DAY, test_from=START + 3 * DAY, embargo=timedelta(hours=6))
FOLDS = KFold(3, stratify="is_minor")


@pytest.fixture
def view(own_shop: FeatureStore) -> StoredFeatureView:
    return own_shop.get_or_create_feature_view(minors())


@pytest.fixture(scope="module")
def made_lake(shop_lake: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The shop with one dataset; copied, never written."""
    lake = tmp_path_factory.mktemp("made") / "lake"
    shutil.copytree(shop_lake, lake, ignore=shutil.ignore_patterns("views", "training_datasets", "pins"))
    make(lake)
    return lake


@pytest.fixture
def made(made_lake: Path, tmp_path: Path) -> tuple[StoredFeatureView, TrainingDataset]:
    """The view and its dataset, in a lake of the test's own."""
    shutil.copytree(made_lake, tmp_path / "made")
    stored = opened(tmp_path / "made").get_or_create_feature_view(minors())
    return stored, stored.get_training_dataset(1)


def contents(dataset: TrainingDataset) -> dict[str, str]:
    """The content hash of every part and history."""
    found = {**dataset.manifest["parts"], **dataset.manifest["histories"]}
    return {name: part["content"] for name, part in found.items()}


def left(lake: Path) -> list[Path]:
    """What lies in the spool, and folders of datasets that no manifest names."""
    spooled = list((lake / "spool").iterdir())
    manifests = [json.loads(p.read_text()) for p in (lake / "metadata" / "views").rglob("datasets/*.json")]
    named = {manifest["folder"] for manifest in manifests}
    return spooled + [p for p in (lake / "training_datasets").glob("*/*") if p.name not in named]


def test_the_same_pins_spine_split_and_seed_give_the_number_that_is_there(
    own_shop: FeatureStore, view: StoredFeatureView
) -> None:
    first = view.create_training_dataset(spine(), split=SPLIT, seed=3)
    same: list[Any] = [spine(), spine().lazy(), spine().to_pandas(), spine().to_arrow(), spine().to_dicts()]
    same += [spine().with_columns(pl.col("asked_at").dt.convert_time_zone("Asia/Kolkata"))]
    assert [view.create_training_dataset(s, split=SPLIT, seed=3).number for s in same] == [1] * len(same)

    others: list[tuple[Any, dict[str, Any]]] = [
        (spine(), {"split": SPLIT, "seed": 4}),
        (spine(), {"split": HashSplit(0.6, 0.3, 0.1), "seed": 3}),
        (spine(), {}),
        (spine().reverse(), {"split": SPLIT, "seed": 3}),
        (spine()[:-1], {"split": SPLIT, "seed": 3}),
        (spine().with_columns(weight=pl.lit(0.5)), {"split": SPLIT, "seed": 3}),
        (spine().drop("ticket"), {"split": SPLIT, "seed": 3}),
    ]
    numbers = [view.create_training_dataset(s, **options).number for s, options in others]
    assert numbers == [2, 3, 4, 5, 6, 7, 8]
    assert [view.create_training_dataset(s, **options).number for s, options in others] == numbers
    assert view.create_training_dataset(spine(), seed=9).number == 4  # no split, so the seed decides nothing
    assert [dataset.number for dataset in view.training_datasets()] == list(range(1, 9))
    reopened = opened(own_shop.lake).get_or_create_feature_view(minors(description="The same, told otherwise."))
    assert reopened.create_training_dataset(spine(), split=SPLIT, seed=3).manifest == first.manifest
    assert not left(own_shop.lake)


def test_features_labels_helpers_and_spine_are_kept_apart_and_rows_in_order(view: StoredFeatureView) -> None:
    dataset = view.create_training_dataset(spine())
    part = dataset.split()
    features, labels = part

    assert features.columns == list(minors().feature_names)
    assert labels.columns == ["is_minor"]
    assert part.helpers.columns == ["band", "weight"]
    assert part.spine.columns == ["customer", "asked_at", "ticket"]
    assert_frame_equal(
        pl.concat([part.spine, part.helpers.select("weight")], how="horizontal").select(spine().columns), spine()
    )
    assert_frame_equal(features, view.get_batch_data(spine()).collect().select(features.columns))
    assert labels["is_minor"].to_list() == [c % 5 == 0 for c in spine()["customer"]]
    assert dataset.frame().columns[0] == "__row"
    assert dataset.manifest["left_out"] == 0


SPLITS: dict[str, tuple[Any, Callable[[dict[str, Any]], str | None]]] = {
    "time": (
        TIMED,
        lambda row: "train" if row["asked_at"] < START + 1.75 * DAY
        else "validation" if START + 2 * DAY <= row["asked_at"] < START + 2.75 * DAY
        else "test" if row["asked_at"] >= START + 3 * DAY else None,
    ),
    "entity": (SPLIT, lambda row: None),
    "both": (EntityTimeSplit(HashSplit(0.5, 0, 0.5), TimeSplit(test_from=START + 2 * DAY)), lambda row: None),
    "folds": (FOLDS, lambda row: None),
}  # fmt: skip


@pytest.mark.parametrize("kind", SPLITS)
def test_every_row_is_in_the_part_that_the_rule_says_and_in_no_other(view: StoredFeatureView, kind: str) -> None:
    split, expected = SPLITS[kind]
    dataset = view.create_training_dataset(spine(times=4), split=split, seed=1)
    frames = {name: dataset.frame(name) for name in dataset.parts}

    assert dataset.parts == split.names
    given = spine(times=4).with_columns(is_minor=pl.col("customer") % 5 == 0)
    parts = split.assign(given, entity=("customer",), time="asked_at", seed=1)
    for name, frame in frames.items():
        assert frame["__row"].to_list() == [row for row, part in enumerate(parts) if part == name]
        assert_frame_equal(frame.select(spine().columns), spine(times=4)[frame["__row"].to_list()])
        assert dataset.manifest["parts"][name]["rows"] == frame.height > 0
        assert dataset.manifest["parts"][name]["entities"] == frame["customer"].n_unique()
    assert dataset.manifest["left_out"] == parts.null_count()
    if kind == "time":
        assert parts.to_list() == [expected(row) for row in given.to_dicts()]
        assert parts.null_count() > 0
    else:
        customers_of = [set(frame["customer"]) for frame in frames.values()]
        assert sum(map(len, customers_of)) == len(set().union(*customers_of))


def test_folds_hold_the_same_mix_of_labels_and_every_row_is_predicted_once(view: StoredFeatureView) -> None:
    dataset = view.create_training_dataset(spine(), split=FOLDS, seed=1)
    tested = []
    for fit, test in dataset.folds():
        assert set(fit.spine["ticket"]).isdisjoint(test.spine["ticket"])
        assert len(fit.spine) + len(test.spine) == spine().height
        assert fit.spine["ticket"].to_list() == [t for t in spine()["ticket"] if t in set(fit.spine["ticket"])]
        minors_in = test.spine.filter(pl.Series(test.labels["is_minor"]))["customer"].n_unique()
        assert minors_in in (6, 7)  # 20 of 100 customers, dealt to three folds
        tested += test.spine["ticket"].to_list()
    assert sorted(tested) == sorted(spine()["ticket"])


def test_a_part_is_handed_over_in_the_form_asked_for(made: tuple[StoredFeatureView, TrainingDataset]) -> None:
    _, dataset = made
    frame = dataset.train.features
    for form, kind in (("pandas", pd.DataFrame), ("arrow", pa.Table), ("numpy", np.ndarray)):
        part = dataset.split("train", form)  # type: ignore[arg-type]  # one of the literals
        assert all(isinstance(found, kind) for found in (part.features, part.labels, part.helpers, part.spine))
        assert part.features.shape == frame.shape
        assert str(frame.shape[0]) in repr(part)
    assert_frame_equal(pl.DataFrame(dataset.split("train", "arrow").features), frame)
    assert dataset.split("train", "pandas").features["country"].tolist() == frame["country"].to_list()
    assert dataset.split("train", "numpy").labels[:, 0].tolist() == dataset.train.labels["is_minor"].to_list()
    assert dataset.scan("train").sort("__row").collect().equals(dataset.frame("train"))


def test_a_history_holds_every_event_before_the_instant(made: tuple[StoredFeatureView, TrainingDataset]) -> None:
    view, dataset = made
    bought: pl.DataFrame = view._store.get_or_create_feature_group(purchases).read().collect()
    expected = []
    for row, (who, t) in enumerate(spine().select("customer", "asked_at").rows()):
        mine = bought.filter(pl.col("customer") == who, pl.col("at") < t).sort("at", "line")
        expected += [(row, product, amount) for product, amount in mine.select("product", "amount").rows()]
    assert dataset.history("bought").rows() == expected


def test_what_is_not_there_is_said_with_what_is(made: tuple[StoredFeatureView, TrainingDataset]) -> None:
    view, dataset = made
    for odd in (0, 2, -1, True, "1", 1.0):
        with pytest.raises(UnknownTrainingDataset, match="it has 1 to 1"):
            view.get_training_dataset(odd)  # type: ignore[arg-type]  # wrong on purpose
    with pytest.raises(UnknownTrainingDataset, match=r"no part 'all'.* There is: test, train, validation"):
        dataset.split()
    with pytest.raises(UnknownTrainingDataset, match=r"no part 'tets'. Did you mean 'test'"):
        dataset.statistics("tets")
    with pytest.raises(UnknownTrainingDataset, match=r"no history 'sold'. Did you mean|There is: bought"):
        dataset.history("sold")
    empty = view._store.get_or_create_feature_view(minors(name="empty"))
    with pytest.raises(UnknownTrainingDataset, match="none yet"):
        empty.get_training_dataset(1)


def test_the_manifest_says_what_it_was_made_of(made: tuple[StoredFeatureView, TrainingDataset]) -> None:
    view, dataset = made
    manifest = dataset.manifest
    store = view._store
    for pin in manifest["pins"]:
        table = store.get_feature_group(pin["group"].removesuffix("_v1"), 1).table
        state = store.writer.states.at(table)
        assert (pin["table_id"], pin["version"], pin["rows"]) == (state.table_id, state.version, state.rows)
        assert pin["fingerprint"] == f"{state.fingerprint:032x}"
        assert Pins(store.metadata).pinned(pin["group"]) == {(state.table_id, 1): ["training dataset minors_v1/1"]}
    assert manifest["split"] == SPLIT.to_json()
    assert manifest["seed"] == 3
    assert all(len(manifest[name]) >= 32 for name in ("code", "lock", "declaration", "spine_content", "digest"))
    assert set(manifest["contracts"]) == {g.id for g in minors().groups}
    for line in (
        "split     HashSplit(train=0.6",
        "part      train ",
        "visits_v1 at version 1, 600 rows",
        "drift     train to",
    ):
        assert line in repr(dataset)
    page = dataset._repr_html_()
    assert all(f">{word}<" in page for word in ("train", "purchases_v1", "country"))


def test_statistics_are_of_each_part_and_drift_is_between_them(view: StoredFeatureView) -> None:
    dataset = view.create_training_dataset(spine(), split=TIMED)
    for name in dataset.parts:
        frame, found = dataset.frame(name), dataset.statistics(name)
        assert found.rows == frame.height
        assert found["pages"].mean == pytest.approx(frame["pages"].mean())
        assert found["seconds"].nulls == frame["seconds"].null_count()
        assert dict(found["country"].top) == dict(frame["country"].drop_nulls().value_counts().rows())
    drift = dataset.drift()
    train, test = dataset.frame("train"), dataset.frame("test")
    # A number here.
    spread = math.sqrt((train["pages"].var() + test["pages"].var()) / 2)  # type: ignore[operator, arg-type]
    # A number here.
    assert drift["pages"].size == pytest.approx((test["pages"].mean() - train["pages"].mean()) / spread)  # type: ignore[operator]
    assert drift["pages"].nulls == (
        train["pages"].null_count() / train.height,
        test["pages"].null_count() / test.height,
    )
    shares = [[(n + 0.5) / (frame.height + 2) for n in [*counts(frame, "country"), 0]] for frame in (train, test)]
    index = sum((p - q) * math.log(p / q) for p, q in zip(*shares, strict=True))
    assert drift["country"].size == pytest.approx(index)
    assert [f.name for f in drift.features if f.large] == [f.name for f in drift.features if abs(f.size or 0) >= 0.25]
    sizes = [abs(feature.size) for feature in drift.features if feature.size is not None]
    assert sizes == sorted(sizes, reverse=True)
    assert {feature.name for feature in drift.features} == set(minors().feature_names)
    assert "pages" in repr(drift)
    assert "<td>pages</td>" in dataset._repr_html_()
    assert max(abs(f.size or 0) for f in dataset.drift("train").features) == 0


def counts(frame: pl.DataFrame, column: str) -> list[int]:
    return [n for _, n in sorted(frame[column].value_counts().rows())]


@pytest.mark.parametrize("entity", [["customer"], ["customer", "product"]])
def test_entities_are_counted_once_each_and_those_without_a_key_as_one(
    own_shop: FeatureStore, entity: list[str]
) -> None:
    features = [visits.select("pages"), products.select("price")]
    declared = minors(name="counted", entity=entity, features=features, transforms=[], histories={})
    asked = spine().with_columns(
        customer=pl.when(pl.col("customer") > 2).then("customer"), product="p" + pl.col("ticket").str.tail(1)
    )
    dataset = own_shop.get_or_create_feature_view(declared).create_training_dataset(asked)
    assert dataset.manifest["parts"]["all"]["entities"] == asked.n_unique(entity)


def test_rows_that_serve_several_parts_are_counted(view: StoredFeatureView) -> None:
    by_entity = view.create_training_dataset(spine(times=4), split=SPLIT)
    found = {tuple(look["columns"]): look for look in by_entity.manifest["look_ups"]}
    shared = {columns: look["shared"] for columns, look in found.items() if look["shared"]}
    bought = {name: set(by_entity.frame(name)["last_price"].drop_nulls()) for name in by_entity.parts}
    prices = [price for price in range(8) if sum(price in seen for seen in bought.values()) > 1]
    assert shared == {("last_price", "last_kind"): len(prices)}
    assert f"{len(prices)} rows in several parts" in repr(by_entity)

    by_time = view.create_training_dataset(spine(times=4), split=TIMED)
    parts = {name: set(by_time.frame(name)["customer"]) for name in by_time.parts}
    several = sum(1 for who in range(CUSTOMERS) if sum(who in seen for seen in parts.values()) > 1)
    country = next(look for look in by_time.manifest["look_ups"] if look["columns"] == ["country"])
    assert country["shared"] == several


@pytest.mark.parametrize(
    "split", [HashSplit(by=["ticket"]), KFold(2, by=["ticket"])], ids=lambda split: type(split).__name__
)
def test_a_split_that_gives_rows_of_one_entity_to_several_parts_is_refused(
    view: StoredFeatureView, own_shop: FeatureStore, split: Any
) -> None:
    with pytest.raises(
        SplitRefused, match=r"(?s)By ticket, \d+ rows of visits_v1, which is looked up by the entity customer"
    ) as error:
        view.create_training_dataset(spine(times=4), split=split)
    assert "household" in error.value.next_step
    assert not view.training_datasets()
    assert not left(own_shop.lake)
    whole = spine().with_columns(household=pl.col("customer") // 4)
    assert view.create_training_dataset(whole, split=replace(split, by=["household"])).number == 1


def test_what_to_look_at_before_training_is_counted_and_said(
    own_shop: FeatureStore, caplog: pytest.LogCaptureFixture
) -> None:
    options = {"name": "warned", "source_delay": {visits: 2 * DAY}, "training_helpers": [], "histories": {}}
    label = Join(purchases.select("line"), on=(("customer", "customer"),))
    declared = minors(
        **options, labels=[label], features=[visits.select("pages"), products.select("price")], transforms=[]
    )
    asked = spine().with_columns(product=pl.when(pl.col("customer") < 30).then(pl.lit("p1")).otherwise(pl.lit("p99")))
    with caplog.at_level(logging.WARNING):
        dataset = own_shop.get_or_create_feature_view(declared).create_training_dataset(asked)

    frame = dataset.frame()
    looks = {look["group"]: look for look in dataset.manifest["look_ups"]}
    assert looks["products_v1"]["without"] == frame["price"].null_count() > asked.height / 2
    for found, group in ((looks["visits_v1"], visits), (looks["purchases_v1"], purchases)):
        newest = own_shop.get_or_create_feature_group(group).read().select(pl.col("at").max()).collect().item()
        assert found["later"] == asked.filter(pl.col("asked_at") > newest + timedelta(microseconds=1)).height > 0
    early = looks["purchases_v1"]["early"]
    happened = own_shop.get_or_create_feature_group(purchases).read().collect()
    visited = own_shop.get_or_create_feature_group(visits).read().collect()
    expected = 0
    for who, t in asked.select("customer", "asked_at").rows():
        labels = happened.filter(pl.col("customer") == who, pl.col("at") <= t)["at"]
        features = visited.filter(pl.col("customer") == who, pl.col("at") <= t - 2 * DAY)["at"]
        expected += bool(len(labels) and len(features) and labels.max() < features.max() + 2 * DAY)
    assert early == expected > 0
    for words in (
        "products_v1 (price) has nothing for",
        "later than the newest row of visits_v1",
        "labels happened before",
    ):
        assert words in caplog.text
        assert words in repr(dataset)
        assert words in dataset._repr_html_()


def test_instants_just_after_the_newest_event_are_not_later_than_the_data(own_shop: FeatureStore) -> None:
    newest = own_shop.get_or_create_feature_group(visits).read().select(pl.col("at").max()).collect().item()
    declared = minors(name="just_after", features=[visits.select("pages")], transforms=[], histories={})
    asked = spine().with_columns(asked_at=pl.lit(newest + timedelta(microseconds=1)))
    dataset = own_shop.get_or_create_feature_view(declared).create_training_dataset(asked)
    assert dataset.manifest["warnings"] == []


@pytest.fixture
def changed(made: tuple[StoredFeatureView, TrainingDataset]) -> tuple[StoredFeatureView, TrainingDataset]:
    """The dataset, after new, late, corrected and deleted rows."""
    view, dataset = made
    group = view._store.get_or_create_feature_group(visits)
    rows = group.read().collect()
    late = rows.with_columns(pl.col("at") - timedelta(minutes=7), pages=pl.lit(-7))
    group.insert(late)
    group.insert(pl.concat([late.with_columns(pages=pl.lit(-8)), rows.with_columns(pages=pl.lit(-1))]))
    view._store.get_or_create_feature_group(purchases).delete_rows(
        pl.DataFrame({"customer": [1, 2, 3], "product": ["p1", "p2", "p3"]})
    )
    return view, dataset


def test_a_dataset_is_made_again_to_the_last_bit_after_everything_changed(
    changed: tuple[StoredFeatureView, TrainingDataset],
) -> None:
    view, dataset = changed
    store = view._store
    parts = {name: dataset.frame(name) for name in dataset.parts}
    report = store.vacuum(retain=timedelta(0))
    held = {table.name: [(pin.version, pin.owners) for pin in table.pins] for table in report}
    assert held == {g.id: [(1, ("training dataset minors_v1/1",))] for g in minors().groups}
    assert "training dataset minors_v1/1" in repr(report)
    with pytest.raises(NoSuchVersion, match="retain 0:00:00"):
        store.get_or_create_feature_group(visits).read(2).collect()

    shutil.rmtree(dataset.folder / "parts")
    shutil.rmtree(dataset.folder / "histories")
    again = view.rebuild(1)
    assert contents(again) == contents(dataset)
    for name, frame in parts.items():
        assert_frame_equal(again.frame(name), frame, check_exact=True)
    assert not left(store.lake)

    newer = view.create_training_dataset(spine(), split=SPLIT, seed=3)
    assert newer.number == 2
    assert contents(newer) != contents(dataset)
    assert -1 in newer.frame("train")["pages"]
    before = datetime.fromisoformat(dataset.manifest["created_at"])
    assert view.create_training_dataset(spine(), split=SPLIT, seed=3, as_of=before).number == 1


def test_spark_makes_again_what_polars_made(made: tuple[StoredFeatureView, TrainingDataset]) -> None:
    view, dataset = made
    files = {name: dataset.paths(name) for name in dataset.files}
    dataset.paths("histories/bought")[0].unlink()
    again = view.rebuild(1, engine="spark")
    assert contents(again) == contents(dataset)
    assert again.paths("histories/bought") != files["histories/bought"]
    assert again.paths("parts/test") == files["parts/test"]
    assert again.history("bought").height == dataset.manifest["histories"]["bought"]["rows"]
    assert_frame_equal(in_memory(again.to_spark("train")).sort("__row"), again.frame("train"), check_exact=True)


@pytest.mark.slow
@pytest.mark.parametrize("split", [None, SPLIT, FOLDS], ids=["whole", "entity", "folds"])
def test_polars_makes_again_what_spark_made_of_more_than_fits(own_shop: FeatureStore, split: Any) -> None:
    large = opened(own_shop.lake, engine="auto", polars_rows=17, spark_buckets=2)
    of_spark = large.get_or_create_feature_view(minors()).create_training_dataset(spine(), split=split, seed=5)
    assert of_spark.manifest["engine"].startswith("spark (")
    again = own_shop.get_or_create_feature_view(minors()).rebuild(1, engine="polars")
    assert contents(again) == contents(of_spark)
    part = of_spark.parts[0]
    assert of_spark.statistics(part)["pages"].mean == pytest.approx(of_spark.frame(part)["pages"].mean())
    assert not left(own_shop.lake)


@pytest.mark.parametrize("split", [None, SPLIT, TIMED, FOLDS], ids=["whole", "entity", "time", "folds"])
def test_a_spine_larger_than_memory_goes_through_polars_in_slices(
    own_shop: FeatureStore, view: StoredFeatureView, tmp_path: Path, split: Any
) -> None:
    expected = view.create_training_dataset(spine(), split=split)
    shutil.copytree(
        own_shop.lake, tmp_path / "other", ignore=shutil.ignore_patterns("views", "training_datasets", "pins")
    )
    small = opened(tmp_path / "other", polars_rows=17).get_or_create_feature_view(minors())
    made = small.create_training_dataset(spine(), split=split, engine="polars")

    assert contents(made) == contents(expected)
    assert made.manifest["look_ups"] == expected.manifest["look_ups"]
    for name in made.parts:
        assert_frame_equal(made.frame(name), expected.frame(name), check_exact=True)
        assert made.statistics(name)["last_amount"] == expected.statistics(name)["last_amount"]
    assert_frame_equal(made.history("bought"), expected.history("bought"))
    assert contents(small.rebuild(1)) == contents(expected)
    assert not left(tmp_path / "other")
    scored = small.get_batch_data(spine(), engine="polars").collect()
    assert_frame_equal(scored, view.get_batch_data(spine()).collect(), check_exact=True)


def flip(path: Path) -> None:
    """Change one byte in the middle."""
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)


def cut(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-1])


HARM = {"was changed since it was written": flip, r"has [\d,]+ of [\d,]+ bytes": cut, "is gone": Path.unlink}


@pytest.mark.parametrize("said", HARM)
def test_a_damaged_part_is_named_and_made_again(made: tuple[StoredFeatureView, TrainingDataset], said: str) -> None:
    view, dataset = made
    whole = {name: dataset.frame(name) for name in dataset.parts}
    history = dataset.history("bought")
    for name in ("parts/test", "histories/bought"):
        HARM[said](dataset.paths(name)[0])
    for read in (lambda: dataset.test, lambda: dataset.history("bought")):
        with pytest.raises(DatasetDamaged, match=rf"(?s)part-0.parquet {said}.*Next: .*fv.rebuild\(1\)"):
            read()
    assert dataset.frame("train").equals(whole["train"])
    again = view.rebuild(1)
    assert all(again.frame(name).equals(frame) for name, frame in whole.items())
    assert again.history("bought").equals(history)
    assert view.get_training_dataset(1).frame("test").equals(whole["test"])


@pytest.mark.parametrize("said", HARM)
def test_a_damaged_spine_is_named_and_put_back_by_handing_it_over_again(
    made: tuple[StoredFeatureView, TrainingDataset], said: str
) -> None:
    view, dataset = made
    HARM[said](dataset.paths("spine")[0])
    with pytest.raises(DatasetDamaged, match=rf"(?s)spine/part-0.parquet {said}.*Next: .*same spine"):
        view.rebuild(1)
    assert dataset.frame("train").height  # the parts are whole
    assert view.create_training_dataset(spine(), split=SPLIT, seed=3).number == 1
    assert contents(view.rebuild(1)) == contents(dataset)


def test_what_cannot_be_made_again_says_what_is_gone(
    made: tuple[StoredFeatureView, TrainingDataset], shop_lake: Path
) -> None:
    view, dataset = made
    store = view._store
    table = Path(store.get_or_create_feature_group(visits).table.path)
    (data,) = table.glob("*.parquet")
    data.rename(table / "elsewhere")
    with pytest.raises(
        TableDamaged, match=rf"(?s)'visits' v1.*Version 1 cannot be read: the data file {data.name} is missing"
    ):
        view.rebuild(1)
    (table / "elsewhere").rename(data)
    assert contents(view.rebuild(1)) == contents(dataset)

    table.rename(table.parent / "elsewhere")
    with pytest.raises(DatasetDamaged, match="The table of visits_v1 is gone"):
        view.rebuild(1)
    store.get_or_create_feature_group(visits).insert(spine().select("customer", at="asked_at", pages=1, seconds=None))
    with pytest.raises(DatasetDamaged, match="The table of visits_v1 was made anew"):
        view.rebuild(1)
    assert dataset.frame("train").height
    assert not left(store.lake)


def test_a_dataset_that_comes_out_otherwise_is_not_taken_for_the_same(
    made: tuple[StoredFeatureView, TrainingDataset],
) -> None:
    view, dataset = made
    path = view._store.lake / "metadata/views/minors_v1/datasets/000001.json"
    manifest = json.loads(path.read_text())
    manifest["parts"]["test"]["content"] = "0" * 32
    path.write_text(json.dumps(manifest | {"lock": "another"}))
    with pytest.raises(DatasetDiffers, match=r"test differ in content. requirements.lock is another one"):
        view.rebuild(1)
    assert dataset.frame("test").height


def test_without_its_rows_a_dataset_is_numbered_and_pinned_and_they_are_made_when_asked_for(
    own_shop: FeatureStore, view: StoredFeatureView
) -> None:
    dataset = view.create_training_dataset(spine(), split=SPLIT, seed=3, materialize=False)
    assert [p.name for p in dataset.folder.iterdir()] == ["spine"]
    with pytest.raises(DatasetDamaged, match=r"(?s)materialize=False.*fv.rebuild\(1\)"):
        dataset.train  # noqa: B018  # to ask for it raises
    assert dataset.statistics("train").rows == dataset.manifest["parts"]["train"]["rows"]
    assert Pins(own_shop.metadata).pinned("visits_v1")

    again = view.create_training_dataset(spine(), split=SPLIT, seed=3)
    assert again.number == 1
    assert contents(again) == contents(dataset)
    assert again.train.features.height == again.statistics("train").rows
    assert again.history("bought").height == again.manifest["histories"]["bought"]["rows"]
    assert not left(own_shop.lake)


def test_two_processes_that_make_the_same_dataset_at_once_make_one(own_shop: FeatureStore, made_lake: Path) -> None:
    program = Path(__file__).parents[2] / "support" / "dataset_maker.py"
    makers = [start(program, own_shop.lake, "create", ALLUVIA_FAULTS="dataset.made:delay") for _ in range(2)]
    said = [maker.communicate("go\n", timeout=300) for maker in makers]
    assert [maker.returncode for maker in makers] == [0, 0], said
    known = opened(made_lake).get_or_create_feature_view(minors()).get_training_dataset(1)
    expected = {name: part["content"] for name, part in known.manifest["parts"].items()}
    assert [json.loads(out) for out, _ in said] == [[1, expected]] * 2
    view = own_shop.get_or_create_feature_view(minors())
    assert [dataset.number for dataset in view.training_datasets()] == [1]
    assert view.get_training_dataset(1).frame("train").equals(known.frame("train"))
    assert not left(own_shop.lake)
