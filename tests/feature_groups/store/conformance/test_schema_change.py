from __future__ import annotations

from typing import Any

import pandera.polars as pa
import polars as pl
import pytest

from feature_groups.store import FeatureStore, UtcDatetime, connect
from feature_groups.store.errors import DeclarationChanged
from visits import SCHEMA, Rows, Visit, frame, in_memory, rows_of, visits

ROWS: Rows = {(1, 0): (1.0, "Ada", None), (2, 0): (2.0, "Bob", ["x"])}


class Wider(Visit):
    """One row per user and visit."""

    channel: str = pa.Field(nullable=True)
    weights: list[float] = pa.Field(nullable=True)


def test_appended_columns_are_null_in_rows_and_versions_of_before(light_store: FeatureStore) -> None:
    narrow = light_store.get_or_create_feature_group(visits(policy="quarantine", max_rejected=0.5))
    before = narrow.insert(frame({**ROWS, (3, 0): (999.0, "Eve", None)}))
    wide_declaration = visits(policy="quarantine", max_rejected=0.5, contract=Wider)
    with pytest.raises(DeclarationChanged, match=r"\+ column 'channel'[\s\S]*fs\.append_features"):
        light_store.get_or_create_feature_group(wide_declaration)

    wide = light_store.append_features(wide_declaration, reason="campaigns")
    assert (wide.history(1)[0].version, wide.history(1)[0].operation) == (2, "migrate")
    assert wide.history(1)[0].why == "campaigns"
    empty = {"channel": pl.String(), "weights": pl.List(pl.Float64())}
    for version, engine in ((1, "polars"), (2, "polars"), (1, "spark")):
        old = in_memory(wide.read(version, engine=engine))
        assert old.schema == SCHEMA | empty
        assert rows_of(old.lazy().select(list(SCHEMA))) == ROWS
        assert old.select(pl.all_horizontal(pl.col(*empty).is_null().all())).item()
    changes = in_memory(wide.read_changes(0, 1))
    assert list(changes.columns)[:7] == [*SCHEMA, *empty]
    assert changes.height == 2
    state = light_store.writer.states.at(wide.table)
    assert f"{state.fingerprint:032x}" == before.fingerprint
    assert wide.rejected().select("user_id", "channel").rows() == [(3, None)]

    with pytest.raises(DeclarationChanged, match=r"\+ column 'channel' is new in the table"):
        narrow.insert(frame(ROWS).with_columns(score=pl.lit(5.0)))  # it was opened before the columns were there
    with pytest.raises(DeclarationChanged, match="is new in the table"):
        narrow.delete_rows(pl.DataFrame({"user_id": [1]}))

    same = wide.insert(frame(ROWS).with_columns(channel=pl.lit(None), weights=pl.lit(None)))
    assert (same.committed, same.unchanged) == (False, 2)
    filled = frame(ROWS).with_columns(channel=pl.lit("mail"), weights=pl.lit([0.5, None]))
    receipt = wide.insert(filled.head(1))
    assert (receipt.updated, receipt.version) == (1, 3)
    for engine in ("polars", "spark"):
        found = in_memory(wide.read(engine=engine)).sort("user_id")
        assert found["channel"].to_list() == ["mail", None]
        assert found["weights"].to_list() == [[0.5, None], None]
        feed = in_memory(wide.read_changes(engine=engine)).filter(pl.col("user_id") == 1).sort("_commit_version")
        assert sorted(feed.select("_commit_version", "_change_type", "channel").rows()) == [
            (1, "insert", None),
            (3, "update_postimage", "mail"),
            (3, "update_preimage", None),
        ]
    with pytest.raises(DeclarationChanged):
        light_store.append_features(wide_declaration)
    reopened = connect(light_store.lake, settings=None).get_or_create_feature_group(wide_declaration)
    assert reopened.history(1)[0].version == 3


class Retyped(pa.DataFrameModel):
    """One row per user and visit."""

    user_id: str
    at: UtcDatetime
    score: float = pa.Field(le=100, nullable=True)
    tags: list[str]


@pytest.mark.parametrize(
    ("options", "shown"),
    [
        ({"contract": Retyped}, "- column 'name' (string, may be NULL) is gone"),
        ({"contract": Retyped}, "~ column 'user_id' was int64, is string"),
        ({"contract": Retyped}, "~ column 'tags' was list<string>, may be NULL, is list<string>"),
        ({"primary_key": ["user_id", "name"], "contract": None}, "~ primary_key was ['user_id']"),
        ({"event_time": None, "static": True}, "~ event_time was 'at', is None"),
        ({"corrections": "keep"}, "~ corrections was 'replace', is 'keep'"),
        ({"partition_by": ["name"]}, "~ partition_by was [], is ['name']"),
        ({"sequence": "score"}, "~ sequence was None, is 'score'"),
    ],
)
def test_any_other_change_of_a_declaration_is_shown_and_leaves_the_data_alone(
    light_story: Any, options: dict[str, Any], shown: str
) -> None:
    before = light_story.group.history()[0]
    if options.get("contract", Visit) is None:

        class Named(Visit):
            """One row per user and visit."""

            name: str = pa.Field(metadata={"pii": True})

        options = options | {"contract": Named}
    with pytest.raises(DeclarationChanged) as caught:
        light_story.store.get_or_create_feature_group(visits(**options))
    assert shown in str(caught.value)
    assert "declare it as version 2" in str(caught.value)
    with pytest.raises(DeclarationChanged):
        light_story.store.append_features(visits(**options))
    assert light_story.group.history()[0] == before
    assert rows_of(light_story.group.read()) == light_story.rows


def test_what_does_not_touch_the_data_is_recorded(light_store: FeatureStore) -> None:
    light_store.get_or_create_feature_group(visits())
    light_store.get_or_create_feature_group(visits())
    changed = visits(owner="someone else", tags={"level": "gold"}, policy="warn", deprecated="use visits v2")
    group = light_store.get_or_create_feature_group(changed)
    log = light_store.declaration_log(group.declaration)
    assert [(entry["owner"], entry["policy"]) for entry in log] == [("the team", "strict"), ("someone else", "warn")]
    assert light_store.get_feature_group("visits", 1).declaration.tags == {"level": "gold"}
    assert not (light_store.lake / "feature_groups").exists()
