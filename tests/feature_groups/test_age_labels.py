from __future__ import annotations

import polars as pl
import pytest

from example import batch, made
from feature_groups import age_labels
from feature_groups.store import FeatureStore
from feature_groups.store.errors import ContractViolated

BANDS = [1, 18, 25, 35, 45, 50, 56]


def raw(ages: list[int]) -> pl.DataFrame:
    rows = range(1, len(ages) + 1)
    return pl.DataFrame(
        {"user_id": rows, "gender": "F", "age": ages, "occupation": 1, "zip_code": "48067"},
        schema_overrides={"user_id": pl.Int64()},
    )


def test_only_the_youngest_band_is_under_18_on_every_engine(store: FeatureStore, engine: str) -> None:
    found = made(age_labels.v1, raw(BANDS), store, engine).sort("user_id")

    assert found["is_under_18"].to_list() == [True] + [False] * 6
    assert found["age_band"].to_list() == BANDS


def test_a_label_that_disagrees_with_its_band_is_refused(light_store: FeatureStore) -> None:
    rows = made(age_labels.v1, raw(BANDS), light_store).with_columns(is_under_18=pl.col("age_band") <= 18)

    with pytest.raises(ContractViolated, match=r"1 of 7 rows break label_agrees_with_band") as caught:
        batch(age_labels.v1, rows, light_store, user_id=range(1, 8))
    assert "e.g." not in caught.value.what


def test_a_band_that_is_none_is_refused(light_store: FeatureStore) -> None:
    rows = made(age_labels.v1, raw([1, 17]), light_store)

    with pytest.raises(ContractViolated, match=r"1 of 2 rows break age_band isin"):
        batch(age_labels.v1, rows, light_store, user_id=[1, 2])


def test_a_label_of_nobody_is_refused(light_store: FeatureStore) -> None:
    rows = made(age_labels.v1, raw([1, 18]), light_store)

    with pytest.raises(ContractViolated, match=r"1 of 2 rows break user_id exists in users\.v1"):
        batch(age_labels.v1, rows, light_store, user_id=[1])


def test_labels_are_no_features() -> None:
    assert age_labels.v1.restricted
    assert age_labels.v1.spec is not None
    assert "age_band" in age_labels.v1.spec.pii
