"""The verbs that look, as a user calls them, over one small lake."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from deployments.cli.app import app
from models.lake_map import LakeMap
from quick_lake import opened, registry

PROJECT = Path(__file__).parents[3]


def alluvia(lake: Path, *arguments: str) -> Result:
    return CliRunner().invoke(app, [*arguments, "--lake", str(lake)])


def told(lake: Path, *arguments: str) -> Any:
    """What a verb answers as JSON."""
    done = alluvia(lake, *arguments, "--json")
    assert done.stderr == ""
    return json.loads(done.stdout)


def test_groups_are_listed_with_rows_newest_event_and_freshness(quick_lake: Path) -> None:
    out = alluvia(quick_lake, "groups").stdout
    (visits,) = told(quick_lake, "groups", "visits")

    line = next(line.split() for line in out.splitlines() if "habits_v1" in line)
    assert line[:5] == ["habits_v1", "1", "12", "2026-03-05", "00:00"]
    assert "yes" in line
    assert visits["id"] == "visits_v1"
    assert (visits["rows"], visits["newest_event"]) == (60, "2026-03-05T00:00:00+00:00")
    assert visits["behind"] == []
    assert visits["age_seconds"] > 0
    assert "No feature group mentions 'nothing'." in alluvia(quick_lake, "groups", "nothing").stdout


def test_show_tells_a_group_a_view_a_dataset_and_a_release(quick_lake: Path) -> None:
    group, release = alluvia(quick_lake, "show", "habits"), told(quick_lake, "show", "champion")

    assert group.exit_code == 0
    for text in ("habits v1: habits.", "made from    visits_v1 at version 1", "pages", "visits moved"):
        assert text in group.stdout
    assert release["figures"] == {"router auc": 0.81}
    assert told(quick_lake, "show", "gate/2")["statistics"]["columns"][0]["name"] == "customer"
    assert told(quick_lake, "show", "gate")["thing"] == {"kind": "view", "name": "gate_v1"}


def test_history_tells_who_did_what_and_why(quick_lake: Path) -> None:
    found = told(quick_lake, "history", "visits", "-n", "1")

    assert [(c["version"], c["inserted"], c["who"], c["why"]) for c in found] == [(1, 60, "somebody", "more visits")]
    assert "tried beside it" in alluvia(quick_lake, "history", "champion").stdout


def test_releases_and_their_lineage(quick_lake: Path) -> None:
    found = told(quick_lake, "releases")
    tree = alluvia(quick_lake, "lineage", "visits@0").stdout

    assert [(r["role"], r["blessed"]) for r in found] == [("champion", True), ("challenger", False)]
    assert found[0]["release"][:12] in alluvia(quick_lake, "releases").stdout
    assert "feature group visits_v1 at version 0 leads to" in tree
    assert f"release {found[0]['release'][:12]}, champion" in tree
    assert found[1]["release"] in json.dumps(told(quick_lake, "lineage", "visits@1")["made_of_it"])
    assert "leads to nothing yet." in alluvia(quick_lake, "lineage", "challenger").stdout


def test_a_graph_is_written_where_one_says(quick_lake: Path, tmp_path: Path) -> None:
    found = told(quick_lake, "graph", "--out", str(tmp_path / "graph.html"))

    assert found["path"] == str(tmp_path / "graph.html")
    assert "<svg" in (tmp_path / "graph.html").read_text()
    assert {"from": "group:visits_v1", "to": "group:habits_v1"} in found["links"]
    refused = alluvia(quick_lake, "graph", "--out", str(tmp_path / "nowhere" / "graph.html"))
    assert (refused.exit_code, "No such file or directory" in refused.stderr) == (1, True)


def test_a_vacuum_only_says_what_would_go_until_it_is_told_to(own_quick_lake: Path) -> None:
    files = set(own_quick_lake.rglob("*.parquet"))

    dry = told(own_quick_lake, "vacuum", "--retain", "0")
    said = alluvia(own_quick_lake, "vacuum", "--retain", "0").stdout

    assert dry["dry_run"]
    assert "training dataset gate_v1/1" in said
    assert "Registry gate: would remove 0 members" in said
    assert "Nothing was removed; --remove does it." in said
    assert set(own_quick_lake.rglob("*.parquet")) == files
    done = told(own_quick_lake, "vacuum", "visits", "--retain", "0", "--remove")
    # Version 0 of visits is in nobody's pins, but its files are younger than any that a vacuum removes unasked.
    assert [table["name"] for table in done["tables"]] == ["visits_v1"]
    assert done["registries"] == {}
    assert alluvia(own_quick_lake, "vacuum", "gate").exit_code == 1


def test_verify_says_which_file_is_bad_and_fails(own_quick_lake: Path) -> None:
    assert "All 8 are whole." in alluvia(own_quick_lake, "verify").stdout
    file = next((own_quick_lake / "training_datasets" / "gate_v1").glob("*/parts/test/*.parquet"))
    file.write_bytes(b"")

    done = alluvia(own_quick_lake, "verify")

    assert done.exit_code == 1
    assert "the file parts/test/part-0.parquet has 0 of " in done.stdout
    assert "1 of 8 are damaged." in done.stdout
    champion = LakeMap(opened(own_quick_lake)).find("champion").name
    assert [one["name"] for one in told(own_quick_lake, "verify", "ages", "champion")] == ["ages_v1", champion]


def test_who_serves_is_switched_by_name(own_quick_lake: Path) -> None:
    made = registry(opened(own_quick_lake))
    first, second = (entry.id for entry in made.releases())

    refused = alluvia(own_quick_lake, "promote", second[:8])
    no_earlier = alluvia(own_quick_lake, "rollback")
    again = told(own_quick_lake, "promote", first[:8], "--reason", "it is good")

    assert (refused.exit_code, "M016 release not blessed" in refused.stderr) == (1, True)
    assert f"Before {first[:12]} it had no champion." in no_earlier.stderr
    assert again["champion"] == first
    assert alluvia(own_quick_lake, "promote", "visits").exit_code == 1
    assert alluvia(own_quick_lake, "rollback", "--registry", "gates").stderr.count("Did you mean 'gate'?") == 1


def test_experiments_are_one_table(own_quick_lake: Path) -> None:
    assert "Nothing was tried yet" in alluvia(own_quick_lake, "experiments").stdout
    for number, cost in enumerate((3, 7)):
        told_ = {"release": f"{number}" * 64, "blessed": True, "reasons": [], "datasets": [1, 1]}
        output = {**told_, "variant": {"miss_cost": cost, "band": 0.1}, "metrics": {"ndcg@10": 0.1 * cost}}
        record = {"recorded_at": f"2026-04-0{number + 1}T00:00:00+00:00", "output": output}
        opened(own_quick_lake).metadata.append("steps/training/films/release/log", record)

    found = told(own_quick_lake, "experiments")
    wrong = alluvia(own_quick_lake, "experiments", "--training", "film")

    assert [row["with_miss_cost"] for row in found] == ["3", "7"]
    assert "with_miss_cost" in alluvia(own_quick_lake, "experiments").stdout
    assert "Did you mean 'films'?" in wrong.stderr


def test_doctor_looks_at_the_lake_it_is_given(quick_lake: Path) -> None:
    found = told(quick_lake, "doctor")

    assert {
        "name": "lake",
        "state": "good",
        "found": f"{quick_lake}, writable, 4 feature groups",
        "next_step": "",
    } in found


@pytest.mark.parametrize("verb", ["show", "history", "lineage", "verify"])
def test_a_misspelt_name_is_told_what_was_meant(verb: str, quick_lake: Path) -> None:
    done = alluvia(quick_lake, verb, "habit")

    assert (done.exit_code, done.stdout) == (1, "")
    assert "Did you mean 'habits'?" in done.stderr
    assert len(done.stderr.splitlines()) == 2


@pytest.mark.parametrize("name", ["habits", "group:habits", "group:champion"])
def test_only_a_release_is_promoted(name: str, quick_lake: Path) -> None:
    done = alluvia(quick_lake, "promote", name)

    assert (done.exit_code, done.stdout) == (1, "")
    assert "No release in this lake has that name. There is: " in done.stderr
    assert "habits," not in done.stderr.partition("There is")[2]


LOADING = """
import sys
from deployments.cli.app import main
for verb in ("--help", "groups", "releases", "lineage champion", "show habits"):
    sys.argv[1:] = verb.split()
    try:
        main()
    except SystemExit as end:
        loaded = sorted({module.partition(".")[0] for module in sys.modules})
        print(verb, end.code, *loaded, file=sys.stderr)
"""
"""Calls verbs and says what was imported up to then."""


def test_verbs_that_read_import_neither_prefect_nor_spark_nor_scikit_learn(quick_lake: Path) -> None:
    given = {**os.environ, "PYTHONPATH": str(PROJECT), "ALLUVIA_LAKE": str(quick_lake)}
    done = subprocess.run([sys.executable, "-c", LOADING], env=given, capture_output=True, text=True, check=True)

    helped, *read = (line.split() for line in done.stderr.splitlines())
    assert "polars" not in helped
    assert len(read) == 4
    for words in read:
        assert "0" in words, words[:3]
        assert {"prefect", "pyspark", "sklearn", "pandera", "pandas"} & set(words) == set(), words[:2]


def test_the_entry_point_is_installed() -> None:
    program = Path(sys.executable).parent / "alluvia"
    done = subprocess.run([program, "groups", "--nonsense"], capture_output=True, text=True, check=False)

    assert done.returncode == 2
    assert "No such option: --nonsense" in done.stderr
