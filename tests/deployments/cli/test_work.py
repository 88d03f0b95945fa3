"""The verbs that plan and repeat work, on a lake that was never refreshed by a flow."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from deployments.cli.app import app
from film_lake import FilmLake, film_lake
from small_world import files


@pytest.fixture(scope="module")
def lake(tmp_path_factory: pytest.TempPathFactory) -> FilmLake:
    return film_lake(tmp_path_factory.getbasetemp())


def called(lake: FilmLake, *words: str) -> Result:
    return CliRunner().invoke(app, [*words, "--lake", str(lake.lake)])


def test_a_plan_is_one_document_of_every_step_and_leaves_no_trace(lake: FilmLake) -> None:
    before = files(lake.lake)
    done = called(lake, "plan", "--data", str(lake.data), "--json")

    assert done.exit_code == 0, done.output
    told = {step["name"]: step for step in json.loads(done.stdout)["steps"]}
    assert (told["ratings_v1"]["outcome"], told["ratings_v1"]["kind"]) == ("skip", "group")
    assert told["movie_stats_v1"]["reasons"] == ["first run"]
    assert told["age_gate_v1"]["outcome"] == "skip"
    assert told["predictions"]["reasons"] == ["first run"]
    assert told["outcomes"]["outcome"] == "depends"
    assert files(lake.lake) == before


def test_a_plan_shows_what_was_selected_in_a_table(lake: FilmLake) -> None:
    done = called(lake, "plan", "--data", str(lake.data), "--select", "+age_labels", "--exclude", "users")

    assert done.stdout.splitlines()[0].strip() == "Plan of 1 steps: 1 skip"
    assert done.stdout.splitlines()[4].split()[:3] == ["age_labels_v1", "group", "skip"]


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["plan", "--select", "+ruoter"], "Did you mean 'router'?"),
        (["replay", "ruoter"], "Did you mean 'router'?"),
        (["replay", "router"], "It was never done in this lake."),
        (["replay", "ratings", "--record", "7"], "It has no record 7; it has 1 to 1."),
        (["plan", "--data", "nowhere"], "There is no such folder."),
    ],
)
def test_what_cannot_be_is_told_in_a_line_and_a_hint(words: list[str], said: str, lake: FilmLake) -> None:
    done = called(lake, *words)

    assert done.exit_code == 1
    assert said in done.stderr.splitlines()[0]
    assert done.stderr.splitlines()[1].startswith("  Next: ")


def test_a_replay_says_whether_it_is_equal_by_its_exit_code(lake: FilmLake, tmp_path: Path) -> None:
    before = files(lake.lake)
    equal = called(lake, "replay", "user_history", "--json")
    assert equal.exit_code == 0, equal.output
    assert json.loads(equal.stdout)["equal"] is True
    assert called(lake, "replay", "ratings", "--data", str(lake.data)).exit_code == 0
    assert files(lake.lake) == before

    other = lake.copy(tmp_path / "copy")
    users = other.data / "users.dat"
    users.write_bytes(users.read_bytes().replace(b"::F::", b"::M::", 1))
    told = called(other, "replay", "users", "--data", str(other.data))
    assert told.exit_code == 1
    assert "Raw files have no versions." in told.stderr
