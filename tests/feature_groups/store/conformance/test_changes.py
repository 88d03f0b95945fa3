from __future__ import annotations

import itertools
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from deltalake import write_deltalake
from polars.testing import assert_frame_equal

from feature_groups.store import FeatureStore
from feature_groups.store.errors import NoChangeFeed
from visits import NEW_YEAR, SCHEMA, Key, Rows, Values, frame, in_memory, rows_of, visits

SORTED = ["_commit_version", "user_id", "at", "_change_type"]


def replayed(before: Rows, feed: pl.DataFrame) -> Rows:
    """The rows after the changes: what every reader of a feed does with it, and what it may rely on."""
    rows: dict[Key, Values] = dict(before)
    for (_version,), changes in feed.sort("_commit_version").group_by("_commit_version", maintain_order=True):
        kinds: dict[str, dict[Key, Values]] = {}
        for (kind,), part in changes.group_by("_change_type"):
            kinds[str(kind)] = rows_of(part.lazy().select(list(SCHEMA)))
        insert, delete = kinds.pop("insert", {}), kinds.pop("delete", {})
        old, new = kinds.pop("update_preimage", {}), kinds.pop("update_postimage", {})
        assert not kinds
        assert set(old) == set(new)
        assert all(old[key] != new[key] for key in old)
        assert {key: rows[key] for key in (*delete, *old)} == {**delete, **old}
        assert not set(insert) & set(rows)
        for key in delete:
            del rows[key]
        rows |= insert | new
    return rows


def test_the_changes_between_two_versions_turn_the_older_one_into_the_newer(story: Any) -> None:
    versions = sorted(story.versions)
    pairs = list(itertools.combinations(versions, 2))
    if story.store.shop.choice == "spark":
        pairs = [(0, versions[-1]), (1, 2), (versions[-3], versions[-2])]
    for since, until in pairs:
        feed = in_memory(story.group.read_changes(since, until))
        assert set(feed["_commit_version"]) == set(range(since + 1, until + 1))
        assert replayed(story.versions[since], feed) == story.versions[until]


def test_both_engines_give_the_same_changes(story: Any, engine: str) -> None:
    other = "spark" if engine == "polars" else "polars"
    own, others = (in_memory(story.group.read_changes(engine=e)) for e in (engine, other))
    assert own.schema == SCHEMA | {"_change_type": pl.String(), "_commit_version": pl.Int64()}
    assert_frame_equal(own.sort(SORTED), others.sort(SORTED))


def test_no_commits_are_no_changes(story: Any) -> None:
    newest = max(story.versions)
    for since, until in ((newest, newest), (newest, None), (2, 2), (0, 0), (3, 1)):
        feed = in_memory(story.group.read_changes(since, until))
        assert feed.is_empty()
        assert feed.schema == SCHEMA | {"_change_type": pl.String(), "_commit_version": pl.Int64()}


def test_without_bounds_all_changes_are_read(light_story: Any) -> None:
    assert replayed({}, in_memory(light_story.group.read_changes())) == light_story.rows


def test_changes_are_bounded_by_instants_as_well(light_story: Any) -> None:
    commits = {c.version: c.committed_at for c in light_story.group.history()}
    by_instant = in_memory(light_story.group.read_changes(commits[1], commits[3].isoformat()))
    assert_frame_equal(by_instant.sort(SORTED), in_memory(light_story.group.read_changes(1, 3)).sort(SORTED))


def test_a_table_that_records_no_changes_says_so(light_store: FeatureStore) -> None:
    group = light_store.get_or_create_feature_group(visits())
    rows = frame({(1, 0): (1.0, None, None)}).with_columns(ingested_at=pl.lit(NEW_YEAR))
    Path(group.table.path).parent.mkdir(parents=True)
    write_deltalake(group.table.path, rows)
    with pytest.raises(NoChangeFeed, match=r"delta\.enableChangeDataFeed is not set"):
        group.read_changes()
    assert rows_of(group.read()) == {(1, 0): (1.0, None, None)}
