"""What every feature group's declaration owes its reader.

`declarations.json` holds all of them: any change of key, dependency or contract shows in review. After a change that
is meant, write it anew with ``UPDATE_DECLARATIONS=1 pytest tests/architecture/test_declarations.py``.
"""

from __future__ import annotations

import importlib
import json
import os
import re
from pathlib import Path
from typing import Any

import pytest

from feature_groups.store import FeatureGroup
from feature_groups.store.discovery import discover
from feature_groups.store.feature_group import declaration_json

PROJECT = Path(__file__).parents[2]
SNAPSHOT = Path(__file__).with_name("declarations.json")
GROUPS = discover("feature_groups")

every_group = pytest.mark.parametrize("group", GROUPS, ids=str)


def declared(group: FeatureGroup) -> dict[str, Any]:
    """The declaration as the snapshot keeps it: all that is declared, but no hash."""
    assert group.spec is not None
    found = declaration_json(group, group.spec)
    found["contract"] = {name: value for name, value in found["contract"].items() if name != "source_hash"}
    if group.source is not None:
        spec = group.source.spec.to_json()
        del spec["source_hash"]
        found["source"] = {
            "name": group.source.name,
            "path": group.source.path,
            "max_shrink": group.source.max_shrink,
            "contract": spec,
        }
    return found


def test_declarations_are_as_last_reviewed() -> None:
    found = {group.id: declared(group) for group in GROUPS}
    if os.environ.get("UPDATE_DECLARATIONS"):
        SNAPSHOT.write_text(json.dumps(found, indent=2, ensure_ascii=False) + "\n")

    kept = json.loads(SNAPSHOT.read_text())
    assert json.loads(json.dumps(found)) == kept, f"if it is meant: {__doc__}"


@every_group
def test_module_and_variable_say_name_and_version(group: FeatureGroup) -> None:
    module = importlib.import_module(f"feature_groups.{group.name}")

    assert getattr(module, f"v{group.version}") is group
    assert module.__doc__ is not None
    assert module.__doc__.lower().startswith(group.name.replace("_", " "))


@every_group
def test_the_grain_is_stated_and_is_the_key(group: FeatureGroup) -> None:
    assert group.spec is not None
    grain = group.spec.grain.splitlines()[0]

    assert re.match(r"One row per ", grain)
    for column in group.primary_key:
        noun = column.removesuffix("_id")
        assert noun in grain or {"movie": "film"}.get(noun, "?") in grain
    assert ("instant" in grain) == (group.event_time is not None)


@every_group
def test_every_column_is_described(group: FeatureGroup) -> None:
    assert group.spec is not None
    assert [column.name for column in group.spec.columns if len(column.description) < 5] == []


@every_group
def test_somebody_owns_it_and_its_description_is_a_sentence(group: FeatureGroup) -> None:
    assert group.owner
    assert re.fullmatch(r"[A-Z].{10,}\.", group.description)


@every_group
def test_it_has_a_file_of_tests_and_fits_a_page(group: FeatureGroup) -> None:
    assert (PROJECT / "tests" / "feature_groups" / f"test_{group.name}.py").is_file()
    lines = (PROJECT / "feature_groups" / f"{group.name}.py").read_text().count("\n")
    assert group.spec is not None
    assert lines <= 80 + 3 * len(group.spec.columns)
