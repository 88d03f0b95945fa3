from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from typing import Any

import polars as pl
import pytest

from feature_groups.store import FeatureStore, Settings, connect
from feature_groups.store.errors import (
    DuplicateKeys,
    InvalidDeclaration,
    SchemaMismatch,
    UnknownFeatureGroup,
    UnsupportedFrame,
)
from visits import frame, in_memory, visits

ROWS = pl.DataFrame(
    {
        "user_id": [1, 2],
        "at": [datetime(2026, 1, 1, tzinfo=UTC), datetime(2026, 1, 2, tzinfo=UTC)],
        "vector": [[0.5, 0.25], [1.0, -1.0]],
        "label": ["a", None],
    },
    schema_overrides={"vector": pl.List(pl.Float32)},
)
KEYWORDS: dict[str, Any] = {"name": "vectors", "version": 1, "primary_key": ["user_id"], "event_time": "at"}


def test_a_group_is_made_from_keywords_and_the_first_frame(
    light_store: FeatureStore, caplog: pytest.LogCaptureFixture
) -> None:
    group = light_store.get_or_create_feature_group(**KEYWORDS)
    assert "waits for a first frame" in repr(group)
    with pytest.raises(InvalidDeclaration, match="no frame was inserted"):
        group.read()
    with pytest.raises(UnsupportedFrame):
        group.insert("no frame")
    with pytest.raises(DuplicateKeys):
        group.insert(pl.concat([ROWS, ROWS]).drop("label"))
    assert light_store.declaration_log(group.declaration) == []  # what was not written left no contract behind

    receipt = group.insert(ROWS)
    assert receipt.inserted == 2
    shown = "vectors.v1: contract inferred from the first frame: user_id int64, at timestamp, vector list<float32>"
    assert shown in caplog.text
    for again in (
        group,
        light_store.get_or_create_feature_group(**KEYWORDS),
        connect(light_store.lake, settings=Settings(engine="polars")).get_feature_group("vectors", "latest"),
    ):
        assert in_memory(again.read()).sort("user_id").equals(ROWS)
        assert again.insert(ROWS.to_dicts()).unchanged == 2
        with pytest.raises(SchemaMismatch, match=r"'label' \(string\) is missing"):
            again.insert(ROWS.drop("label"))
        assert "One row per user_id, at (inferred from the first frame)." in repr(again)


@pytest.mark.parametrize(
    ("keywords", "message"),
    [
        ({"primary_keys": ["user_id"]}, "no keyword 'primary_keys'. Did you mean 'primary_key'"),
        ({"name": None}, "is a NoneType"),
        ({"name": "../etc"}, "does not match"),
        ({"version": 0}, "version is 0"),
        ({"event_time": "user_id"}, "also in the primary key"),
    ],
)
def test_keywords_that_make_no_declaration_are_refused(
    light_store: FeatureStore, keywords: dict[str, Any], message: str
) -> None:
    with pytest.raises(InvalidDeclaration, match=message):
        light_store.get_or_create_feature_group(**KEYWORDS | keywords)
    assert len(light_store.catalogue()) == 0


def test_needed_keywords_are_asked_for(light_store: FeatureStore) -> None:
    for missing in ("name", "version", "primary_key"):
        given = {key: value for key, value in KEYWORDS.items() if key != missing}
        with pytest.raises(InvalidDeclaration, match=f"'{missing}' is missing"):
            light_store.get_or_create_feature_group(**given)


def test_a_first_frame_without_the_key_columns_is_refused(light_store: FeatureStore) -> None:
    group = light_store.get_or_create_feature_group(**KEYWORDS)
    with pytest.raises(InvalidDeclaration, match="'user_id' is not a column"):
        group.insert(ROWS.drop("user_id"))
    with pytest.raises(InvalidDeclaration, match="'duration'"):
        group.insert(ROWS.with_columns(duration=pl.duration(hours=1)))
    assert group.declaration not in [e.name for e in light_store.catalogue()]


def test_without_event_time_a_group_is_static(light_store: FeatureStore) -> None:
    group = light_store.get_or_create_feature_group(name="labels", version=3, primary_key="user_id")
    assert (group.declaration.static, group.declaration.primary_key, group.version) == (True, ("user_id",), 3)


def test_a_group_opened_by_name_takes_no_rows_past_checks_it_does_not_know(light_story: Any) -> None:
    by_name = light_story.store.get_feature_group("visits", "latest")
    by_keywords = light_story.store.get_or_create_feature_group(
        name="visits", version=1, primary_key=["user_id"], event_time="at"
    )
    for group in (by_name, by_keywords):
        assert in_memory(group.read()).height == len(light_story.rows)
        with pytest.raises(InvalidDeclaration, match=r"checks of visits\.Visit are code"):
            group.insert(frame({(1, 0): (999.0, None, None)}))


def test_an_unknown_group_names_the_known_ones(light_story: Any) -> None:
    with pytest.raises(UnknownFeatureGroup, match="Did you mean 'visits'"):
        light_story.store.get_feature_group("visit", 1)
    with pytest.raises(UnknownFeatureGroup, match=r"versions \[1\] of it"):
        light_story.store.get_feature_group("visits", 2)


def test_many_threads_declare_one_group_once(light_store: FeatureStore) -> None:
    stores = [connect(light_store.lake, settings=Settings(engine="polars")) for _ in range(8)]
    with ThreadPoolExecutor(8) as threads:
        groups = list(threads.map(lambda store: store.get_or_create_feature_group(visits()), stores))
    assert {repr(group.describe()) for group in groups} == {repr(groups[0].describe())}
    log = light_store.declaration_log(visits())
    assert [entry["columns"] for entry in log] == [log[0]["columns"]] * len(log)
    assert [e.name for e in light_store.catalogue()] == ["visits"]
