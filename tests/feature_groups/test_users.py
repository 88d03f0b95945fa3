from __future__ import annotations

import polars as pl
import pytest

from example import batch, made
from feature_groups import users
from feature_groups.store import FeatureStore
from feature_groups.store.errors import ContractViolated

RAW = {"user_id": 1, "gender": "F", "age": 25, "occupation": 10, "zip_code": "48067-1234"}


def raw(*rows: dict[str, object]) -> pl.DataFrame:
    return pl.DataFrame([RAW | {"user_id": n} | row for n, row in enumerate(rows, 1)])


def test_rows_are_the_same_on_every_engine_and_leave_age_and_most_of_the_postal_code_out(
    store: FeatureStore, engine: str
) -> None:
    found = made(users.v1, raw({}, {"gender": "M", "zip_code": "9"}), store, engine).sort("user_id")

    assert found.columns == ["user_id", "gender", "occupation", "zip3"]
    assert found.rows() == [(1, "F", 10, "480"), (2, "M", 10, "9")]


@pytest.mark.parametrize(
    ("row", "broken"),
    [
        ({"occupation": 21}, "occupation in_range(0, 20"),
        ({"occupation": -1}, "occupation in_range(0, 20"),
        ({"gender": "f"}, "gender isin"),
        ({"gender": ""}, "gender isin"),
        ({"user_id": 0}, "user_id greater_than_or_equal_to(1)"),
    ],
)
def test_unknown_codes_are_refused(row: dict[str, object], broken: str, light_store: FeatureStore) -> None:
    with pytest.raises(ContractViolated, match="1 of 2 rows") as caught:
        batch(users.v1, made(users.v1, raw({}, row), light_store), light_store)

    assert f"rows break {broken}" in caught.value.what


def test_no_message_shows_what_people_said_of_themselves(light_store: FeatureStore) -> None:
    bad = raw({"gender": "canary", "occupation": 99, "zip_code": "canary"})
    with pytest.raises(ContractViolated) as caught:
        batch(users.v1, made(users.v1, bad, light_store), light_store)

    assert "can" not in str(caught.value).replace("cannot", "")
    assert "e.g. 99" in str(caught.value)


def test_the_statistics_show_no_personal_value(light_store: FeatureStore) -> None:
    good = batch(users.v1, made(users.v1, raw({}, {}), light_store), light_store)

    assert "480" not in str(good.statistics.to_json())
    assert "480" not in repr(good.statistics)


def test_occupation_gives_the_label_away_and_says_so() -> None:
    assert users.v1.spec is not None
    assert users.v1.spec.by_name["occupation"].label_proxy == "is_under_18"
    assert users.v1.spec.pii == {"gender", "zip3"}
